# mypy: allow-subclassing-any
"""Links of a task to what its step left for people: its MLflow run, its reports.

Airflow asks for them in the worker when the task has ended, whatever its state, and stores what it
gets. Every task may have every button; one without a stored address is not shown.
"""

import os
from typing import Any
from urllib.parse import quote

from airflow.sdk import BaseOperatorLink

URL_PREFIX = "/mlcycle"
REPORTS = "reports/"


class ResultLink(BaseOperatorLink):
    """One of the links a step's result may carry, by its key there."""

    key = ""
    title = ""

    @property
    def name(self) -> str:
        """The button's text."""
        return self.title

    @property
    def xcom_key(self) -> str:
        """Where Airflow keeps the address."""
        return f"link_{self.key}"

    def get_link(self, operator: Any, *, ti_key: Any) -> str:
        """The address, or nothing."""
        return address(getattr(operator, "links", {}).get(self.key, ""))


class MlflowRunLink(ResultLink):
    """The run in MLflow that a training step wrote."""

    key, title = "mlflow", "MLflow run"


class ValidationReportLink(ResultLink):
    """What was wrong with a batch."""

    key, title = "validation", "Validation report"


class DriftReportLink(ResultLink):
    """How a partition differs from the reference."""

    key, title = "drift", "Drift report"


class WhyReportLink(ResultLink):
    """Why production is worse than the test; there where it is."""

    key, title = "why", "Why"


class CandidatesLink(ResultLink):
    """The candidates of a training, side by side on the holdout."""

    key, title = "evaluation", "Candidates compared"


class ModelLink(ResultLink):
    """All that is known of the model that was found best."""

    key, title = "model", "Model evaluation"


class ComparisonReportLink(ResultLink):
    """The challenger against the champion, by slice and block."""

    key, title = "comparison", "Comparison report"


class EarningsLink(ResultLink):
    """What acting on the predictions earns, for the project's owner."""

    key, title = "earnings", "What it earns"


class RecommendationsLink(ResultLink):
    """What is recommended as a whole, over time and by popularity."""

    key, title = "recommendations", "What it recommends"


class SearchLink(ResultLink):
    """What a search of parameters found."""

    key, title = "search", "Search"


def all_links() -> tuple[ResultLink, ...]:
    """The links of every task."""
    reports = (ValidationReportLink(), DriftReportLink(), WhyReportLink(), ComparisonReportLink())
    trained = (CandidatesLink(), ModelLink(), SearchLink())
    return (MlflowRunLink(), *reports, *trained, EarningsLink(), RecommendationsLink())


def address(link: str) -> str:
    """Where a browser finds a step's link: web addresses as they are, reports through the console.

    A report is written as its URI in the artifact store or its path there; nothing else of the
    store is shown.
    """
    if link.startswith(("http://", "https://")) and not _in_store(link):
        return link
    path = _in_store(link) or link
    if not path.startswith(REPORTS):
        return ""
    base = os.environ.get("MLCYCLE_AIRFLOW_URL", "").rstrip("/")
    return f"{base}{URL_PREFIX}/{quote(path)}"


def _in_store(link: str) -> str:
    store = os.environ.get("MLCYCLE_ARTIFACTS_URL", "").rstrip("/") + "/"
    return link.removeprefix(store) if len(store) > 1 and link.startswith(store) else ""
