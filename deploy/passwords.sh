#!/bin/sh
# Writes the secrets that docker-compose.yml asks for into .env, which only you can read; what is there already stays.
#   sh deploy/passwords.sh && docker compose up --build
set -eu
umask 077
cd "$(dirname "$0")/.."
touch .env
# umask is for new files only: one that was there may be open to everybody on this machine.
chmod 600 .env
# Its last line may have no end; what is written behind it would become a part of it.
if [ -s .env ] && [ -n "$(tail -c 1 .env)" ]; then echo >>.env; fi
# Hexadecimal: a password stands in an address.
random() { od -An -tx1 -N24 /dev/urandom | tr -d ' \n'; }
key() { printf 'k1:%s' "$(head -c 32 /dev/urandom | base64 | tr -d '\n')"; }
need() { grep -q "^$1=" .env || printf '%s=%s\n' "$1" "$2" >>.env; }
for name in POSTGRES_PASSWORD TEMPORAL_PASSWORD OWNER_PASSWORD APP_PASSWORD READ_PASSWORD; do
  need "$name" "$(random)"
done
need WEBHOOK_SECRET_KEYS "$(key)"
