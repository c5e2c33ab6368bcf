"""The steps' namespace and the Secrets of both, as kubectl can make them anew: objects.py NAMESPACE STEPS."""

import json
import subprocess
import sys
from typing import Any

OF_THE_CLUSTER = (
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "ownerReferences",
)


def listed(*arguments: str) -> Any:
    """What kubectl gets."""
    answer = subprocess.run(["kubectl", "get", *arguments, "-o", "json"], check=True, capture_output=True)
    return json.loads(answer.stdout)


def anew(found: Any) -> Any:
    """The object without what the cluster said of it."""
    meta = {name: value for name, value in found["metadata"].items() if name not in OF_THE_CLUSTER}
    meta.get("labels", {}).pop("kubernetes.io/metadata.name", None)
    rest = {name: value for name, value in found.items() if name not in ("metadata", "status", "spec")}
    return {**rest, "metadata": meta}


def main(namespace: str, steps: str) -> None:
    """Print them as one list."""
    secrets = [one for room in (namespace, steps) for one in listed("secrets", "--namespace", room)["items"]]
    own = [
        one for one in secrets if not one["type"].startswith(("helm.sh/", "kubernetes.io/service-account"))
    ]
    items = [anew(one) for one in (listed("namespace", steps), *own)]
    print(json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=1))


if __name__ == "__main__":
    main(*sys.argv[1:])
