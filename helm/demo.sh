#!/usr/bin/env bash
# Installs the chart for a trial into kubectl's current context and plays the demo there, every step a pod.
#   REGISTRY    before the images' names, as nodes find them; empty: mlcycle-airflow:latest and so on are on the nodes
#   TAG         of these images (latest)       UNTIL  last day that the demo lives (2013-06-22)
#   NAMESPACE   of the platform (mlcycle)      VALUES more values files, with spaces between
#   YES=1       does not ask
set -euo pipefail
cd "$(dirname "$0")/.."
namespace=${NAMESPACE:-mlcycle}
for program in kubectl helm; do
  command -v "$program" >/dev/null || { echo "$program is not on PATH: install it first" >&2; exit 2; }
done
context=$(kubectl config current-context 2>/dev/null) || { echo "kubectl has no current context: choose a cluster first" >&2; exit 2; }

options=(--values helm/mlcycle/values-trial.yaml)
for file in ${VALUES:-}; do options+=(--values "$file"); done
[[ -z ${REGISTRY:-} ]] || options+=(--set "images.registry=$REGISTRY")
[[ -z ${TAG:-} ]] || options+=(--set "images.tag=$TAG,images.step.tag=$TAG-slim,images.train.tag=$TAG-cpu")
[[ -z ${UNTIL:-} ]] || options+=(--set "demo.until=$UNTIL")

echo "This installs mlcycle for a trial into context $context:"
kubectl cluster-info 2>/dev/null | head -1 || true
echo "namespaces $namespace and mlcycle-steps; images $([[ -n ${REGISTRY:-} ]] && echo "of $REGISTRY" || echo "that the nodes have")."
if [[ ${YES:-} != 1 ]]; then
  read -r -p "Go on? [y/N] " answer
  [[ $answer == [yY]* ]] || exit 1
fi

begin=$SECONDS
helm upgrade --install mlcycle helm/mlcycle --namespace "$namespace" --create-namespace "${options[@]}" --wait --timeout 15m >/dev/null || {
  kubectl -n "$namespace" get pods
  echo "it did not come up within 15 minutes: kubectl -n $namespace describe pods" >&2
  exit 1
}
echo "installed and ready after $((SECONDS - begin)) s"

job=demo-$(date +%s)
kubectl -n "$namespace" create job --from=cronjob/mlcycle-demo-player "$job" >/dev/null
until kubectl -n "$namespace" logs "job/$job" >/dev/null 2>&1; do sleep 1; done
kubectl -n "$namespace" logs --follow "job/$job"
until [[ -n $(kubectl -n "$namespace" get job "$job" -o 'jsonpath={.status.conditions[?(@.status=="True")].type}') ]]; do sleep 1; done
if ! kubectl -n "$namespace" wait --for=condition=complete --timeout=1s "job/$job" >/dev/null 2>&1; then
  echo "the demo did not end well; the platform stays up" >&2
  failed=1
fi
helm get notes mlcycle --namespace "$namespace"
echo "To remove it: helm uninstall mlcycle -n $namespace && kubectl delete namespace $namespace mlcycle-steps"
exit "${failed:-0}"
