"""Drift reports for people: Evidently draws them, the artifact store keeps them, its UI shows them.

The verdict on each column is the platform's own: the effect that the monitor measured against the limit
it judged by, given to Evidently as a method, so that page and ledger never contradict each other.
"""

import base64
import hashlib
import json
import uuid
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.errors import Unavailable
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import pandas as pd
    from evidently.core.report import Snapshot

METHOD = "mlcycle_effect"
STATIC = "reports/static"  # what pages have in common
ROWS = 5_000  # of each side: a page needs no more, and its cost grows with rows
UNJUDGED = 1e3  # a limit that no effect reaches
MAX_WAIT = 5.0  # seconds the UI may hold up a cycle
_effects: ContextVar[Mapping[str, float]] = ContextVar("effects")
NAMESPACE = uuid.UUID("6d6c6379-636c-4000-8000-000000000000")


def build(
    reference: "pd.DataFrame",
    current: "pd.DataFrame",
    *,
    numeric: Sequence[str],
    categorical: Sequence[str],
    judged: Mapping[str, tuple[float, float]],
    name: str,
    moment: datetime,
) -> "Snapshot":
    """An Evidently snapshot of the current frame's columns, in their order, with a test for each.

    ``judged`` holds a column's effect and its limit; one that it lacks is drawn without a verdict. A column
    without values on either side must be left out by the caller: Evidently raises on it. ``moment`` is the
    data's own time.
    """
    import plotly.io  # type: ignore[import-untyped]
    from evidently import DataDefinition, Dataset, Report
    from evidently.metrics import DatasetMissingValueCount, ValueDrift

    _register()
    definition = DataDefinition(numerical_columns=list(numeric), categorical_columns=list(categorical))
    metrics: list[Any] = [
        ValueDrift(column=column, method=METHOD, threshold=judged.get(column, (0.0, UNJUDGED))[1])
        for column in current.columns
    ]
    report = Report([*metrics, DatasetMissingValueCount()], include_tests=bool(judged))
    held = _effects.set({column: effect for column, (effect, _) in judged.items()})
    theme, plotly.io.templates.default = plotly.io.templates.default, None  # a third of the time is its
    try:
        return report.run(
            Dataset.from_pandas(current, definition),
            Dataset.from_pandas(reference, definition),
            timestamp=moment.replace(tzinfo=None),
            name=name,
        )
    finally:
        _effects.reset(held)
        plotly.io.templates.default = theme


def warm_up() -> None:
    """Build one small page, so that Evidently and Plotly have loaded what they load at first use."""
    import pandas as pd

    values = [float(number) for number in range(40)]
    frame = pd.DataFrame({"number": values, "name": ["a", "b"] * 20})
    moment = datetime(2000, 1, 1, tzinfo=UTC)
    kinds = {"numeric": ["number"], "categorical": ["name"]}
    page(
        build(frame, frame, **kinds, judged={"number": (0.0, 1.0)}, name="warm-up", moment=moment), "warm-up"
    )
    _dashboard(["number"])


def page(snapshot: "Snapshot", title: str, lead: str = "") -> bytes:
    """The snapshot as an HTML file for ``reports/<project>/<kind>/``; it needs the shared script.

    ``lead`` is HTML that stands above Evidently's part. Evidently puts its whole interface into each page,
    3.7 of 4 MB. Where that is not found in it as expected (another Evidently), the page stays whole.
    """
    import html

    text: str = snapshot.get_html_str(as_iframe=False)
    script, font = _interface()
    name, _ = shared_script()
    if f"<script>{script}</script>" in text and font in text:
        text = text.replace(f"<script>{script}</script>", f'<script src="../../static/{name}"></script>', 1)
        text = text.replace(font, "", 1)
    text = text.replace("<body>", f"<body>{lead}", 1)
    return text.replace("<head>", f"<head><title>{html.escape(title)}</title>", 1).encode()


def store_shared_script(artifacts: ArtifactStore) -> None:
    """Leave the script that pages have in common in the artifact store, once for each version of it."""
    name, data = shared_script()
    if not artifacts.exists(f"{STATIC}/{name}"):
        artifacts.put(f"{STATIC}/{name}", data)


@cache
def shared_script() -> tuple[str, bytes]:
    """Evidently's interface as one script, its icons in it, named by its SHA-256."""
    script, font = _interface()
    icons = f"document.head.insertAdjacentHTML('beforeend', {json.dumps(f'<style>{font}</style>')});"
    data = f"{icons}\n{script}".encode()
    return f"{hashlib.sha256(data).hexdigest()}.js", data


