"""What ``mlcycle new`` concludes of twenty files as strangers write them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlcycle.project.file import load
from mlcycle.proposal.draft import draft
from mlcycle.proposal.look import look
from mlcycle.proposal.write import write
from tests.shapes import SHAPES, Shape


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.__name__)
def test_a_stranger_s_file_becomes_a_project(shape: Callable[[], Shape], tmp_path: Path) -> None:
    wanted = shape()
    (tmp_path / wanted.file).write_bytes(wanted.data)
    seen = look("mine", tmp_path / wanted.file, **wanted.told)
    assert (seen.goal.column.name, seen.goal.task) == (wanted.label, wanted.task)
    assert (seen.at.columns if seen.at else ()) == wanted.time
    if wanted.key is not None:
        assert (len(seen.told.columns), seen.told.numbered) == (wanted.key, False)
    project = load(write(draft(seen), tmp_path / "projects") / "project.yaml")
    assert project.inputs.all
