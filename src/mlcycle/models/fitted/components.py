"""A few numbers out of many: directions of standardised columns, as scikit-learn finds them.

``pca``, ``ica`` (A. Hyvarinen and E. Oja, Neural Networks 13, 2000), ``pls`` (H. Wold's partial least
squares), ``lda`` (R. Fisher's discriminants) are directions of columns less their mean; ``svd`` of columns as
they are, by their spread. What a row has is one product, so that no library is needed to predict.
``nmf`` (D. Lee and H. Seung, Nature 401, 1999) has columns from nought to one, and of a row the parts that,
none of them negative, come nearest to it.

A missing number counts as the mean.
"""

from functools import cached_property
from typing import Any, Final, Literal, Self

import numpy as np
from pydantic import Field, model_validator

from mlcycle.errors import InputError
from mlcycle.models.encoder import numbers
from mlcycle.models.fitted.base import Feature, Floats, packed, unpacked

SWEEPS: Final = 100  # of nmf's coordinate descent, the same for every row whatever rows are beside it


class Components(Feature):
    """``(x - shift) / scale`` along ``directions``; of nmf the parts' shares in it."""

    kind: Literal["pca", "svd", "nmf", "ica", "lda", "pls"]
    components: int = Field(ge=1)
    means: str  # (columns,) what stands for a missing number
    shifts: str  # (columns,)
    scales: str  # (columns,)
    directions: str  # (columns, components); of nmf the parts, transposed

    @model_validator(mode="after")
    def _are_numbers(self) -> Self:
        for name in ("means", "shifts", "scales"):
            unpacked(getattr(self, name), len(self.columns))
        unpacked(self.directions, len(self.columns), self.components)
        return self

    @property
    def width(self) -> int:
        """As many as components."""
        return self.components

    def of(self, frame: Any) -> Floats:
        """(n, components)."""
        means, shifts, scales, directions = self._learnt
        rows = (filled(frame, self.columns, means) - shifts) / scales
        return _parts(np.maximum(rows, 0.0), directions.T) if self.kind == "nmf" else rows @ directions

    @cached_property
    def _learnt(self) -> tuple[Floats, Floats, Floats, Floats]:
        count = len(self.columns)
        each = (unpacked(given, count) for given in (self.means, self.shifts, self.scales))
        means, shifts, scales = each
        return means, shifts, scales, unpacked(self.directions, count, self.components)


def learn(
    kind: str,
    columns: list[str],
    components: int,
    frame: Any,
    labels: Floats,
    classes: int = 0,
    seed: int = 17,
) -> Components:
    """Learn from rows.

    Args:
        kind: of them.
        columns: numeric ones, of the frame.
        components: how many.
        frame: n training rows.
        labels: (n,), of classes or of a number; lda and pls look at them.
        classes: how many there are, where there are many; 0: labels are one number.
        seed: of what is begun at random.

    Raises InputError where the rows have no so many components.
    """
    from threadpoolctl import threadpool_limits

    rows = numbers(frame, columns)
    known = np.isfinite(rows)
    count = np.maximum(known.sum(axis=0), 1)
    means = np.where(known, rows, 0.0).sum(axis=0) / count
    rows = np.where(known, rows, means)
    spread = rows.std(axis=0)
    if kind == "nmf":
        shifts = rows.min(axis=0)
        spread = rows.max(axis=0) - shifts
    else:
        shifts = np.zeros(len(columns)) if kind == "svd" else means
    scales = np.where(spread > 0, spread, 1.0)
    rows = (rows - shifts) / scales
    if np.linalg.matrix_rank(rows[: 10 * len(columns) + 1000]) < components:
        raise InputError(
            f"inputs.fitted: {kind} of {', '.join(columns)} has no {components} components: columns repeat "
            "each other or are constant; ask for fewer"
        )
    with threadpool_limits(limits=1):  # the same on any number of cores
        directions = _directions(kind, rows, labels, components, classes, seed)
    if kind != "nmf":  # a direction has no sign of its own: the largest weight is positive
        at = np.argmax(np.abs(directions), axis=0)
        directions = directions * np.sign(directions[at, np.arange(directions.shape[1])])
    return Components(
        kind=kind,
        columns=columns,
        components=directions.shape[1],
        means=packed(means),
        shifts=packed(shifts),
        scales=packed(scales),
        directions=packed(directions),
    )


def filled(frame: Any, columns: list[str], means: Floats) -> Floats:
    """Numbers (n, columns), the mean where there is none."""
    rows = numbers(frame, columns)
    return np.where(np.isfinite(rows), rows, means)


def _directions(kind: str, rows: Floats, labels: Floats, components: int, classes: int, seed: int) -> Floats:
    """(columns, components)."""
    if kind == "pca":
        from sklearn.decomposition import PCA

        return np.asarray(PCA(components, svd_solver="covariance_eigh").fit(rows).components_.T)
    if kind == "svd":
        from sklearn.decomposition import TruncatedSVD

        return np.asarray(TruncatedSVD(components, random_state=seed, n_iter=10).fit(rows).components_.T)
    if kind == "ica":
        from sklearn.decomposition import FastICA

        found = FastICA(components, random_state=seed, whiten="unit-variance", max_iter=500).fit(rows)
        return np.asarray(found.components_.T)
    if kind == "nmf":
        from sklearn.decomposition import NMF

        return np.asarray(
            NMF(components, init="nndsvda", random_state=seed, max_iter=500).fit(rows).components_.T
        )
    if kind == "lda":
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        most = min(components, len(np.unique(labels)) - 1)
        if most < components:
            raise InputError(
                f"inputs.fitted: lda of {most + 1} classes has {most} components, not {components}"
            )
        return np.asarray(LinearDiscriminantAnalysis(n_components=components).fit(rows, labels).scalings_)[
            :, :components
        ]
    from sklearn.cross_decomposition import PLSRegression

    goals = np.eye(classes)[labels.astype(np.int64)] if classes else labels

    return np.asarray(PLSRegression(components, scale=False).fit(rows, goals).x_rotations_)


def _parts(rows: Floats, parts: Floats) -> Floats:
    """Shares (n, k), none negative, of parts (k, columns) whose sum is nearest to each row (n, columns)."""
    gram, near = parts @ parts.T, rows @ parts.T
    found = np.zeros((len(rows), len(parts)))
    for _ in range(SWEEPS):
        for at in range(len(parts)):
            if gram[at, at] > 0:
                step = (near[:, at] - found @ gram[at]) / gram[at, at]
                found[:, at] = np.maximum(found[:, at] + step, 0.0)
    return found
