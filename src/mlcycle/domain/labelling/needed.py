"""How many labels are needed to know a share, or a model's accuracy, so well."""

import math


def for_margin(share: float, margin: float, confidence: float = 0.95, rows: int | None = None) -> int:
    """Rows drawn at random that tell a share to within a margin (normal approximation; W. Cochran, "Sampling
    Techniques", 1977, with his correction for few rows).

    Args:
        share: what it is expected to be, .5 where nothing is known.
        margin: half the width of the interval, above 0.
        confidence: of the interval.
        rows: how many there are in all; None for very many.
    """
    from scipy.special import ndtri

    z = float(ndtri(0.5 + confidence / 2))
    wanted = z * z * share * (1 - share) / margin**2
    if rows is not None:
        wanted = wanted / (1 + (wanted - 1) / rows)
    return max(1, math.ceil(wanted))
