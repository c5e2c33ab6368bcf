"""Rows unlike the others: by how soon random cuts part them, and by their distance from the bulk.

F. Liu, K. Ting, Z. Zhou, "Isolation Forest", ICDM 2008; P. Rousseeuw and K. Van Driessen, "A Fast Algorithm
for the Minimum Covariance Determinant Estimator", Technometrics 41 (1999).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, Ints

ROWS: Final = 8_000
COLUMNS: Final = 30  # the first ones: of more a covariance takes minutes, and every row is far from the bulk
SHOWN: Final = 10
FEW: Final = 5  # numbers of fewer values are categories: their covariance says nothing
SEED: Final = 20130101


@dataclass(frozen=True)
class Unusual:
    """Of the rows looked at (m,): both scores, the distance NaN where it could not be had; and the oddest."""

    rows: Ints  # which rows of all
    isolation: Floats  # .5 is usual, 1 is alone
    distance: Floats  # robust, in standard deviations of as many normal columns
    limit: float  # of the distance, which one normal row in a thousand exceeds
    shown: list[tuple[int, float, float, str]]  # row, isolation, distance, its farthest column


def unusual(columns: Sequence[Column]) -> Unusual | None:
    """The oddest rows by both, by the first of the numeric columns; None without two of them."""
    import warnings

    from scipy import stats
    from sklearn.covariance import MinCovDet
    from sklearn.ensemble import IsolationForest
    from threadpoolctl import threadpool_limits

    numbers = [column for column in columns if column.is_number and column.distinct > FEW][:COLUMNS]
    if len(numbers) < 2:
        return None
    count = len(numbers[0].values)
    at = np.arange(0, count, max(1, -(-count // ROWS)))
    rows = np.column_stack([_filled(column)[at] for column in numbers])
    middle = np.median(rows, axis=0)
    width = np.subtract(*np.quantile(rows, [0.75, 0.25], axis=0)) / 1.349
    width = np.where(width > 0, width, np.maximum(rows.std(axis=0), 1e-12))
    rows = (rows - middle) / width
    with threadpool_limits(1):
        forest = IsolationForest(random_state=SEED, n_jobs=1).fit(rows)
        isolation = -forest.score_samples(rows)
        try:
            with warnings.catch_warnings():
                # It warns of each of its random beginnings that does not converge; it takes the best of many.
                warnings.simplefilter("ignore", RuntimeWarning)
                bulk = MinCovDet(random_state=SEED).fit(rows)
            distance = np.sqrt(bulk.mahalanobis(rows))
        except ValueError:  # all numbers lie on a plane
            distance = np.full(len(rows), np.nan)
    freedom = rows.shape[1]
    limit = float(np.sqrt(stats.chi2.ppf(0.999, freedom)))
    order = np.argsort(-isolation, kind="stable")[:SHOWN]
    shown = [
        (
            int(at[row]),
            float(isolation[row]),
            float(distance[row]),
            numbers[int(np.argmax(np.abs(rows[row])))].name,
        )
        for row in order
    ]
    return Unusual(at, isolation, distance, limit, shown)


def _filled(column: Column) -> Floats:
    there = column.values[column.here]
    return np.where(column.here, column.values, np.median(there) if len(there) else 0.0)
