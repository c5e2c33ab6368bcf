#!/usr/bin/env bash
# What a trial of the chart holds, into a folder and back, in kubectl's current context: helm/backup.sh save|restore FOLDER
#   NAMESPACE   of the platform (mlcycle)      RELEASE   as Helm lists it (mlcycle)
# Saving needs nothing stopped. The folder then holds every secret: keep it as one. A server and a bucket of your own are
# backed up by their own means (docs/deploy.md).
set -euo pipefail
usage="usage: helm/backup.sh save|restore FOLDER"
[[ $# -eq 2 ]] || { echo "$usage" >&2; exit 2; }
folder=$(realpath -m "$2")
cd "$(dirname "$0")"
namespace=${NAMESPACE:-mlcycle} release=${RELEASE:-mlcycle}
ours="app.kubernetes.io/name=mlcycle,app.kubernetes.io/instance=$release"
writers="$ours,app.kubernetes.io/component in (api-server,scheduler,dag-processor,mlflow,evidently)"
kube() { kubectl -n "$namespace" "$@"; }
part() { kube get "$1" -l "$ours,app.kubernetes.io/component=$2" -o name | head -1; }
within() { kube exec -i "$(part "$1" "$2")" -c "$2" -- "${@:3}"; } # kind and name of a part, which is its container's
logs="/opt/airflow/logs"

case $1 in
save)
  [[ $(part statefulset postgres) && $(part deployment store) ]] || {
    echo "release $release in namespace $namespace has no PostgreSQL and store of its own: back up yours (docs/deploy.md)" >&2
    exit 2
  }
  umask 077
  mkdir "$folder" || exit 2
  steps=$(kube get "$(part configmap airflow)" -o jsonpath='{.data.MLCYCLE_KUBERNETES_NAMESPACE}')
  helm get values "$release" --namespace "$namespace" --output yaml >"$folder/values.yaml"
  python3 backup/objects.py "$namespace" "$steps" >"$folder/objects.json"
  # First the databases, then what they name: an object is never changed, and is there before a row names it.
  within statefulset postgres pg_dumpall -h /var/run/postgresql -U postgres </dev/null >"$folder/postgres.sql"
  within deployment store python3 -c "$(<backup/store.py)" save </dev/null >"$folder/store.tar"
  within statefulset scheduler python -c "import sys, tarfile
with tarfile.open(fileobj=sys.stdout.buffer, mode='w|') as tar: tar.add('$logs', '.')" </dev/null >"$folder/logs.tar"
  du -sh "$folder"
  ;;
restore)
  for name in values.yaml objects.json postgres.sql store.tar logs.tar; do
    [[ -s $folder/$name ]] || { echo "$folder has no $name: it is no backup" >&2; exit 2; }
  done
  [[ -z $(kube get statefulset,pvc -l "$ours" -o name) ]] || {
    echo "a platform is there: helm uninstall $release -n $namespace, and delete its namespaces, with all they hold" >&2
    exit 2
  }
  kubectl get namespace "$namespace" >/dev/null 2>&1 || kubectl create namespace "$namespace" >/dev/null
  # The Secrets first: the chart draws new passwords where it finds none.
  kubectl create -f "$folder/objects.json" >/dev/null
  helm install "$release" mlcycle --namespace "$namespace" --values "$folder/values.yaml" >/dev/null
  # Nobody writes until all is back; what was prepared meanwhile makes room for what was saved.
  counts=$(kube get deployment,statefulset -l "$writers" -o jsonpath='{range .items[*]}{.kind}/{.metadata.name} {.spec.replicas}{"\n"}{end}')
  kube scale deployment,statefulset -l "$writers" --replicas=0 >/dev/null
  kube wait --for=condition=complete job -l "$ours,app.kubernetes.io/component=prepare" --timeout=10m >/dev/null
  kube wait --for=delete pod -l "$writers" --timeout=5m >/dev/null
  {
    echo "select format('drop database %I with (force)', datname) from pg_database where not datistemplate and datname <> 'postgres' \gexec"
    echo "select format('drop role %I', rolname) from pg_roles where rolname <> 'postgres' and rolname !~ '^pg_' \gexec"
    grep -vx 'CREATE ROLE postgres;' "$folder/postgres.sql"
  } | within statefulset postgres psql -q -v ON_ERROR_STOP=1 -h /var/run/postgresql -U postgres -d postgres >/dev/null
  kube rollout status "$(part deployment store)" --timeout=5m >/dev/null
  within deployment store python3 -c "$(<backup/store.py)" restore <"$folder/store.tar"
  while read -r name count; do kube scale "$name" --replicas="$count" >/dev/null; done <<<"$counts"
  while read -r name _; do kube rollout status "$name" --timeout=10m >/dev/null; done <<<"$counts"
  within statefulset scheduler python -c "import sys, tarfile
with tarfile.open(fileobj=sys.stdin.buffer, mode='r|') as tar: tar.extractall('$logs')" <"$folder/logs.tar"
  echo "restored"
  ;;
*) echo "$usage" >&2; exit 2 ;;
esac
