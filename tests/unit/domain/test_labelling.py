"""Labels by people: agreement against worked examples, choices, what answers settle, weak opinions by simulation."""

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from mlcycle.domain.labelling.agreement import cohen, fleiss, krippendorff
from mlcycle.domain.labelling.choosing import apart, best, spread, uncertainty
from mlcycle.domain.labelling.needed import for_margin
from mlcycle.domain.labelling.settled import Said, settle
from mlcycle.domain.labelling.weak import ABSTAINS, estimate

NAN = np.nan
#: K. Krippendorff, "Computing Krippendorff's Alpha-Reliability" (2011), his third example.
OBSERVERS = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, NAN, NAN, NAN],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, NAN, 3],
        [NAN, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, NAN],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, NAN],
    ]
)
#: J. Fleiss (1971) as it is worked in most textbooks: 10 subjects, 14 raters, 5 classes.
SUBJECTS = np.array(
    [
        [0, 0, 0, 0, 14],
        [0, 2, 6, 4, 2],
        [0, 0, 3, 5, 6],
        [0, 3, 9, 2, 0],
        [2, 2, 8, 1, 1],
        [7, 7, 0, 0, 0],
        [3, 2, 6, 3, 0],
        [2, 5, 3, 2, 2],
        [6, 5, 2, 1, 0],
        [0, 2, 2, 3, 7],
    ]
)


def test_kappa_of_two_is_scikit_learn_s() -> None:
    rng = np.random.default_rng(1)
    first, second = rng.integers(0, 3, 200), rng.integers(0, 3, 200)
    second[:120] = first[:120]
    assert cohen(list(first), list(second)) == pytest.approx(cohen_kappa_score(first, second))
    yes_no = ["yes"] * 25 + ["no"] * 25
    other = ["yes"] * 20 + ["no"] * 5 + ["yes"] * 10 + ["no"] * 15
    assert cohen(yes_no, other) == pytest.approx(0.4)
    assert cohen([], []) is None
    assert cohen(["a"], ["a"]) is None


def test_kappa_of_many_is_fleiss_own() -> None:
    assert fleiss(SUBJECTS) == pytest.approx(0.210, abs=0.0005)
    with pytest.raises(ValueError, match="the same number of people"):
        fleiss(np.array([[1, 1], [2, 1]]))


def test_alpha_is_krippendorff_s_own() -> None:
    assert krippendorff(OBSERVERS) == pytest.approx(0.743, abs=0.0005)
    assert krippendorff(OBSERVERS, "interval") == pytest.approx(0.849, abs=0.0005)
    assert krippendorff(np.array([[1.0, NAN], [NAN, 2.0]])) is None
    assert krippendorff(np.ones((2, 4))) is None


def test_who_is_unsure_is_asked_for_first() -> None:
    assert uncertainty(np.array([0.5, 0.9, 0.0])) == pytest.approx([1.0, 0.2, 0.0])
    assert uncertainty(np.array([[0.4, 0.4, 0.2], [0.1, 0.1, 0.8]])) == pytest.approx([1.0, 0.3])
    rng = np.random.default_rng(0)
    assert list(best(np.array([0.1, 0.9, 0.5]), 2, rng)) == [1, 2]
    assert sorted(best(np.zeros(3), 5, rng)) == [0, 1, 2]


def test_models_that_differ_are_far_apart() -> None:
    same, other = np.array([0.9, 0.5]), np.array([0.9, 0.9])
    found = spread([same, other])
    assert found[0] == pytest.approx(0, abs=1e-9)
    assert found[1] > 0.05
    assert spread([np.array([1.0, 10.0]), np.array([3.0, 10.0])]) == pytest.approx([1.0, 0.0])
    many = spread([np.array([[1.0, 0, 0]]), np.array([[0, 1.0, 0]])])
    assert many == pytest.approx([np.log(2)], abs=1e-6)


def test_rows_apart_cover_what_labels_do_not() -> None:
    rng = np.random.default_rng(0)
    centres = np.array([[0.0, 0], [10, 0], [0, 10], [10, 10]])
    rows = np.concatenate([centre + 0.1 * rng.standard_normal((25, 2)) for centre in centres])
    chosen = apart(rows, 3, rows[:1], rng)
    assert sorted(at // 25 for at in chosen) == [1, 2, 3]
    assert len(set(apart(rows, 200, rows[:0], rng).tolist())) == 100


@pytest.mark.parametrize(
    ("answers", "wanted", "expected"),
    [
        ("a", 1, ("settled", "a")),
        ("a", 2, ("open", None)),
        ("aa", 2, ("settled", "a")),
        ("ab", 2, ("open", None)),
        ("abb", 2, ("settled", "b")),
        ("abc", 2, ("open", None)),
        ("aabb", 2, ("open", None)),
        ("aabbc", 2, ("disputed", None)),
        ("-", 1, ("settled", None)),
        ("ab!b", 2, ("settled", "b")),
    ],
)
def test_what_answers_settle(answers: str, wanted: int, expected: tuple[str, str | None]) -> None:
    said, judges = [], False
    for number, letter in enumerate(answers):
        if letter == "!":
            judges = True
            continue
        said.append(Said(f"p{number}", None if letter == "-" else letter, judges))
    assert settle(said, wanted) == expected


def test_error_rates_of_opinions_are_found_without_any_label() -> None:
    rng = np.random.default_rng(7)
    truth = (rng.random(4000) < 0.3).astype(np.int64)
    right = np.array([0.9, 0.8, 0.75, 0.65, 0.6])
    answers = np.where(rng.random((4000, 5)) < right, truth[:, None], 1 - truth[:, None])
    answers[rng.random((4000, 5)) < 0.4] = ABSTAINS
    found = estimate(answers, 2)
    assert np.abs(found.accuracies - right).max() < 0.03
    assert found.shares[1] == pytest.approx(0.3, abs=0.03)
    votes = np.stack([(answers == each).sum(axis=1) for each in (0, 1)], axis=1)
    majority = (votes.argmax(axis=1) == truth).mean()
    told = (found.labels.argmax(axis=1) == truth).mean()
    assert told > majority + 0.01
    sure = found.labels.max(axis=1) > 0.9
    assert (found.labels.argmax(axis=1) == truth)[sure].mean() > 0.93  # and means what it says
    assert found.labels[(answers == ABSTAINS).all(axis=1)] == pytest.approx(
        np.tile(found.shares, ((answers == ABSTAINS).all(axis=1).sum(), 1)), abs=1e-4
    )


def test_labels_that_a_share_needs() -> None:
    assert for_margin(0.5, 0.05) == 385
    assert for_margin(0.5, 0.05, rows=1000) == 278
    rng = np.random.default_rng(3)
    drawn = rng.binomial(for_margin(0.2, 0.04), 0.2, 4000) / for_margin(0.2, 0.04)
    assert (np.abs(drawn - 0.2) <= 0.04).mean() == pytest.approx(0.95, abs=0.015)
