"""Estimators in files: the same one is the same bytes, wherever in memory it was."""

from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression

from mlcycle.models import skops_file

X = np.random.default_rng(0).normal(size=(60, 3))
Y = (X[:, 0] > 0).astype(int)


def fitted(strength: float = 1.0) -> LogisticRegression:
    return LogisticRegression(C=strength).fit(X.copy(), Y.copy())


def test_the_same_estimator_is_the_same_bytes_and_reads_back(tmp_path: Path) -> None:
    kept = [fitted() for _ in range(3)]  # each at an address of its own
    for number, estimator in enumerate(kept):
        skops_file.write(estimator, tmp_path / str(number))
    assert len({(tmp_path / str(number)).read_bytes() for number in range(3)}) == 1
    back = skops_file.read(tmp_path / "0", (), "linear")
    assert np.array_equal(back.predict_proba(X), kept[0].predict_proba(X))


def test_another_estimator_is_other_bytes(tmp_path: Path) -> None:
    for name, strength in (("a", 1.0), ("b", 0.1)):
        skops_file.write(fitted(strength), tmp_path / name)
    assert (tmp_path / "a").read_bytes() != (tmp_path / "b").read_bytes()
