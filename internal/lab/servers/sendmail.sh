# shellcheck shell=bash
# Sendmail, from an image: its package conflicts with postfix.
#
# Ports: PORT MTA role, PORT+1 submission (MSA), PORT+2 MTA role on ::1.
# Options: milter=inet:N@127.0.0.1|unix:/path (Sendmail's way of writing)  milter_flags=T|R|
#   host=NAME  nexthop=N (port of labsmtp)  lmtp=N (port of lablmtp)
#   auth=USER:PASSWORD (submission asks for SASL)  dns=yes (look up MX)
#   queuereturn=5d queuewarn=4h runqueue=1s loglevel=14
# Files: DIR/mailertable ("example.test labsmtp:[127.0.0.1]"), DIR/aliases,
#   DIR/local-host-names, DIR/relay-domains (read at start).

server_install() { image_build sendmail sendmail-bin sendmail-base sendmail-cf m4 libsasl2-modules sasl2-bin; }

server_start() { # DIR PORT
	local dir=$1 port=$2 m=${opt_milter:-} auth=${opt_auth:-} f
	export LAB_HOST=${opt_host:-$LAB_HOST}
	mkdir -p "$dir/spool"; chmod 700 "$dir/spool"
	for f in mailertable local-host-names relay-domains trusted-users more.m4; do [[ -e $dir/$f ]] || : >"$dir/$f"; done
	: >>"$dir/statistics"
	[[ -e $dir/aliases ]] || echo 'postmaster: root' >"$dir/aliases"
	printf 'hosts\t%sfiles\naliases\tfiles\n' "$([[ ${opt_dns:-} == yes ]] && echo 'dns ')" >"$dir/service.switch"
	[[ -z $m ]] || m="INPUT_MAIL_FILTER(\`lab', \`S=$m, F=${opt_milter_flags-T}, T=C:5s;S:20s;R:20s;E:60s')dnl"
	render "$LAB/templates/sendmail/sendmail.mc" "$dir/sendmail.mc" DIR="$dir" HOST="$LAB_HOST" \
		PORT_MX="$port" PORT_SUBMISSION=$((port + 1)) PORT_MX6=$((port + 2)) MILTER="$m" \
		MSA_FLAGS="$([[ -n $auth ]] && echo Ea || echo E)" \
		NEXTHOP="${opt_nexthop:-25}" LMTP="${opt_lmtp:-24}" LOGLEVEL="${opt_loglevel:-14}" \
		QUEUERETURN="${opt_queuereturn:-5d}" QUEUEWARN="${opt_queuewarn:-4h}"
	# Run inside the image before the daemon: maps, cf, SASL.
	cat >"$dir/prepare" <<-SH
		#!/bin/bash -e
		m4 '$dir/sendmail.mc' >'$dir/sendmail.cf'
		/usr/libexec/sendmail/makemap hash '$dir/mailertable' <'$dir/mailertable'
		/usr/libexec/sendmail/sendmail -C '$dir/sendmail.cf' -bi >/dev/null
		if [[ -n '$auth' ]]; then
			printf 'pwcheck_method: auxprop\nauxprop_plugin: sasldb\nmech_list: PLAIN LOGIN\n' \
				| tee /etc/mail/sasl/Sendmail.conf.2 /etc/mail/sasl/Sendmail.conf >/dev/null
			printf %s '${auth#*:}' | saslpasswd2 -p -c -u '$LAB_HOST' '${auth%%:*}'
			chmod 644 /etc/sasldb2
		fi
	SH
	chmod +x "$dir/prepare"
	image_start sendmail "$dir" /usr/libexec/sendmail/sendmail -C "$dir/sendmail.cf" -bD "-q${opt_runqueue:-1s}"
	wait_port "$port"
}

server_stop() { image_stop "$1"; }
server_status() { alive "$(image_pid "$1")"; }
server_exec() { image_exec "$@"; }
