"""What becomes of a delivery: rows set aside with their reasons, or the whole batch stopped."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Counts:
    """How many rows of a delivery went where; ``rows`` is the sum of the other three."""

    rows: int = 0
    accepted: int = 0
    quarantined: int = 0
    duplicates: int = 0  # exact copies of an earlier row: dropped, no loss


@dataclass(frozen=True)
class Limits:
    """What a table's deliveries must keep, from the project file."""

    min_rows: int
    max_bad_rows: float


@dataclass(frozen=True)
class Commonest:
    """The reason that most of a delivery's bad rows have, as one of them has it, and what may cure it."""

    rows: int
    reason: str
    cure: str = ""

    def said(self, of: int) -> str:
        """``24 of 24 rows: column dteday: '13/01/2011' is not a time ...: say times: ...``."""
        return f"{self.rows} of {_rows(of)}: {self.reason}{': ' if self.cure else ''}{self.cure}"


@dataclass
class Reasons:
    """Why rows may not be published: by position, then by the kind of reason, as people read it."""

    by_row: dict[int, dict[str, str]] = field(default_factory=dict)

    def add(self, row: int, kind: str, reason: str) -> None:
        """Note one reason; a second one of the same kind says nothing new."""
        self.by_row.setdefault(row, {}).setdefault(kind, reason)


def stopped_because(
    counts: Counts, limits: Limits, empty_columns: list[str], commonest: Commonest | None = None
) -> list[str]:
    """Why a batch is stopped whole, what most of its bad rows have first; nothing where it may go on."""
    if counts.rows == 0:
        return ["the file has a header and no rows"]
    distinct = counts.rows - counts.duplicates
    reasons = []
    if distinct < limits.min_rows:
        reasons.append(f"{_rows(distinct)}, at least {limits.min_rows} expected")
    for column in empty_columns:
        reasons.append(f"column {column!r} is empty in every row: say sparse: [{column}] where that is usual")
    share = counts.quarantined / counts.rows
    if commonest and (share > limits.max_bad_rows or counts.accepted == 0):
        reasons.insert(0, commonest.said(counts.rows))
    if share > limits.max_bad_rows:
        reasons.append(
            f"{counts.quarantined} of {_rows(counts.rows)} are bad ({share:.1%}), "
            f"at most {limits.max_bad_rows:.1%} may be"
        )
    elif counts.accepted == 0 and (commonest or not reasons):
        reasons.append("no row is left to publish")
    return reasons


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count} rows"
