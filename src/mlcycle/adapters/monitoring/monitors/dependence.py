"""How inputs go together, by rank correlations of pairs, judged by what training's own windows did."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import day_verdicts, effects
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.tally import PAIRED


class Thresholds(Params):
    """A pair changed where its correlation did by more than the largest change of all pairs is in a share
    ``level`` of windows without a fault, and by ``effect`` at least (of Fisher's z: where there was no
    correlation, one of so much).
    """

    level: Annotated[float, Field(gt=0, le=0.1)] = 0.005
    effect: Annotated[float, Field(gt=0)] = 0.1


class Dependence(Monitor):
    """Warns where columns no longer go together as they did, though each of them may look as ever."""

    Parameters = Thresholds
    title = "inputs no longer go together"
    order = 32

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if why := reference.silent:
            return why
        nulls = reference.nulls
        names = nulls.days.names[:PAIRED]
        if len(names) < 2:
            return "there is one column only"
        now, before = reference.counts
        changes = effects.dependences(now, before)[0]
        rule = day_verdicts.Rule(self.params.level, self.params.effect)
        sides = (effects.paired(side)[0] for side in (before, now))
        return day_verdicts.dependence(names, changes, nulls.dependence, rule, *sides)
