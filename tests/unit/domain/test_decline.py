"""Whether a model got worse: readings of days, prediction limits, verdicts, and their words."""

import json

import numpy as np
import pytest

from mlcycle.domain import decline, skill
from mlcycle.domain.prediction_limit import p_value, spread, unheard_of
from mlcycle.domain.skill import Days

RANDOM = np.random.default_rng(11)


def lived(
    days: int, *, task: str = "classification", rows: int = 300, storms: float = 0.5, **faults: float
) -> Days:
    """Days of a calibrated model, each of which is harder or easier as a whole; faults from their day on."""
    day = np.repeat(np.arange(days), rows)
    part = np.tile(np.arange(rows) % 3, days)
    said = RANDOM.normal(-1, 1, len(day))
    truth = said + np.repeat(RANDOM.normal(0, storms, days), rows)
    if task == "regression":
        truth += RANDOM.normal(0, 0.5, len(day))
    for what, since in faults.items():
        late = day >= since
        if what == "no_signal":
            truth[late] = RANDOM.permutation(truth[late])
        if what == "slice_without":
            late &= part == 1
            truth[late] = RANDOM.permutation(truth[late])
        if what == "higher":
            truth[late] += 2
        if what == "easier":
            truth[late] -= 2
    columns = {"part": [f"p{each}" for each in part]}
    if task == "regression":
        return skill.read(task, truth, said, day, columns)
    labels = (RANDOM.random(len(day)) < 1 / (1 + np.exp(-truth))).astype(float)
    return skill.read(task, labels, 1 / (1 + np.exp(-said)), day, columns)


def split(days: Days, last: int = 14) -> tuple[Days, Days]:
    return days.only(np.arange(len(days) - last)), days.only(np.arange(len(days) - last, len(days)))


def declined(days: Days, last: int = 14) -> set[str]:
    return {each.subject for each in decline.judged(*split(days, last), 1.0) if each.declined}


@pytest.mark.parametrize("task", ["classification", "regression"])
@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ({}, set()),
        ({"no_signal": 60}, {""}),
        ({"slice_without": 60}, {"part=p1"}),
        ({"higher": 60}, {""}),
    ],
    ids=["as before", "no signal", "a slice without", "all higher"],
)
def test_what_declined_is_told_and_nothing_else(task: str, fault: dict[str, int], told: set[str]) -> None:
    assert told <= declined(lived(74, task=task, **fault)) <= told | ({""} if told else set())


def test_days_that_are_easier_are_no_decline() -> None:
    days = lived(74, easier=60)
    verdict = decline.judged(*split(days), 1.0)[0]
    assert verdict.p_value < verdict.limit
    assert not verdict.worse
    assert not verdict.declined
    assert decline.evidence(verdict)[0] == 0
    assert "not worse" in decline.told("classification", verdict, split(days)[1])


@pytest.mark.parametrize("last", [1, 3, 14])
def test_a_year_of_looks_errs_no_more_often_than_it_may(last: int) -> None:
    """Daily looks for six years of days in a row that resemble each other: six errors may be."""
    errors = 0
    for _ in range(6):
        noise = RANDOM.normal(0, 1, (365, 3))
        for day in range(1, len(noise)):
            noise[day] += 0.5 * noise[day - 1]
        days = lived(365, rows=20)
        whole = np.column_stack([noise, np.zeros(365)])
        days = Days(days.numbers, days.rows, days.seen, days.due, whole, (), np.empty((365, 0, 4)))
        for end in range(40, 365, 5):  # each is open for about so long
            errors += "" in declined(days.only(np.arange(end)), last)
    assert errors <= 6


def test_the_first_day_of_a_champion_is_looked_at() -> None:
    assert declined(lived(61, no_signal=60, storms=0.1), 1) == {""}


def test_too_few_days_to_compare_with_give_no_verdict() -> None:
    days = lived(18)
    assert decline.judged(*split(days), 1.0) == []
    assert decline.judged(days, days.only(np.array([], dtype=int)), 1.0) == []


