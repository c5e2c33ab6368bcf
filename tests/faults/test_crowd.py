"""Row 42: many projects' day at one moment, on a machine three times overloaded.

A smaller crowd than ``benchmarks/crowd.py --projects 50``; the machine is kept busy by twice as many
processes as it has cores, beside the platform itself.
"""

import os
from pathlib import Path

import pytest
from benchmarks.crowd import burning, make_home, measure

from tests.services import running_platform

pytestmark = pytest.mark.platform
PROJECTS = int(os.environ.get("MLCYCLE_CROWD", "4"))


def test_a_crowd_on_an_overloaded_machine_ends_without_a_failure_or_a_needless_kill(tmp_path: Path) -> None:
    home = make_home(tmp_path, PROJECTS)
    with (
        running_platform(tmp_path / "state", home) as state,
        burning(2 * len(os.sched_getaffinity(0))),
    ):
        crowd = measure(state, PROJECTS, seconds=480)
    assert (crowd.failed, crowd.declared_dead, crowd.tried_again) == (0, 0, 0)
    assert len(crowd.done) == PROJECTS
    fastest, slowest = min(crowd.done.values()), max(crowd.done.values())
    assert slowest < 4 * fastest, f"a project was starved: {crowd.done}"
