# shellcheck shell=bash
# OpenSMTPD, from an image: its package conflicts with postfix.
#
# Ports: PORT SMTP.
# Options: host=NAME domain=NAME (local mailboxes) nexthop=N (port for domains in DIR/routes)
#   back=N (port for all others)  size=10M warn=4h (delay warnings) ttl=4d (give up after) resolv=FILE
# Files: DIR/routes (a domain a line), DIR/users ("u1@opensmtpd.test: labuser"; the second
#   is a user of the system: the image's "games").

server_install() { image_build opensmtpd opensmtpd; }

server_start() { # DIR PORT
	local dir=$1
	export LAB_HOST=${opt_host:-$LAB_HOST} LAB_RESOLV=${opt_resolv:-}
	mkdir -p "$dir/mail"; chmod 777 "$dir/mail"
	[[ -e $dir/routes ]] || echo 'elsewhere.test' >"$dir/routes"
	[[ -e $dir/users ]] || echo "u1@${opt_domain:-opensmtpd.test}: games" >"$dir/users"
	render "$LAB/templates/opensmtpd/smtpd.conf" "$dir/smtpd.conf" DIR="$dir" HOST="$LAB_HOST" PORT="$2" \
		DOMAIN="${opt_domain:-opensmtpd.test}" NEXTHOP="smtp://127.0.0.1:${opt_nexthop:-25}" BACK="smtp://127.0.0.1:${opt_back:-25}" \
		SIZE="${opt_size:-10M}" WARN="${opt_warn:-4h}" TTL="${opt_ttl:-4d}"
	cat >"$dir/prepare" <<-SH
		#!/bin/bash -e
		mkdir -p /run/opensmtpd && chmod 755 /run/opensmtpd
		echo '$LAB_HOST' >/etc/mailname
	SH
	chmod +x "$dir/prepare"
	image_start opensmtpd "$dir" /usr/sbin/smtpd -d -f "$dir/smtpd.conf"
	wait_port "$2"
}

server_stop() { image_stop "$1"; }
server_status() { alive "$(image_pid "$1")"; }
server_exec() { image_exec "$@"; }
