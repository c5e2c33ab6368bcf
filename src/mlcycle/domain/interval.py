"""How sure a gain is that was measured on a few days in a row: Student's t on equally weighted cosines.

Days that follow each other are not independent, so the spread of single days says too little about the
spread of their mean. Cosines of long periods weigh the days instead: each weighted sum varies as the mean
does, whatever days have to do with their neighbours, and is all but independent of it and of the other sums.
With as many degrees of freedom as there are cosines the quantiles are right for independent days too.

Sources: U. Mueller, "A theory of robust long-run variance estimation", Journal of Econometrics 141 (2007);
E. Lazarus, D. Lewis, J. Stock and M. Watson, "HAR inference: recommendations for practice", Journal of
Business and Economic Statistics 36 (2018), for the number of cosines, .4 k^(2/3).
"""

from dataclasses import dataclass
from typing import Final

import numpy as np

from mlcycle.domain.metrics import Array

#: Blocks in the shortest period of a cosine: what two neighbours share, a storm, is over by then.
SLOW: Final = 7
#: With fewer blocks of time nothing is judged: one cosine is left, and its interval holds nearly everything.
MIN_BLOCKS: Final = 5
#: A gain of more errors than this is none that anybody will see.
MOST_ERRORS: Final = 1e6


def cosines(blocks: int) -> int:
    """How many cosines, and so degrees of freedom, this many blocks give: none faster than seven blocks."""
    recommended = int(np.ceil(0.4 * blocks ** (2 / 3)))
    return max(1, min(recommended, 2 * blocks // SLOW))


def weighted_sums(influence: Array) -> Array:
    """(..., cosines) sums that vary as the total of ``influence`` (..., blocks), which itself is nought."""
    blocks = influence.shape[-1]
    at = np.pi * np.arange(1, cosines(blocks) + 1)[:, None] * (np.arange(blocks) + 0.5) / blocks
    found: Array = influence @ (np.sqrt(2) * np.cos(at)).T
    return found


@dataclass(frozen=True)
class Spread:
    """Where a gain may truly lie: ``gain`` plus ``error`` times Student's t of ``freedom`` degrees."""

    gain: float
    error: float
    freedom: int

    @classmethod
    def of(cls, gain: float, influence: Array) -> "Spread":
        """Of a gain to which block b, in order of time, added ``influence[b]`` more than its share."""
        sums = weighted_sums(influence)
        return cls(gain, float(np.sqrt(np.mean(sums**2))), len(sums))

    def interval(self, confidence: float) -> tuple[float, float]:
        """Two-sided interval."""
        half = self._quantile((1 + confidence) / 2) * self.error
        return self.gain - half, self.gain + half

    def lower(self, confidence: float) -> float:
        """One-sided bound: what the true gain is no less than."""
        return self.gain - self._quantile(confidence) * self.error

    def confidence(self, at_least: float) -> float:
        """The largest confidence at which the true gain is no less than ``at_least``; at nought: more."""
        if not self.error:
            return float(self.gain >= at_least if at_least else self.gain > 0)
        from scipy.stats import t

        return float(t.cdf((self.gain - at_least) / self.error, self.freedom))

    def power(self, true_gain: float, at_least: float, confidence: float) -> float:
        """How likely ``lower(confidence)`` is to reach ``at_least`` where the truth is ``true_gain``."""
        if not self.error:
            return float(true_gain >= at_least if at_least else true_gain > 0)
        from scipy.stats import nct

        shift = (true_gain - at_least) / self.error
        return float(nct.sf(self._quantile(confidence), self.freedom, shift))

    def visible(self, at_least: float, confidence: float, power: float) -> float:
        """The true gain that reaches ``at_least`` with this power: smaller ones are overlooked more often."""
        if not self.error:
            return at_least
        from scipy.optimize import brentq
        from scipy.stats import nct

        critical = self._quantile(confidence)

        def short(shift: float) -> float:  # in units of the error, which may be far smaller than ``at_least``
            return float(nct.sf(critical, self.freedom, shift)) - power

        if short(0.0) >= 0:
            return at_least
        enough = 30.0
        while short(enough) < 0:  # few blocks and much confidence ask for many errors
            if enough > MOST_ERRORS:
                return float("inf")
            enough *= 4
        return at_least + float(brentq(short, 0.0, enough, xtol=1e-4)) * self.error

    def _quantile(self, confidence: float) -> float:
        from scipy.stats import t

        return float(t.ppf(confidence, self.freedom))
