#!/usr/bin/env bash
# What the platform of docker-compose.yml holds, into a folder and back: docker/backup.sh save|restore FOLDER
# Saving needs nothing stopped. The folder then holds every secret: keep it as one.
set -euo pipefail
usage="usage: docker/backup.sh save|restore FOLDER"
[[ $# -eq 2 ]] || { echo "$usage" >&2; exit 2; }
folder=$(realpath -m "$2")
cd "$(dirname "$0")/.."
secrets=${MLCYCLE_SECRETS:-secrets}
compose() { docker compose --progress quiet "$@"; }
# What is on the volumes, from /; not the checkpoints of trainings that run.
files=(artifacts mlflow logs demo)

case $1 in
save)
  mkdir -m 700 "$folder" || exit 2
  # First the database, then the files: a file is never changed, and is there before a row names it.
  compose exec -T postgres pg_dumpall -U postgres >"$folder/postgres.sql"
  compose run --rm -T files --create "${files[@]}" >"$folder/files.tar"
  cp -rp "$secrets" "$folder/secrets"
  du -sh "$folder"
  ;;
restore)
  for name in postgres.sql files.tar secrets; do
    [[ -e $folder/$name ]] || { echo "$folder has no $name: it is no backup" >&2; exit 2; }
  done
  [[ -e $secrets ]] || cp -rp "$folder/secrets" "$secrets"
  cmp -s "$secrets/MLCYCLE_DSN_ADMIN" "$folder/secrets/MLCYCLE_DSN_ADMIN" ||
    { echo "$secrets has other passwords than the backup: move it away" >&2; exit 2; }
  compose up --detach --wait --quiet-pull postgres
  there=$(compose exec -T postgres psql -U postgres -Atc "select count(*) from pg_database where datname = 'mlcycle'")
  [[ $there = 0 ]] || { echo "a platform is there: docker compose down --volumes removes it, with all it holds" >&2; exit 2; }
  compose exec -T postgres psql -q -U postgres -d postgres <"$folder/postgres.sql" 2>&1 >/dev/null |
    grep -v 'role "postgres" already exists' >&2 || true
  compose run --rm -T files --extract <"$folder/files.tar"
  echo "restored: docker compose up --detach --wait"
  ;;
*) echo "$usage" >&2; exit 2 ;;
esac
