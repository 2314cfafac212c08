# shellcheck shell=bash
# OpenDKIM, straight from the machine's package: a milter that signs mail of internal hosts.
#
# Ports: PORT the milter.
# Options: domain=NAME (whose mail it signs)

server_install() { apt_install opendkim opendkim-tools; }

server_start() { # DIR PORT
	local dir=$1 port=$2 domain=${opt_domain:-example.test}
	opendkim-genkey -b 2048 -d "$domain" -s lab -D "$dir"
	chown opendkim "$dir" "$dir/lab.private"
	# As Debian ships it, with the key of one domain. InternalHosts are 127.0.0.1.
	cat >"$dir/opendkim.conf" <<-CONF
		Syslog            yes
		Canonicalization  relaxed/simple
		OversignHeaders   From
		UserID            opendkim
		UMask             007
		RequireSafeKeys   no
		Mode              sv
		Domain            $domain
		Selector          lab
		KeyFile           $dir/lab.private
		Socket            inet:$port@127.0.0.1
		PidFile           $dir/opendkim.pid
	CONF
	opendkim -x "$dir/opendkim.conf" >"$dir/log" 2>&1 || { cat "$dir/log" >&2; die "opendkim did not start"; }
	wait_port "$port"
}

server_stop() { local pid; pid=$(cat "$1/opendkim.pid" 2>/dev/null) || return 0; stop_pid "$pid"; }
server_status() { alive "$(cat "$1/opendkim.pid" 2>/dev/null)"; }
server_exec() { shift; exec "$@"; }
