"""What docs/models.md says of families is so."""

import re

from benchmarks.families import PAGE, candidates

from mlcycle.models import FAMILIES, parse_params
from mlcycle.project import Project
from mlcycle.project.file import load_named
from tests.conftest import ROOT


def test_the_candidates_to_paste_are_a_project_s() -> None:
    document = load_named(ROOT / "projects", "flights").document()
    project = Project.model_validate({**document, "candidates": candidates()})
    assert len(project.candidates) >= 8
    assert {candidate.family for candidate in project.candidates.values()} <= set(FAMILIES)
    for candidate in project.candidates.values():
        parse_params(candidate.family, candidate.params)


def test_every_family_has_its_row() -> None:
    rows = re.findall(r"^\| `([a-z_]+)` \| ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert set(FAMILIES) <= set(rows)
