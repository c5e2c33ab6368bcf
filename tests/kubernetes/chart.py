"""The chart, as tests render and install it on the cluster they are given."""

import json
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT
from tests.kubernetes.cluster import kubectl

CHART = ROOT / "helm" / "mlcycle"
Object = dict[str, Any]
#: Kinds whose definitions are an operator's: a cluster without it cannot judge them.
OPERATORS = ("Cluster", "ExternalSecret", "PrometheusRule", "ServiceMonitor")


def helm(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """Run helm, which knows the cluster's version."""
    if shutil.which("helm") is None:
        pytest.skip("no helm on PATH")
    done = subprocess.run(["helm", *arguments], capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"helm {shlex.join(arguments)}: {done.stderr[-3000:]}"
    return done


def version() -> str:
    """The cluster's."""
    return str(json.loads(kubectl("version", "-o", "json"))["serverVersion"]["gitVersion"])


def template(
    values: Path | str, *arguments: str, namespace: str = "default", chart: Path = CHART
) -> list[Object]:
    """What the chart renders with a values file."""
    options = ("--kube-version", version(), "--namespace", namespace, "--values", str(values))
    done = helm("template", "mlcycle", str(chart), *options, *arguments)
    return [document for document in yaml.safe_load_all(done.stdout) if document]


def pod_specs(documents: list[Object]) -> Iterator[tuple[str, Object]]:
    """Every pod that documents describe, by kind and name."""
    for one in documents:
        spec = one.get("spec", {})
        if one["kind"] == "CronJob":
            spec = spec["jobTemplate"]["spec"]
        if one["kind"] == "Pod":
            yield f"Pod/{one['metadata']['name']}", spec
        elif "template" in spec:
            yield f"{one['kind']}/{one['metadata']['name']}", spec["template"]["spec"]


def containers(spec: Object) -> list[Object]:
    """All of a pod's, those that run first among them."""
    return [*spec.get("initContainers", []), *spec["containers"]]


def secret_values(documents: list[Object]) -> list[str]:
    """What Secrets hold, and the passwords within it."""
    import base64

    found: set[str] = set()
    for one in documents:
        if one["kind"] == "Secret":
            for value in (one.get("data") or {}).values():
                found.add(base64.b64decode(value).decode())
    return sorted(value for value in found if len(value) > 12)


def write(folder: Path, values: Mapping[str, Any]) -> Path:
    """A values file."""
    file = folder / "values.yaml"
    file.write_text(yaml.safe_dump(dict(values)))
    return file
