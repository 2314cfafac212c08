# shellcheck shell=bash
# lib.sh: what the server files share. Sourced by lab.sh.

die() { echo "lab: $*" >&2; exit 1; }

# Install packages on the machine itself, if any is missing.
apt_install() {
	local p missing=()
	for p in "$@"; do
		[[ $(dpkg-query -W -f '${db:Status-Status}' "$p" 2>/dev/null) == installed ]] || missing+=("$p")
	done
	((${#missing[@]})) || return 0
	apt_update_once
	# RUNLEVEL=1 and policy-rc.d keep maintainer scripts from starting daemons.
	RUNLEVEL=1 apt-get -qq -o DPkg::Lock::Timeout=600 -o Dpkg::Use-Pty=0 \
		install -y --no-install-recommends "${missing[@]}" >"$(apt_log)" 2>&1 ||
		{ tail -30 "$(apt_log)" >&2; return 1; }
}
apt_log() { echo "${TMPDIR:-/tmp}/lab-apt.$$.log"; }
apt_update_once() {
	# Package lists may be absent on a fresh machine.
	compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null || apt-get -qq update
}

# render TEMPLATE DEST K=V...: replace @K@ in a template. Any @K@ left over is an error.
render() {
	local src=$1 dst=$2 kv args=(); shift 2
	for kv in "$@"; do args+=(-e "s|@${kv%%=*}@|${kv#*=}|g"); done
	sed "${args[@]}" "$src" >"$dst"
	! grep -noE '@[A-Z_]+@' "$dst" >&2 || die "unset variable in $src"
}

alive() { [[ -n ${1:-} ]] && kill -0 "$1" 2>/dev/null; }

# wait_port PORT [HOST] [SECONDS]
wait_port() {
	local i
	for ((i = 0; i < ${3:-20} * 20; i++)); do
		(exec 3<>"/dev/tcp/${2:-127.0.0.1}/$1") 2>/dev/null && return 0
		sleep 0.05
	done
	die "nothing listens on ${2:-127.0.0.1}:$1"
}

# stop_pid PID [SECONDS]: TERM, wait, then KILL.
stop_pid() {
	local i
	alive "$1" || return 0
	kill "$1" 2>/dev/null || return 0
	for ((i = 0; i < ${2:-10} * 20; i++)); do alive "$1" || return 0; sleep 0.05; done
	kill -9 "$1" 2>/dev/null || true
}

# --- images: package sets that conflict with what the machine has -------------------

# image_build NAME PACKAGE...: fill $LAB_CACHE/NAME by apt-get inside an overlay.
image_build() {
	local name=$1 img=$LAB_CACHE/$1 tmp; shift
	[[ ! -e $img/ok || $(cat "$img/ok") != "$*" ]] || return 0
	apt_update_once
	tmp=$img.tmp
	rm -rf "$tmp"; mkdir -p "$tmp"/{usr,etc,var,work/{usr,etc,var}}
	# A private host name that is fully qualified: the maintainer scripts of sendmail
	# sleep 60 s on one that is not.
	if ! unshare -m -u --propagation private bash -ec '
		img=$0
		hostname lab.test
		for d in usr etc var; do
			mount -t overlay overlay -o "lowerdir=/$d,upperdir=$img/$d,workdir=$img/work/$d" "/$d"
		done
		printf "127.0.0.1 localhost lab.test\n" >/etc/hosts
		printf "#!/bin/sh\nexit 101\n" >/usr/sbin/policy-rc.d; chmod 755 /usr/sbin/policy-rc.d
		rm -f /var/lib/apt/lists/lock /var/lib/dpkg/lock*
		apt-get -qq -o Dpkg::Use-Pty=0 -o Dpkg::Options::=--force-unsafe-io \
			install -y --no-install-recommends "$@"
		apt-get -qq clean
	' "$tmp" "$@" >"$LAB_CACHE/$name.log" 2>&1 </dev/null; then
		tail -30 "$LAB_CACHE/$name.log" >&2
		return 1
	fi
	rm -rf "$img" "$tmp/work" "$tmp/var/lib/apt" "$tmp/var/cache"; mv "$tmp" "$img"
	echo "$*" >"$img/ok"
}

# image_start NAME DIR CMD...: run CMD in the foreground of a keeper (keeper/) with
# image NAME laid over the machine. Changes to /etc and /var stay in DIR/ns; /run, /dev/log,
# the host name and the process ids are its own: when the keeper ends, the kernel ends all
# that it left behind. The network is the caller's. Output and syslog go to DIR/log.
# DIR/prepare, if there, runs first, inside. Environment: LAB_HOST, host name; LAB_RESOLV, a
# resolv.conf to use.
image_start() {
	local img=$LAB_CACHE/$1 dir=$2 outer i; shift 2
	[[ -e $img/ok ]] || die "image $img is missing: lab.sh install first"
	[[ -x $LAB_CACHE/keeper-bin ]] || die "keeper is missing: lab.sh install first"
	mkdir -p "$dir"/ns/{etc,var,dev,run,work/{etc,var,dev}}
	rm -f "$dir/pid" "$dir/ready"; : >"$dir/log"
	setsid unshare -m -u -p -f --mount-proc --kill-child=SIGKILL --propagation private bash -ec '
		img=$0 dir=$1 keeper=$2; shift 2
		hostname "$LAB_HOST"
		mount -t overlay overlay -o "ro,lowerdir=$img/usr:/usr" /usr
		for d in etc var; do
			mount -t overlay overlay -o "lowerdir=$img/$d:/$d,upperdir=$dir/ns/$d,workdir=$dir/ns/work/$d" "/$d"
		done
		mount -t overlay overlay -o "lowerdir=/dev,upperdir=$dir/ns/dev,workdir=$dir/ns/work/dev" /dev
		mount -t tmpfs tmpfs /dev/shm
		mount --bind "$dir/ns/run" /run
		printf "127.0.0.1 %s localhost\n" "$LAB_HOST" >/etc/hosts
		[[ -z ${LAB_RESOLV:-} ]] || cat "$LAB_RESOLV" >/etc/resolv.conf
		[[ ! -x $dir/prepare ]] || "$dir/prepare"
		exec "$keeper" -log "$dir/log" -ready "$dir/ready" -- "$@"
	' "$img" "$dir" "$LAB_CACHE/keeper-bin" "$@" >>"$dir/log" 2>&1 </dev/null &
	outer=$!
	for ((i = 0; i < 400; i++)); do
		if [[ -e $dir/ready ]]; then
			tr -d ' ' <"/proc/$outer/task/$outer/children" 2>/dev/null >"$dir/pid" || break
			[[ -s $dir/pid ]] || break
			return 0
		fi
		alive "$outer" || break
		sleep 0.05
	done
	tail -20 "$dir/log" >&2
	rm -f "$dir/pid"
	die "$1 did not start"
}

image_pid() { cat "$1/pid" 2>/dev/null; } # the keeper's, as seen from outside

image_stop() { # DIR
	local pid; pid=$(image_pid "$1") || return 0
	stop_pid "$pid"
	rm -f "$1/pid"
}

# image_exec DIR CMD...: run CMD in the name spaces of a running instance.
image_exec() {
	local pid; pid=$(image_pid "$1") || die "not running: $1"; shift
	exec nsenter -t "$pid" -m -u -p -- "$@"
}
