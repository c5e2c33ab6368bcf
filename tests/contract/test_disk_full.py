"""No room left while staging: one clear line, the exit code for a retry, nothing half-written.

The disk is a small one of the test's own, mounted on the artifact store in a mount namespace that ends
with the step.
"""

import json
import shlex
import subprocess
import sys
from typing import Any

import pytest

from mlcycle.contract import ExitCode, Handover, PartitionRange, Request, Result
from mlcycle.demo.world_data import day_file
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS

DAY = "2013-01-02"
PAGE = 4096
NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount"]


@pytest.fixture
def delivered(platform: Platform) -> int:
    """A day in the source; returns its bytes."""
    mount = [*NAMESPACE, "mount", "-t", "tmpfs", "none", str(platform.folder)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody mount a disk in a namespace of its own")
    folder = platform.folder / "source" / "flights" / "flights"
    folder.mkdir(parents=True)
    data = day_file("flights", "flights", DAY) or b""
    (folder / f"{DAY}.csv").write_bytes(data)
    return len(data)


def request(step: str, before: dict[str, Result] | None = None) -> Request:
    inputs: dict[str, list[Handover]] = {name: [result.handover] for name, result in (before or {}).items()}
    return Request(
        step=step,
        work=f"test/{step}",
        project=FLIGHTS.document(),
        partitions=PartitionRange(first=DAY, last=DAY),
        params={"table": "flights"},
        inputs=inputs,
    )


def on_a_small_disk(
    platform: Platform, asked: Request, size: int, *, keep: bool = False
) -> tuple[int, dict[str, Any], str, list[str]]:
    """Run a step with a disk of so many bytes as its artifact store.

    ``keep`` copies what the store holds onto the disk first. Returns the exit code, the result, what
    the step printed, and the files it left on the disk that were not there before.
    """
    path, result = platform.folder / "request.json", platform.folder / "result.json"
    target, old = platform.folder / "artifacts", platform.folder / "kept"
    target.mkdir(exist_ok=True)
    path.write_text(asked.model_dump_json())
    step = [sys.executable, "-m", "mlcycle", "step", asked.step, "--request", str(path), "--result"]
    script = f"""
        cp -r {target} {old}
        mount -t tmpfs -o size={size} none {target}
        {f"cp -r {old}/. {target}/" if keep else ":"}
        (cd {target} && find . -type f | sort) > {platform.folder}/before
        {shlex.join([*step, str(result)])}
        code=$?
        (cd {target} && find . -type f | sort) > {platform.folder}/after
        rm -r {old}
        exit $code
    """
    env = platform.settings("ingest").as_env()
    done = subprocess.run(
        [*NAMESPACE, "sh", "-c", script], env={"PATH": "/usr/bin:/bin", **env}, capture_output=True, text=True
    )
    before, after = ((platform.folder / name).read_text().split() for name in ("before", "after"))
    said = json.loads(result.read_text())
    return done.returncode, said, done.stderr, sorted({*after} - {*before})


def refused(code: int, result: dict[str, Any], said: str) -> None:
    assert code == ExitCode.RETRY, result
    assert (result["status"], result["error"]["kind"], result["error"]["retryable"]) == (
        "failed",
        "disk",
        True,
    )
    assert "no room left" in result["message"]
    assert "\n" not in result["message"]
    assert "Traceback" not in said


def test_no_room_for_a_delivery(platform: Platform, delivered: int) -> None:
    code, result, said, left = on_a_small_disk(platform, request("extract"), PAGE)
    refused(code, result, said)
    assert left == []
    again = run_step(request("extract"), platform.settings("ingest"))
    assert again.exit_code is ExitCode.OK, again.message
    assert not again.replayed


def test_no_room_for_what_validation_stages(platform: Platform, delivered: int) -> None:
    extracted = run_step(request("extract"), platform.settings("ingest"))
    asked = request("validate", {"extract": extracted})
    room = (delivered // PAGE + 2) * PAGE  # the delivery and its manifest, and nothing more
    code, result, said, left = on_a_small_disk(platform, asked, room, keep=True)
    refused(code, result, said)
    assert not [name for name in left if name.endswith(".part")]
    validated = run_step(asked, platform.settings("ingest"))
    assert validated.exit_code is ExitCode.OK, validated.message
    published = run_step(request("publish", {"validate": validated}), platform.settings("ingest"))
    assert published.exit_code is ExitCode.OK, published.message
    assert platform.owner().query("select count(*) from ledger.batch where current") == [(1,)]


def test_without_the_full_disk_the_same_step_is_fine(platform: Platform, delivered: int) -> None:
    """The test can see a step that does well: the disk is what stops the others."""
    code, result, _, left = on_a_small_disk(platform, request("extract"), 1 << 20)
    assert (code, result["status"]) == (ExitCode.OK, "ok")
    assert left
