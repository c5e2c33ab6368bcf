"""Leakage: an input that knows what was not known at prediction time. Every check names the column.

No check proves that there is none. Each file sees one kind: rows and groups in two splits (``rows``), views
that know the future (``views``), one input that tells the label alone (``strength``, by the limits of
``limits``), two that tell it together (``pairs``), means of the very labels that are to be predicted
(``encodings``), and copies of training rows under other keys (``copies``).
"""

from mlcycle.domain.leakage.limits import TELLING_AUC, TELLING_CORRELATION, check_column
from mlcycle.domain.leakage.rows import GroupsApart, check_bounds, check_order
from mlcycle.domain.leakage.strength import MIN_ROWS
from mlcycle.domain.leakage.views import check_lead, check_replay

__all__ = [
    "MIN_ROWS",
    "TELLING_AUC",
    "TELLING_CORRELATION",
    "GroupsApart",
    "check_bounds",
    "check_column",
    "check_lead",
    "check_order",
    "check_replay",
]
