#!/bin/bash
# lab.sh: private instances of real mail servers for integration tests.
#
#   lab.sh install [SERVER...]           packages and overlay images (all if none named)
#   lab.sh start   SERVER DIR PORT [K=V] start an instance with its whole state under DIR
#   lab.sh stop    SERVER DIR            stop it
#   lab.sh status  SERVER DIR            exit 0 if it runs
#   lab.sh exec    SERVER DIR CMD...     run CMD as the instance sees the machine
#   lab.sh servers                       names of the servers
#
# SERVER is a file in servers/. Each instance keeps config, spool, logs, sockets and
# pid files under DIR; nothing is written to /etc, /var or /run of the machine, save by
# the package manager for the packages that do not conflict (postfix, dovecot).
# Servers whose packages conflict with these live in an "image": the
# upper layers of overlay mounts over /usr, /etc and /var, filled by apt-get inside a
# mount namespace of its own. Needs root and unshare(1), no init system, no container
# engine.
#
# DIR must be absolute, and every folder above it must let other users pass
# (chmod 755 a folder from mktemp -d), since the servers drop root.
set -euo pipefail
LAB=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
: "${LAB_CACHE:=/opt/breakwater-lab}" # where images are kept; not below /usr, /etc or /var
: "${LAB_HOST:=mx.example.test}"     # host name inside images
: "${LAB_UID:=5000}"                   # numeric owner of mailboxes; needs no passwd entry
export LAB LAB_CACHE LAB_HOST LAB_UID DEBIAN_FRONTEND=noninteractive

# shellcheck source=lib.sh
. "$LAB/lib.sh"

usage() { sed -n '2,10s/^# \{0,1\}//p' "${BASH_SOURCE[0]}" >&2; exit 64; }

load() { # SERVER
	[[ $1 =~ ^[a-z]+$ && -f $LAB/servers/$1.sh ]] || die "no such server: $1 (have: $(server_names))"
	# shellcheck disable=SC1090
	. "$LAB/servers/$1.sh"
}

server_names() { (cd "$LAB/servers" && printf '%s ' *.sh | sed 's/\.sh//g'); }

check_dir() { # DIR
	local d=$1
	[[ $d == /* ]] || die "not an absolute folder: $d"
	mkdir -p "$d"
	while [[ $d != / ]]; do
		[[ -k $d || $(stat -c %A "$d") == *[xt] ]] || die "$d shuts other users out: chmod o+x it"
		d=$(dirname "$d")
	done
}

main() {
	[[ $# -ge 1 ]] || usage
	local cmd=$1; shift
	case $cmd in
	servers) server_names; echo ;;
	install)
		[[ $EUID == 0 ]] || die "must be root"
		# shellcheck disable=SC2046
		[[ $# -gt 0 ]] || set -- $(server_names)
		mkdir -p "$LAB_CACHE"
		exec 9>"$LAB_CACHE/lock"
		flock 9 # tests of several packages may ask at once
		(cd "$LAB/../tools/keeper" && go build -o "$LAB_CACHE/keeper-bin" .) # starts what runs from an image
		local s
		for s in "$@"; do ( load "$s"; server_install ) || die "install $s failed"; done ;;
	start)
		[[ $# -ge 3 ]] || usage
		load "$1"; local dir=$2 port=$3; shift 3
		check_dir "$dir"
		local kv
		for kv in "$@"; do
			[[ $kv =~ ^[a-z_]+= ]] || die "not key=value: $kv"
			printf -v "opt_${kv%%=*}" %s "${kv#*=}"
		done
		server_start "$dir" "$port" ;;
	stop|status) [[ $# -eq 2 ]] || usage; load "$1"; "server_$cmd" "$2" ;;
	exec) [[ $# -ge 3 ]] || usage; load "$1"; shift; server_exec "$@" ;;
	*) usage ;;
	esac
}
main "$@"
