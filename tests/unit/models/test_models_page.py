"""What docs/models.md says of families is so."""

import re

import yaml

from mlcycle.models import FAMILIES, parse_params
from mlcycle.project import Project
from mlcycle.project.file import load_named
from tests.conftest import ROOT

PAGE = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")


def test_the_candidates_to_paste_are_a_project_s() -> None:
    pasted = yaml.safe_load(PAGE.split("```yaml\n")[1].split("```")[0])
    document = load_named(ROOT / "projects", "flights").document()
    project = Project.model_validate({**document, **pasted})
    assert len(project.candidates) >= 8
    for candidate in project.candidates.values():
        parse_params(candidate.family, candidate.params)


def test_the_families_of_the_page_are_there() -> None:
    table = PAGE.partition("## ")[0]
    named = re.findall(r"^\| `([a-z_]+)` \| ", table, re.MULTILINE)
    assert len(named) >= 9
    assert set(named) <= set(FAMILIES)
