"""Families by name, and those that other packages bring."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcycle.errors import ConfigError
from mlcycle.models import families, family, load, parse_params, save
from mlcycle.models.rate_table import RateTable
from tests.unit.models.test_families import fit_params, make_job

CODE = """
from mlcycle.models.rate_table import RateTable

class Theirs(RateTable):
    pass

nothing = object()
"""
POINTS = """
[mlcycle.families]
theirs = own_families:Theirs
gone = own_families:Gone
nothing = own_families:nothing
rate_table = own_families:Theirs
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with entry points, as ``pip install`` leaves it."""
    (tmp_path / "own_families.py").write_text(CODE)
    info = tmp_path / "own_families-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-families\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(POINTS)
    monkeypatch.syspath_prepend(str(tmp_path))
    families.cache_clear()
    yield
    families.cache_clear()
    sys.modules.pop("own_families", None)


def test_a_family_of_another_package_trains_and_is_loaded_by_name(installed: None, tmp_path: Path) -> None:
    job, params = (
        make_job("classification"),
        parse_params("theirs", fit_params("rate_table", "classification")),
    )
    save(family("theirs").fit(job, params, "theirs"), tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert type(loaded).__name__ == "Theirs"
    assert loaded.card.family == "theirs"


def test_a_name_of_ours_is_not_taken(installed: None) -> None:
    assert family("rate_table") is RateTable


@pytest.mark.parametrize(
    ("name", "why"),
    [("gone", "own_families:Gone"), ("nothing", "no mlcycle Model"), ("unknown", "there are .*theirs")],
)
def test_what_is_no_family_is_refused_in_one_line(installed: None, name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        family(name)