@cache
def _interface() -> tuple[str, str]:
    """Evidently's script, and the rule of its icons' font, as its pages hold them."""
    from evidently.legacy.utils import dashboard

    folder = Path(dashboard.STATIC_PATH)
    font = base64.b64encode((folder / "material-ui-icons.woff2").read_bytes()).decode()
    rule = f"""@font-face {{
        font-family: 'Material Icons';
        font-style: normal;
        font-weight: 400;
        src: url(data:font/ttf;base64,{font}) format('woff2');
        }}"""
    return (folder / "index.js").read_text(encoding="utf-8"), rule


def show(settings: Settings, project: str, snapshot: "Snapshot", columns: Sequence[str]) -> str:
    """Add the snapshot to the project's page in Evidently's UI and return its URL there.

    The project's id follows from its name, so that it is made once however many try. Raises
    Unavailable where the UI does not answer within ``settings.timeout`` or refuses.
    """
    import requests
    from evidently.errors import EvidentlyError

    try:
        workspace = _workspace(settings)
        key = uuid.uuid5(NAMESPACE, project)
        _ensure_project(workspace, key, project)
        if not workspace.get_dashboard(key).panels:
            workspace.save_dashboard(key, _dashboard(columns))
        run = workspace.add_run(key, snapshot, include_data=False)
    except (requests.RequestException, EvidentlyError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unavailable(f"Evidently's UI at {settings.evidently_url}: {reason}") from error
    shown = settings.evidently_external_url or settings.evidently_url
    return f"{shown.rstrip('/')}/projects/{key}/reports/{run.id}"


def _register() -> None:
    """Make the platform's effect size an Evidently method, once in a process."""
    import pandas as pd
    from evidently.legacy.calculations.stattests import registry
    from evidently.legacy.core import ColumnType

    def effect(
        reference: pd.Series, current: pd.Series, kind: ColumnType, threshold: float
    ) -> tuple[float, bool]:
        size = _effects.get().get(str(current.name), 0.0)
        return size, size > threshold

    try:
        registry.get_stattest(pd.Series(dtype=float), pd.Series(dtype=float), ColumnType.Numerical, METHOD)
    except registry.StatTestNotFoundError:
        kinds = [ColumnType.Numerical, ColumnType.Categorical]
        registry.register_stattest(registry.StatTest(METHOD, "effect size", kinds), effect)


def _workspace(settings: Settings) -> Any:
    """Evidently's client of its UI, with time-outs, which its own requests lack (0.7.23)."""
    import requests
    from evidently._pydantic_compat import parse_obj_as
    from evidently.ui.workspace import RemoteWorkspace

    class Timed(RemoteWorkspace):  # type: ignore[misc]
        def _request(self, path: str, method: str, *, response_model: Any = None, **parts: Any) -> Any:
            request = self._prepare_request(path, method, **parts).prepare()
            with requests.Session() as session:
                response = session.send(request, timeout=min(settings.timeout, MAX_WAIT))
            response.raise_for_status()
            return response if response_model is None else parse_obj_as(response_model, response.json())

    secret = settings.evidently_secret.get_secret_value() or None
    return Timed(settings.evidently_url, secret, verify=False)


def _ensure_project(workspace: Any, key: uuid.UUID, name: str) -> None:
    """Make the project unless it is there; of several at once one does, and the others find it."""
    import requests
    from evidently.ui.workspace import ProjectModel

    if key in {item.id for item in workspace.list_projects()}:
        return
    about = "Inputs now against the champion's training data"
    try:
        workspace.add_project(ProjectModel(id=key, name=name, description=about))
    except requests.HTTPError:
        if key not in {item.id for item in workspace.list_projects()}:
            raise


def _dashboard(columns: Sequence[str]) -> Any:
    """The effect size of each column over time, and missing values."""
    from evidently.sdk.models import DashboardModel, DashboardTabModel, PanelMetric
    from evidently.sdk.panels import line_plot_panel

    drifts = [
        PanelMetric(legend=column, metric="ValueDrift", metric_labels={"column": column})
        for column in columns
    ]
    missing = PanelMetric(
        legend="per row", metric="DatasetMissingValueCount", metric_labels={"value_type": "share"}
    )
    panels = [
        line_plot_panel("Drift of the inputs", drifts, "effect size against the training data"),
        line_plot_panel("Missing values", [missing], "missing values per row of the window"),
    ]
    tab = DashboardTabModel(title="Inputs", panels=[panel.id for panel in panels])
    return DashboardModel(tabs=[tab], panels=panels)
