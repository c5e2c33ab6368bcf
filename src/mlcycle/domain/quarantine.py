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


@dataclass
class Reasons:
    """Why rows may not be published: by position, then by the kind of reason, as people read it."""

    by_row: dict[int, dict[str, str]] = field(default_factory=dict)

    def add(self, row: int, kind: str, reason: str) -> None:
        """Note one reason; a second one of the same kind says nothing new."""
        self.by_row.setdefault(row, {}).setdefault(kind, reason)


def stopped_because(counts: Counts, limits: Limits, empty_columns: list[str]) -> list[str]:
    """Why a batch is stopped whole; nothing where it may go on."""
    if counts.rows == 0:
        return ["the file has a header and no rows"]
    distinct = counts.rows - counts.duplicates
    reasons = []
    if distinct < limits.min_rows:
        reasons.append(f"{_rows(distinct)}, at least {limits.min_rows} expected")
    for column in empty_columns:
        reasons.append(f"column {column!r} is empty in every row")
    share = counts.quarantined / counts.rows
    if share > limits.max_bad_rows:
        reasons.append(
            f"{counts.quarantined} of {_rows(counts.rows)} are bad ({share:.1%}), "
            f"at most {limits.max_bad_rows:.1%} may be"
        )
    elif counts.accepted == 0 and not reasons:
        reasons.append("no row is left to publish")
    return reasons


def _rows(count: int) -> str:
    return "one row" if count == 1 else f"{count} rows"
