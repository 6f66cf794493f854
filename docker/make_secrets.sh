#!/bin/sh
# Make what is missing of docker/secrets/: random passwords and keys, and empty files for what is optional.
# Nothing that is there is changed. Keep a copy of secret_key beside the key of your backups.
set -eu
umask 077
folder="$(cd "$(dirname "$0")" && pwd)/secrets"
mkdir -p "$folder"
for name in database_password broker_password secret_key health_token; do
  [ -s "$folder/$name" ] || head -c 36 /dev/urandom | base64 | tr -d '\n=' | tr '+/' '-_' > "$folder/$name"
done
# smtp://user:password@host:587?starttls=1, and the secret at the identity provider; empty: not used.
for name in mail_url oidc_client_secret; do
  [ -e "$folder/$name" ] || : > "$folder/$name"
done
# The folder keeps others out. The files themselves are read by the account of the container, which is not yours.
chmod 700 "$folder"
chmod 444 "$folder"/*