def test_one_very_odd_day_of_a_slice_is_no_decline() -> None:
    days = lived(74)
    days.contrasts[-1, 0, 1] = -50
    assert declined(days) == set()


def test_a_slice_that_seldom_tells_is_not_judged() -> None:
    days = lived(74, rows=45)  # fifteen rows of each part a day
    assert [each.subject for each in decline.judged(*split(days), 1.0)] == [""]


def test_constant_predictions_have_no_skill_and_one_label_alone_tells_nothing() -> None:
    day = np.zeros(40, dtype=int)
    labels = np.tile([0.0, 1.0], 20)
    bias, slope, found, _ = skill.read("classification", labels, np.full(40, 0.5), day).whole[0]
    assert (bias, slope, found) == (0, 0, 0)
    assert np.isnan(skill.read("classification", np.zeros(40), np.linspace(0, 1, 40), day).whole).all()
    assert np.isnan(skill.read("classification", labels[:19], labels[:19], day[:19]).whole).all()


def test_days_come_back_from_their_documents() -> None:
    days = lived(10)
    days.contrasts[3, 1] = np.nan
    back = skill.of_documents("classification", json.loads(json.dumps(days.documents)))
    for part in ("numbers", "rows", "seen", "due", "whole", "contrasts"):
        np.testing.assert_array_equal(getattr(back, part), getattr(days, part))
    assert back.slices == days.slices
    assert len(skill.of_documents("regression", {})) == 0


def test_of_two_readings_of_a_day_the_second_counts() -> None:
    first, second = lived(5), lived(5).only(np.array([4, 3]))
    both = skill.together(first, second)
    assert both.numbers.tolist() == [0, 1, 2, 3, 4]
    np.testing.assert_array_equal(both.whole[4], second.whole[0])
    np.testing.assert_array_equal(both.whole[0], first.whole[0])


def test_days_that_resemble_each_other_widen_the_limit() -> None:
    alone = RANDOM.normal(0, 1, (200, 1))
    alike = np.repeat(alone[:40], 5, axis=0)
    numbers = np.arange(200)
    now = np.full((14, 1), 0.8)
    apart, near = (p_value(spread(numbers, each), now)[0] for each in (alone, alike))
    assert near > 3 * apart
    assert spread(numbers, alike).freedom[0] < spread(numbers, alone).freedom[0]


def test_few_days_need_to_be_odder_than_any_before() -> None:
    values = RANDOM.normal(0, 1, (50, 2))
    known = spread(np.arange(50), values)
    assert unheard_of(known, values, np.full((2, 2), 9.0))
    assert not unheard_of(known, values, values[10:12])
    assert not unheard_of(known, values[:1], np.full((2, 2), 9.0))


def test_a_page_says_what_was_expected_what_was_seen_and_how_sure() -> None:
    days = lived(74, higher=60)
    verdict = decline.judged(*split(days), 1.0)[0]
    words = decline.told("classification", verdict, split(days)[1])
    for part in ("worse: ", "% expected", "% seen", "skill", "4200 rows of 14 days", "60 known before", "p "):
        assert part in words
    figures = decline.figures("classification", verdict)
    assert set(figures["seen"]) == {"bias", "slope", "skill"}  # type: ignore[call-overload]
    assert decline.evidence(verdict)[0] > decline.evidence(verdict)[1]


def test_a_row_that_stands_for_three_is_read_as_three_rows_are() -> None:
    random = np.random.default_rng(8)
    predictions = random.uniform(0.1, 0.9, 400)
    labels = (random.uniform(size=400) < predictions).astype(float)
    stands = np.where(np.arange(400) % 2 == 0, 3.0, 1.0)
    thrice = np.repeat(np.arange(400), stands.astype(int))
    day = np.zeros(400, dtype=np.int64)
    weighted = skill.read("classification", labels, predictions, day, weights=stands)
    repeated = skill.read("classification", labels[thrice], predictions[thrice], day[thrice])
    assert weighted.rows.tolist() == [400]
    assert weighted.seen == pytest.approx(repeated.seen)
    assert weighted.whole == pytest.approx(repeated.whole, abs=2e-3)  # half a row is added to odds
