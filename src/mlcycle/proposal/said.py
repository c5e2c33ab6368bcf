"""A conclusion about a file, and how sure it is."""

import re
from dataclasses import dataclass

ID_NAMES = re.compile(r"(^|_|\b)(id|uuid|guid|key|no|nr|number|index|instant|row)$|^unnamed|id$", re.I)


@dataclass(frozen=True)
class Said:
    """A conclusion: what it is, whether it is sure, and why."""

    what: str
    why: str
    sure: bool = True
