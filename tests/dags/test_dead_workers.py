"""Which tasks a dead worker leaves behind; that Airflow tries them again is seen in test_scheduler."""

import os
import subprocess
from pathlib import Path

from mlcycle.orchestration.dead_workers import tasks_of_the_dead


def test_the_tasks_of_workers_that_are_gone_are_told_once(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as worker:
        (tmp_path / str(os.getpid())).write_text("mine")
        (tmp_path / str(worker.pid)).write_text("theirs")
        assert tasks_of_the_dead(tmp_path) == []
        worker.kill()
        os.waitid(os.P_PID, worker.pid, os.WEXITED | os.WNOWAIT)  # a zombie: not reaped yet
        assert tasks_of_the_dead(tmp_path) == ["theirs"]
        assert tasks_of_the_dead(tmp_path) == []
    assert [path.name for path in tmp_path.iterdir()] == [str(os.getpid())]


def test_a_worker_that_held_no_task_leaves_none(tmp_path: Path) -> None:
    with subprocess.Popen(["true"]) as worker:
        pass
    (tmp_path / str(worker.pid)).write_text("")
    assert tasks_of_the_dead(tmp_path) == []
