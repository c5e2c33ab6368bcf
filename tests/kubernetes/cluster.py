"""The cluster that the tests are given by KUBECONFIG, as its administrator sees it."""

import json
import os
import shlex
import subprocess
import time
from collections.abc import Callable
from typing import Any

import pytest

Object = dict[str, Any]


def given() -> None:
    """Skip, with the reason, where there is no cluster to test on."""
    if not os.environ.get("KUBECONFIG"):
        pytest.skip("no cluster here: set KUBECONFIG to one that pods may be run on")
    try:
        answer = subprocess.run(
            ["kubectl", "get", "--raw", "/readyz"], capture_output=True, timeout=20, check=False
        )
    except (FileNotFoundError, subprocess.TimeoutExpired) as error:
        pytest.skip(f"kubectl does not reach a cluster: {error}")
    if answer.returncode:
        pytest.skip(f"the cluster of KUBECONFIG does not answer: {answer.stderr.decode()[-200:]}")


def kubectl(*arguments: str, stdin: str = "", check: bool = True) -> str:
    """What kubectl prints."""
    done = subprocess.run(["kubectl", *arguments], input=stdin, capture_output=True, text=True, check=False)
    assert not check or done.returncode == 0, f"kubectl {shlex.join(arguments)}: {done.stderr[-2000:]}"
    return done.stdout


def apply(*documents: Object) -> None:
    """Make or change objects."""
    listing = {"apiVersion": "v1", "kind": "List", "items": list(documents)}
    kubectl("apply", "-f", "-", stdin=json.dumps(listing))


def load(*images: str) -> None:
    """Bring images of the local engine to the nodes; skips where nobody said how (``MLCYCLE_TEST_LOAD``)."""
    command = os.environ.get("MLCYCLE_TEST_LOAD")
    if not command:
        pytest.skip("set MLCYCLE_TEST_LOAD to a command that brings images to the cluster's nodes")
    for image in images:
        done = subprocess.run(
            [*shlex.split(command), image], capture_output=True, text=True, errors="replace", check=False
        )
        assert done.returncode == 0, f"{command} {image}: {(done.stdout + done.stderr)[-2000:]}"


def nodes(selector: str = "") -> list[Object]:
    """Nodes with these labels that are ready."""
    found = json.loads(kubectl("get", "nodes", "-l", selector, "-o", "json"))["items"]
    return [
        node
        for node in found
        if any(one["type"] == "Ready" and one["status"] == "True" for one in node["status"]["conditions"])
    ]


def until(true: Callable[[], object], seconds: float = 90, what: str = "") -> None:
    """Wait."""
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited in vain for {seconds:g} s {what}"
        time.sleep(0.1)
