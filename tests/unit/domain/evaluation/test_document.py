"""The document, its paths, and limits on what stands there."""

import json
from typing import Any

import pytest

from mlcycle.domain.evaluation import document as documents
from mlcycle.domain.evaluation import parts
from mlcycle.domain.guardrails.figures import judged
from mlcycle.errors import InputError
from tests.unit.domain.evaluation.made import classes

HEAD: dict[str, Any] = {
    **{"project": "p", "candidate": "c", "family": "f", "task": "classification", "run_id": "r"},
    **{"dataset_digest": "0" * 64, "start": "2013-01-01T00:00:00Z", "end": "2013-01-15T00:00:00Z"},
    **{"rows": 1200, "blocks": 12, "currency": "EUR"},
}
FOUND = parts.run(classes(), ["figures", "threshold", "fairness", "cost"], 100, lambda: 0.0)


@pytest.fixture
def document() -> documents.Document:
    written = documents.Document(**HEAD, parts=FOUND)  # type: ignore[arg-type]
    return documents.parse(written.model_dump_json().encode())


def test_a_document_reads_back_as_it_was_written(document: documents.Document) -> None:
    assert document.found("figures") == FOUND["figures"]["found"]
    assert document.parts["slices"].status == "left out"
    newer = {**document.model_dump(mode="json"), "later": 1}
    assert documents.parse(json.dumps(newer).encode()) == document


@pytest.mark.parametrize("data", [b"", b"{}", b"[1]", b'{"version": "mlcycle.evaluation/9"}'], ids=str)
def test_anything_else_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(InputError, match="this is no evaluation") as caught:
        documents.parse(data)
    assert "\n" not in str(caught.value)


def test_figures_are_found_by_path(document: documents.Document) -> None:
    auc = documents.figure_at(document, "figures.roc_auc")
    assert auc.low is not None
    assert auc.low < auc.value < auc.high  # type: ignore[operator]
    assert documents.figure_at(document, "cost.fit_seconds").value == 1.5
    assert documents.figure_at(document, "fairness.columns.shop.groups.a.accuracy").value is not None
    assert documents.figure_at(document, "threshold.outcomes.true_positive").value is not None


@pytest.mark.parametrize(
    ("path", "says"),
    [
        ("speed.all", "there is no part 'speed': there are figures"),
        ("slices.mean", "part 'slices' is left out: evaluation.parts does not name it"),
        ("figures.auc", "figures has no 'auc': there is"),
        ("figures.roc_auc.value.more", "figures.roc_auc.value has no 'more'"),
        ("fairness.columns", "is no number"),
    ],
)
def test_a_path_that_leads_nowhere_says_where_it_ends(
    document: documents.Document, path: str, says: str
) -> None:
    found = documents.figure_at(document, path)
    assert found.value is None
    assert says in found.why
    assert not judged(document, path, 1.0, None).passed  # a limit that nothing was put to is none


def test_a_limit_is_broken_where_the_whole_interval_lies_beyond(document: documents.Document) -> None:
    auc = documents.figure_at(document, "figures.roc_auc")
    assert auc.low is not None
    assert auc.high is not None
    assert judged(document, "figures.roc_auc", None, auc.high - 1e-6).passed
    assert not judged(document, "figures.roc_auc", None, auc.high + 1e-6).passed
    assert judged(document, "figures.roc_auc", auc.low + 1e-6, None).passed
    refused = judged(document, "figures.roc_auc", auc.low - 1e-6, None)
    assert not refused.passed
    assert "at most" in refused.words
    assert not judged(document, "cost.fit_seconds", 1.4, None).passed
    assert judged(document, "cost.fit_seconds", 1.5, 1.5).passed


def test_an_evaluation_that_is_gone_refuses_and_says_what_to_do() -> None:
    found = judged(None, "figures.roc_auc", None, 0.5)
    assert not found.passed
    assert "train again" in found.why
