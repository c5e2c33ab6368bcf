#!/usr/bin/env bash
# Builds images by name, all but CUDA's where none is named: docker/build.sh mlcycle-step:cpu mlcycle-airflow
# Each gets two tags, one that names the commit and one that stays. docs/images.md tells the variables.
set -euo pipefail
cd "$(dirname "$0")/.."
[[ $# -gt 0 ]] || set -- mlcycle-step:slim mlcycle-step:cpu mlcycle-airflow mlcycle-mlflow mlcycle-evidently mlcycle-demo

commit=${COMMIT:-$(git rev-parse --verify --quiet HEAD || true)}
made_of=(src dags plugins projects docker pyproject.toml requirements.lock)
if [[ -z ${COMMIT:-} && -n $commit ]] && ! git diff --quiet HEAD -- "${made_of[@]}"; then
  commit+=.dirty
fi
tag=${TAG:-$(sed -E 's/^([0-9a-f]{12})[0-9a-f]*/g\1/' <<<"${commit:-unknown}")}
registry=${REGISTRY:+${REGISTRY%/}/}
options=(--build-arg "COMMIT=$commit" --build-arg "OFFLINE=${OFFLINE:-0}")
options+=(--build-arg "LOCK_DIGEST=sha256:$(sha256sum <requirements.lock | cut -c -64)")
if [[ -n ${WHEELS:-} ]]; then
  [[ -d $WHEELS ]] || { echo "WHEELS=$WHEELS is no folder" >&2; exit 2; }
  options+=(--build-context "wheels=$WHEELS")
fi
[[ -z ${PYTHON_IMAGE:-} ]] || options+=(--build-arg "PYTHON=$PYTHON_IMAGE")
[[ -z ${PLATFORM:-} ]] || options+=(--platform "$PLATFORM")

log=$(mktemp)
trap 'rm -f "$log"' EXIT

for image; do
  name=${image%:*}
  case $image in
    mlcycle-step:slim | mlcycle-step:cpu | mlcycle-step:cuda) variant=${image#*:} tagged=$name:$tag-${image#*:} stable=$image ;;
    mlcycle-airflow | mlcycle-mlflow | mlcycle-evidently | mlcycle-demo) variant=cpu tagged=$name:$tag stable=$name:latest ;;
    *)
      echo "no image $image: there are mlcycle-step:slim, mlcycle-step:cpu, mlcycle-step:cuda, mlcycle-airflow, mlcycle-mlflow, mlcycle-evidently, mlcycle-demo" >&2
      exit 2
      ;;
  esac
  tagged=$registry$tagged stable=$registry$stable
  echo "building $tagged"
  DOCKER_BUILDKIT=1 "${DOCKER:-docker}" build --progress plain --file docker/Dockerfile --target "$name" \
    --build-arg "VARIANT=$variant" "${options[@]}" --tag "$tagged" --tag "$stable" . >"$log" 2>&1 || { tail -n 40 "$log" >&2; exit 1; }
done
