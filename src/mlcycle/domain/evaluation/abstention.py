"""What is gained by leaving the least sure rows to people: loss and mistakes of those that remain.

Source: Y. Geifman and R. El-Yaniv, "Selective classification for deep neural networks", 2017 (risk-coverage
curve). A curve that does not fall says that the model does not know what it does not know.
"""

import numpy as np

from mlcycle.domain.evaluation.subject import Subject

SHARES = tuple(round(share / 20, 2) for share in range(2, 21))


def run(subject: Subject) -> dict[str, object]:
    """Loss and share of wrong decisions over the share of rows answered, the surest first."""
    p, threshold = subject.predictions, subject.payoff.threshold
    order = np.argsort(-np.abs(p - threshold), kind="stable")
    loss = np.cumsum(subject.task.row_loss(subject.labels, p)[order])
    wrong = np.cumsum(((p >= threshold) != (subject.labels > 0.5))[order])
    rows = [max(1, round(share * len(p))) for share in SHARES]
    return {
        "sure_by": f"distance from the threshold {threshold:g}",
        "shares": list(SHARES),
        "loss": [float(loss[count - 1] / count) for count in rows],
        "mistakes": [float(wrong[count - 1] / count) for count in rows],
    }
