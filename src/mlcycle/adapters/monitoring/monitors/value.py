"""What the predictions served in the last window with labels gained over acting as before."""

from collections.abc import Iterable

from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.value import constants, worth


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
        known = rows.known
        if not known.any():
            return "no labelled prediction"
        usual = constants(project.value, task, reference.labels)
        found = worth(project.value, task, rows.labels[known], rows.predictions[known], usual)
        gains = ", ".join(f"{gain:+,.0f} over {name}" for name, gain in found.gains.items())
        message = f"{found.gain:+,.0f} {project.value.currency} gained on {found.rows} predictions ({gains})"
        details = {"rows": found.rows, "total": found.total, "usual": found.usual, **found.metrics}
        return [Measurement("value", "ok", message, value=found.gain, details={**details, **found.outcomes})]
