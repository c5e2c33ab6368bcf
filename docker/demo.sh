#!/usr/bin/env bash
# The demo on the platform of docker-compose.yml, every step a container: docker/demo.sh [LAST DAY]
# Builds what is not there, generates secrets once, and leaves the platform up. Run again, it goes on.
set -euo pipefail
cd "$(dirname "$0")/.."

docker compose version >/dev/null 2>&1 || { echo "demo-compose needs Docker 25 or newer with compose" >&2; exit 2; }
docker info >/dev/null 2>&1 || { echo "no Docker engine answers: start it, or set DOCKER_HOST" >&2; exit 2; }

compose=(docker compose --profile demo)
missing=()
for image in mlcycle-step:slim mlcycle-step:cpu mlcycle-airflow:latest mlcycle-mlflow:latest mlcycle-evidently:latest mlcycle-demo:latest; do
  name=${image%:latest}
  if [[ -n ${TAG:-} ]]; then
    case $image in mlcycle-step:*) image=mlcycle-step:$TAG-${image#*:} ;; *) image=${image%:latest}:$TAG ;; esac
  fi
  docker image inspect "${REGISTRY:+${REGISTRY%/}/}$image" >/dev/null 2>&1 || missing+=("$name")
done
[[ ${#missing[@]} -eq 0 ]] || make --no-print-directory images IMAGES="${missing[*]}"

"${PYTHON:-python3}" docker/make_secrets.py "${MLCYCLE_SECRETS:-secrets}" >/dev/null
echo "starting the platform ..."
"${compose[@]}" up --detach --wait --quiet-pull
MLCYCLE_DEMO_UNTIL=${1:-${MLCYCLE_DEMO_UNTIL:-2013-06-22}} "${compose[@]}" run --rm --quiet-pull demo

at() { echo "http://$("${compose[@]}" port "$1" "$2")"; }
echo
echo "Airflow    $(at api-server 8080)   users admin, engineer, viewer: ${MLCYCLE_SECRETS:-secrets}/MLCYCLE_AIRFLOW_PASSWORDS"
echo "MLflow     $(at gate 5000)   user mlcycle: ${MLCYCLE_SECRETS:-secrets}/gate_password"
echo "Evidently  $(at gate 8000)   the same user"
echo "The platform stays up: stop it with docker compose --profile demo down."
