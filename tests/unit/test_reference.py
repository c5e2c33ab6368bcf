"""A sentence on every key of the project file, in the schema and in the page made from it."""

import re

from typer.testing import CliRunner

from mlcycle.cli import app
from mlcycle.project.reference import reference
from mlcycle.project.schema import FILE, models, project_schema
from tests.conftest import ROOT


def test_every_key_has_its_sentence() -> None:
    """In ``project/sentences.yaml``, or as the description of its field."""
    without = [
        f"{name}.{key}"
        for name, model in models(project_schema()).items()
        for key, node in model["properties"].items()
        if not re.fullmatch(r"[A-Z\"].{3,}\.", node.get("description", ""), re.DOTALL)
    ]
    assert without == []


def test_no_sentence_is_of_a_key_that_is_gone() -> None:
    import yaml

    known = {name: set(model["properties"]) for name, model in models(project_schema()).items()}
    said = yaml.safe_load(FILE.read_text(encoding="utf-8"))
    assert [f"{name}.{key}" for name in said for key in said[name] if key not in known.get(name, ())] == []


def test_the_page_is_the_schema_s() -> None:
    """Made anew by ``mlcycle schema reference > docs/reference.md``."""
    page = reference()
    assert (ROOT / "docs" / "reference.md").read_text(encoding="utf-8") == page
    assert CliRunner().invoke(app, ["schema", "reference"]).stdout == page


def test_defaults_are_written_as_the_file_takes_them() -> None:
    parts = models(project_schema())
    assert parts["Source"]["properties"]["catch_up"]["default"] == "14 days"
    assert parts["Label"]["properties"]["ahead"]["default"] == "0 days"


def test_the_page_has_every_key_at_its_place() -> None:
    page = reference()
    for name, model in models(project_schema()).items():
        for key in model["properties"]:
            assert f"`{key}`" in page, (name, key)
    for place in ("source.tables.NAME.csv", "candidates.NAME.search.space.NAME", "gate.guardrails.fairness"):
        assert f"`{place}`" in page
