"""A metric of another package is told, compared and chosen by as any of ours."""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from mlcycle.domain import own_metrics
from mlcycle.domain.metrics import METRICS, check_metric, gain, influence, measure, row_absolute_error
from mlcycle.domain.paired import gained_by_row, paired_blocks
from mlcycle.errors import ConfigError

CODE = """
import numpy as np

def cost(labels, predictions):
    return np.where(predictions > labels, 1.0, 3.0) * abs(predictions - labels)
cost.tasks = ["regression"]

def near(labels, predictions):
    return abs(predictions - labels) < 1
near.higher_is_better = True
near.tasks = ["regression"]

def breaks(labels, predictions):
    return 1 / 0

def one(labels, predictions):
    return 1.0

def holes(labels, predictions):
    return np.where(labels > 0, np.nan, 0.0)

breaks.tasks = one.tasks = holes.tasks = ["multiclass"]
nothing = 3
"""
POINTS = """
[mlcycle.metrics]
asymmetric_cost = own_metrics_of_a_test:cost
near = own_metrics_of_a_test:near
rmse = own_metrics_of_a_test:cost
breaks = own_metrics_of_a_test:breaks
one = own_metrics_of_a_test:one
holes = own_metrics_of_a_test:holes
"""


def _forget() -> None:
    own_metrics.names.cache_clear()
    own_metrics._installed.cache_clear()


def install(folder: Path, monkeypatch: pytest.MonkeyPatch, points: str = POINTS) -> None:
    (folder / "own_metrics_of_a_test.py").write_text(CODE)
    info = folder / "own_metrics-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: own-metrics\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(points)
    monkeypatch.syspath_prepend(str(folder))
    _forget()


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A package with entry points, as ``pip install`` leaves it."""
    install(tmp_path, monkeypatch)
    yield
    _forget()
    sys.modules.pop("own_metrics_of_a_test", None)


def rows(seed: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    labels = draw.normal(size=400)
    return labels, labels + draw.normal(0.3, 1, 400), labels + draw.normal(0, 0.5, 400)


def test_it_is_told_beside_ours(installed: None) -> None:
    labels, said, _ = rows(1)
    found = measure("regression", labels, said)
    assert list(found) == ["rmse", "mae", "asymmetric_cost", "near"]
    off = said - labels
    assert found["asymmetric_cost"] == pytest.approx(np.mean(np.where(off > 0, 1, 3) * np.abs(off)))
    assert found["near"] == pytest.approx(np.mean(np.abs(off) < 1))
    weights = np.linspace(0, 2, 400)
    weighted = measure("regression", labels, said, weights)["near"]
    assert weighted == pytest.approx(np.average(np.abs(off) < 1, weights=weights))
    assert METRICS["rmse"](labels, said, None) == pytest.approx(np.sqrt(np.mean(off**2)))  # ours stays ours


@pytest.mark.parametrize(("metric", "sign"), [("asymmetric_cost", -1), ("near", 1)])
def test_the_gate_compares_by_it_and_knows_which_way_is_better(
    installed: None, metric: str, sign: int
) -> None:
    labels, old, new = rows(2)
    check_metric(metric, "regression")
    before, after = (METRICS[metric](labels, each, None) for each in (old, new))
    paired = paired_blocks(metric, labels, old, new, np.repeat(np.arange(20), 20))
    assert paired.gain == pytest.approx(sign * (after - before))
    assert paired.gain > 0
    assert paired.spread is not None
    assert gain(metric, 1.0, 3.0) == 2.0 * sign
    each = influence(metric, labels, old)
    assert np.mean(each) == pytest.approx(0, abs=1e-12)
    assert np.mean(gained_by_row(metric, labels, old, new)) == pytest.approx(0, abs=1e-12)
    # The metric without a row is its value less the row's influence, a share.
    without = METRICS[metric](labels[1:], old[1:], None)
    assert without == pytest.approx(before - each[0] / 399)


def test_one_for_another_task_or_that_is_nowhere_is_refused_in_one_line(installed: None) -> None:
    with pytest.raises(ConfigError, match="'near' does not measure a classification: choose one of log_loss"):
        check_metric("near", "classification")
    with pytest.raises(ConfigError, match=r"'far' .*: choose one of rmse, mae, asymmetric_cost, near"):
        check_metric("far", "regression")
    with pytest.raises(ConfigError, match=r"no metric 'far'.* asymmetric_cost, breaks"):
        METRICS["far"](np.ones(2), np.ones(2), None)


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("breaks", "'breaks' raises ZeroDivisionError: division by zero"),
        ("one", r"'one' returns an array \(\) for 2 rows: one number for each row"),
        ("holes", "'holes' says no finite number of 1 of 2 rows"),
    ],
)
def test_what_is_no_metric_says_so_in_one_line(installed: None, name: str, why: str) -> None:
    with pytest.raises(ConfigError, match=why):
        METRICS[name](np.array([0.0, 1.0]), np.full((2, 3), 1 / 3), None)


def test_one_that_cannot_be_imported_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(tmp_path, monkeypatch, "[mlcycle.metrics]\nlost = own_metrics_of_a_test:lost\n")
    try:
        with pytest.raises(ConfigError, match=r"'lost' \(own_metrics_of_a_test:lost\) cannot be imported"):
            own_metrics.of_task("regression")
    finally:
        _forget()
        sys.modules.pop("own_metrics_of_a_test", None)


def test_without_another_package_there_are_ours_alone() -> None:
    labels = np.array([0.0, 1.0, 2.0])
    assert list(measure("regression", labels, labels)) == ["rmse", "mae"]
    assert row_absolute_error(labels, labels).sum() == 0
