"""What is recommended as a whole: whether it narrows to few items, and how well by their popularity."""

import hashlib
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any

from pydantic import Field

from mlcycle.adapters.monitoring import days
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.adapters.pages import recommendations_page
from mlcycle.adapters.warehouse import recommended
from mlcycle.adapters.warehouse.recommended import Recommending
from mlcycle.domain.monitors import Level, Measurement
from mlcycle.domain.recommendations import (
    FIGURES,
    MIN_WINDOWS,
    Shown,
    auc,
    judged,
    precision,
    with_spread,
)
from mlcycle.domain.tasks import task_of
from mlcycle.ledger import datasets
from mlcycle.project import Project
from mlcycle.project.part import Name

WINDOWS = 26  # before this one that are remembered
FILLED = 12  # of them that are read where nobody noted them
YEAR = timedelta(days=365)


class Recommended(Params):
    """``item`` is a column of the entity table. Of the rows that share the columns ``group`` in a partition
    the ``top`` predictions are recommended; without a group the threshold decides. ``head``: share of
    training's interactions that the popular items make. ``false_a_year``: warnings without a cause that are
    put up with; ``effect``: the least change of a share that is news.
    """

    item: Name
    group: list[Name] = Field(default=[], max_length=8)
    top: Annotated[int, Field(ge=1, le=10_000)] = 10
    head: Annotated[float, Field(gt=0, lt=1)] = 0.8
    false_a_year: Annotated[float, Field(gt=0, le=12)] = 0.5
    effect: Annotated[float, Field(ge=0, lt=1)] = 0.02


class Recommendations(Monitor):
    """Warns where fewer items are recommended, or the popular ones more, than in windows months ago."""

    Parameters = Recommended
    title = "recommendations narrow"
    order = 82
    always = False

    @classmethod
    def misfit(cls, project: Project, params: Any) -> str:  # noqa: D102
        for name in (params.item, *params.group):
            if name not in project.entity_table.columns:
                return f"{name!r} is no column of the entity table {project.entity.table!r}"
        if not task_of(project.label.task).probabilities and not params.group:
            return "a number has no threshold: say by group which rows compete"
        return ""

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        project, how = window.project, self._how(window)
        length = project.monitors.window // project.unit.length
        with window.cursor() as cursor:
            now = recommended.shown(cursor, project, how, window.first, window.last, window.moment)
        if now is None:
            return "nothing was recommended"
        before, added = self._before(window, state, how, length)
        level = self.params.false_a_year * (project.monitors.window / YEAR)
        verdicts = judged(before, now, level, self.params.effect)
        accuracy = self._accuracy(window, how)
        page = recommendations_page.render(window, self.params, {**before, 0: now}, verdicts, accuracy)
        path = f"reports/{project.name}/recommendations/{hashlib.sha256(page).hexdigest()[:12]}.html"
        output = window.artifacts.put(path, page).model_dump(mode="json")
        noted = {window.last.key: now.document, **added}
        details = {"windows": noted, "form": self._form(how), "link": path, "output": output}
        found = []
        for verdict in verdicts:
            status: Level = "warn" if verdict.worse else "ok"
            words = f"{FIGURES[verdict.name][0]}: {verdict.now:.3f}, {verdict.usual:.3f} is usual, "
            words += f"{verdict.limit:.3f} the limit"
            extra = {"usual": verdict.usual, "p_value": verdict.p}
            found.append(
                Measurement("recommendations", status, words, verdict.name, verdict.now, verdict.limit, extra)
            )
        words = recommendations_page.summary(now, accuracy)
        if not verdicts:
            words += f"; not judged: {len(before)} windows before, {MIN_WINDOWS} are needed"
        return [Measurement("recommendations", "ok", words, "", now.diversity, None, details), *found]

    def _how(self, window: Window) -> Recommending:
        champion, params = window.champion, self.params
        assert champion is not None
        with window.cursor() as cursor:
            manifest = datasets.manifest(cursor, window.project.name, champion.dataset_digest)
        bounds = manifest.splits["train"]
        learnt = (bounds.start, bounds.end)
        return Recommending(params.item, tuple(params.group), params.top, params.head, learnt)

    def _before(
        self, window: Window, state: State, how: Recommending, length: int
    ) -> tuple[dict[int, Shown], dict[str, Any]]:
        """Windows that end whole windows before this one, by number, and those that were read now."""
        ends = {-step: window.last.shift(-step * length) for step in range(1, WINDOWS + 1)}
        noted: dict[str, Any] = {}
        earlier = window.last.shift(-WINDOWS * length).to(window.last.shift(-1))
        for details in state.before(earlier).get("", []):  # newest first
            if details.get("form") == self._form(how):
                noted = {**details.get("windows", {}), **noted}
        found, added = dict[int, Shown](), dict[str, Any]()
        for number, last in ends.items():
            if last.key not in noted and number >= -FILLED:
                with window.cursor() as cursor:
                    each = recommended.shown(
                        cursor, window.project, how, last.shift(1 - length), last, window.moment
                    )
                noted[last.key] = added[last.key] = each.document if each else None
            if document := noted.get(last.key):
                found[number] = Shown(**document)
        return found, added

    def _form(self, how: Recommending) -> list[Any]:
        """What makes windows comparable: another way to recommend starts anew."""
        return [how.item, list(how.group), how.top, how.head]

    def _accuracy(self, window: Window, how: Recommending) -> dict[str, Any]:
        """By bucket of popularity the precision or the AUC on the labelled window, and how sure it is."""
        project = window.project
        if not task_of(project.label.task).probabilities:
            return {}
        day = days.day_of(project)
        with window.cursor() as cursor:
            counted = recommended.by_popularity(
                *(cursor, project, how, *window.labelled, window.moment), as_of=window.last.end, day=day
            )
        statistic = precision if how.group else auc
        return {bucket: with_spread(counts, statistic) for bucket, counts in counted.items()}
