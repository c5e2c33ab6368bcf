"""What the predictions served in the last window with labels gained over acting as before."""

from collections.abc import Iterable

from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.adapters.warehouse.predictions import Scored
from mlcycle.domain.metrics import business_value
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.seen_labels import estimated, unknown
from mlcycle.domain.value import Constants, Worth, answers, constants, worth
from mlcycle.project import Project


class Value(Monitor):
    """Tells the gain, whichever champion served; it has no level from which it would be wrong.

    The heuristic's answers on served rows are nowhere kept: the comparison is with the constant
    answer that was best on the champion's training labels.
    """

    title = "business value could not be told"
    order = 80

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        project, task = window.project, window.project.label.task
        rows = window.scored(*window.labelled)
        if why := unknown(project.value.label_needs, drawn=project.value.explore is not None):
            return why
        if project.value.label_needs:
            return self._estimated(project, rows)
        known = rows.known
        if not known.any():
            return "no labelled prediction"
        usual = constants(project.value, task, reference.labels)
        found = served_worth(project, rows.only(known), usual)
        gains = ", ".join(f"{gain:+,.0f} over {name}" for name, gain in found.gains.items())
        message = f"{found.gain:+,.0f} {project.value.currency} gained on {found.rows} predictions ({gains})"
        details = {"rows": found.rows, "total": found.total, "usual": found.usual, **found.metrics}
        return [Measurement("value", "ok", message, value=found.gain, details={**details, **found.outcomes})]

    def _estimated(self, project: Project, rows: Scored) -> Iterable[Measurement] | str:
        """By inverse propensity, where a label is known only of rows decided one way."""
        needs, money = project.value.label_needs, project.value.currency
        assert needs
        found = estimated(project.value, needs, rows.decided(project.value.threshold))
        if not found.rows:
            return "no labelled prediction of a row whose decision was drawn"
        gains = {
            name: (found.served - other) / found.stood * found.all for name, other in found.before.items()
        }
        words = ", ".join(f"{gain:+,.0f} over {name}" for name, gain in gains.items())
        message = (
            f"{words} {money} on {found.all:,.0f} predictions, estimated from the {found.rows} whose label "
            "the decision let be known, each by the inverse of its probability"
        )
        details = {"rows": found.rows, **{f"value_over_{name}": gain for name, gain in gains.items()}}
        return [Measurement("value", "ok", message, value=gains["never"], details=details)]


def served_worth(project: Project, rows: Scored, usual: Constants) -> Worth:
    """Of labelled rows by what was decided of them; beside it the threshold's, where some were drawn."""
    payoff, task = project.value, project.label.task
    if rows.acted is None:
        return worth(payoff, task, rows.labels, rows.predictions, usual)
    alone = {"threshold": business_value(payoff, task, rows.labels, rows.predictions)}
    acted = answers(rows.decided(payoff.threshold).acted)
    return worth(payoff, task, rows.labels, acted, usual, alone)
