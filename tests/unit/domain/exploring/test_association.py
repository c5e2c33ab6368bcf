"""How much columns have to do with each other: against scipy, worked numbers, and where nothing is."""

import numpy as np
import pytest
from scipy import stats

from mlcycle.domain.exploring.association import association, between, matrix, with_label
from mlcycle.domain.exploring.columns import Column, grouped

ROWS = 2_000


def words(name: str, codes: np.ndarray) -> Column:
    return Column(name, codes.astype(np.int64), [f"w{code}" for code in range(int(codes.max()) + 1)])


def test_numbers_are_spearmans() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=ROWS)
    b = -np.exp(a) + rng.normal(size=ROWS)
    said = association(Column("a", a), Column("b", b))
    expected = stats.spearmanr(a, b)
    assert said.strength == pytest.approx(-expected.statistic)
    assert (said.sign, said.p) == (-1, pytest.approx(expected.pvalue))


def test_words_are_cramers_v_corrected() -> None:
    rng = np.random.default_rng(2)
    a = rng.integers(0, 4, ROWS)
    b = np.where(rng.random(ROWS) < 0.4, a, rng.integers(0, 4, ROWS))
    table = stats.contingency.crosstab(a, b).count
    chi = stats.chi2_contingency(table, correction=False)
    # Bergsma's equations 10 and 11, written out for four and four.
    phi = chi.statistic / ROWS - 9 / (ROWS - 1)
    size = 4 - 9 / (ROWS - 1)
    said = association(words("a", a), words("b", b))
    assert said.strength == pytest.approx(np.sqrt(phi / (size - 1)))
    assert said.p == pytest.approx(chi.pvalue)
    assert association(words("a", a), words("again", 3 - a)).strength == pytest.approx(1.0)


def test_a_number_by_words_is_the_corrected_ratio_of_ranks() -> None:
    rng = np.random.default_rng(3)
    group = rng.integers(0, 3, ROWS)
    number = rng.normal(size=ROWS) + 0.5 * group
    said = association(Column("number", number), words("group", group))
    h = stats.kruskal(*(number[group == each] for each in range(3)))
    # Epsilon squared out of Kruskal and Wallis's H: (H - k + 1) / (n - k).
    assert said.strength == pytest.approx(np.sqrt((h.statistic - 2) / (ROWS - 3)))
    assert said.p == pytest.approx(h.pvalue)
    assert said.strength == association(words("group", group), Column("number", number)).strength


def test_noise_is_seldom_told_and_weak() -> None:
    told = []
    for seed in range(20):
        rng = np.random.default_rng(seed)
        columns = [Column(f"n{at}", rng.normal(size=500)) for at in range(10)]
        columns += [words(f"w{at}", rng.integers(0, 30, 500)) for at in range(10)]
        found = with_label(columns, words("label", rng.integers(0, 2, 500)))
        told.append(any(each.known for each in found))
        assert max(each.strength for each in found) < 0.3, "thirty words in 500 rows are not an association"
    assert sum(told) <= 1, "one table in a hundred is told of where nothing is"


def test_missing_values_take_their_rows_with_them_and_constants_tell_nothing() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=(2, 200))
    holes = a.copy()
    holes[::2] = np.nan
    alone = association(Column("a", a[1::2]), Column("b", b[1::2]))
    with_holes = association(Column("a", holes), Column("b", b))
    assert (alone.strength, alone.p) == (with_holes.strength, with_holes.p)
    assert association(Column("one", np.ones(200)), Column("b", b)).strength == 0
    few = np.full(200, np.nan)
    few[:5] = a[:5]
    assert association(Column("few", few), Column("b", few)).strength == 0, "five rows prove nothing"


def test_the_matrix_is_symmetric_with_signs() -> None:
    rng = np.random.default_rng(5)
    a = rng.normal(size=300)
    pairs = between([Column("a", a), Column("b", -a), Column("c", rng.normal(size=300))])
    values = np.array(matrix(pairs, ["c", "b", "a"]))
    assert (values == values.T).all()
    assert values[1, 2] == -1
    assert (np.diag(values) == 1).all()


def test_rare_words_become_one_and_missing_stays_missing() -> None:
    column = Column("w", np.array([0, 0, 0, 1, 1, 2, 3, -1]), ["a", "b", "c", "d"])
    few = grouped(column, 2)
    assert few.words == ["a", "b", "(others)"]
    assert few.values.tolist() == [0, 0, 0, 1, 1, 2, 2, -1]
