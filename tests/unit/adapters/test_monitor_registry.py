"""Monitors by name: adding one is one file; what a project says of one is checked before it runs."""

import sys
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.monitoring import monitors, registry
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from tests.raw_data import FLIGHTS

ODD = """
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.domain.monitors import Measurement


class Limit(Params):
    limit: int = 3


class Odd(Monitor):
    Parameters = Limit
    title = "something is odd"
    order = 25
    needs_champion = False

    def measure(self, window, reference, state):
        return [Measurement("odd", "warn", f"more than {self.params.limit}")]
"""


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "odd.py").write_text(ODD)
    monkeypatch.setattr(monitors, "__path__", [*monitors.__path__, str(tmp_path)])
    monkeypatch.delitem(sys.modules, f"{monitors.__name__}.odd", raising=False)


def flights(**watch: Any) -> Project:
    document = FLIGHTS.document()
    document["monitors"]["watch"] = watch
    return Project.model_validate(document)


def test_the_order_is_that_in_which_they_build_on_each_other() -> None:
    assert [watcher.name for watcher in registry.watching(flights())] == [
        *(
            "volume",
            "freshness",
            "duplicates",
            "gaps",
            "missing",
            "drift",
            "dependence",
            "values",
            "report",
            "prediction_drift",
            "performance",
            "brought",
            "estimate",
            "value",
            "earnings",
            "served_again",
            "why",
        )
    ]


@pytest.mark.usefixtures("odd")
def test_a_file_is_a_monitor_that_every_project_has_and_may_set() -> None:
    assert [watcher.name for watcher in registry.watching(flights())][:7] == [
        "volume",
        "freshness",
        "duplicates",
        "gaps",
        "missing",
        "odd",
        "drift",
    ]
    said = {
        "odd": {"params": {"limit": 5}, "severity": "page", "retrain": True},
        "report": {"enabled": False},
    }
    found = {watcher.name: watcher for watcher in registry.watching(flights(**said))}
    assert "report" not in found
    assert (found["odd"].monitor.params.limit, found["odd"].level, found["odd"].retrain) == (5, "page", True)
    assert [name for name, watcher in found.items() if watcher.retrain] == ["odd", "performance"]


@pytest.mark.parametrize(
    ("watch", "says"),
    [
        ({"drfit": {}}, "no monitor 'drfit': there are adwin, "),
        ({"drift": {"params": {"efect": 1}}}, "no parameter 'efect': there are level, effect, persistence"),
        ({"drift": {"params": {"effect": 0}}}, "effect: 0 is not above 0"),
        ({"value": {"params": {"effect": 1}}}, "no parameter 'effect': there are none"),
    ],
    ids=["monitor", "parameter", "value", "none"],
)
def test_a_mistake_is_one_line_with_what_there_is(watch: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        registry.watching(flights(**watch))
