"""Whether a model trained again on all rows is what was judged, on rows that the judged one never saw."""

from typing import Final

import numpy as np

from mlcycle.domain.metrics import METRICS, Array, NotMeasured, gain, shown
from mlcycle.domain.quantiles import are, values_of

#: Two fits of one recipe on nearly the same rows say nearly the same. Less than this is another model.
LEAST_CORRELATION: Final = 0.7
#: How far its mean prediction may have moved, in standard deviations of the judged model's.
MOST_SHIFT: Final = 0.5
#: How much worse, as a share of the judged model's metric, it may be on rows that it alone has learnt.
MOST_LOSS: Final = 0.02


def unlike(metric: str, labels: Array, judged: Array, refit: Array) -> str:
    """What is wrong with a refit, or nothing; all on the holdout, which only the refit has learnt.

    Labels are (n,), predictions (n,) or, of many classes, (n, classes), of quantiles (n, q, 2).
    """
    if not np.isfinite(refit).all():
        return "its predictions are not all finite"
    # Of many classes all their probabilities together: their mean never moves, how alike they are tells.
    before, after = METRICS[metric](labels, judged, None), METRICS[metric](labels, refit, None)
    judged, refit = (values_of(each) if are(each) else each for each in (judged, refit))
    judged, refit = judged.ravel(), refit.ravel()
    spread = float(judged.std())
    if spread > 1e-9 * max(1.0, abs(float(judged.mean()))):  # a constant says nothing of its kin
        shift = abs(float(refit.mean() - judged.mean())) / spread
        if shift > MOST_SHIFT:
            return f"its mean prediction lies {shift:.2f} standard deviations from the judged model's"
        alike = float(np.corrcoef(judged, refit)[0, 1]) if refit.std() > 0 else 0.0
        if alike < LEAST_CORRELATION:
            return f"its predictions correlate with the judged model's by {alike:.2f} only"
    change = gain(metric, before, after)
    if isinstance(change, NotMeasured) or isinstance(before, NotMeasured):
        return ""
    if change < -MOST_LOSS * abs(before):
        return f"it has learnt these rows and is worse on them: {metric} {shown(after)}, judged {before:.4f}"
    return ""
