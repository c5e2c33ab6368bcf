"""A detector is as dull as the days known need."""

import numpy as np

from mlcycle.domain.streams import calibration
from mlcycle.domain.streams.own import Ewma
from mlcycle.domain.streams.replay import alarms

SETTINGS = (2.0, 3.0, 4.0, 6.0, 9.0, 50.0)


def make(limit: float) -> Ewma:
    return Ewma(limit, upward=True)


def test_days_that_go_together_need_a_duller_one() -> None:
    random = np.random.default_rng(3)
    alone = random.normal(size=120)
    together = np.repeat(random.normal(size=24), 5)
    settings = [calibration.setting(make, SETTINGS, known, 0.5) for known in (alone, together)]
    assert settings[0] < settings[1]


def test_the_sharpest_that_keeps_the_rate_is_taken() -> None:
    known = np.random.default_rng(3).normal(size=120)
    at = SETTINGS.index(calibration.setting(make, SETTINGS, known, 1.0))

    def a_year(setting: float) -> float:
        years = calibration.years(known)
        return sum(len(alarms(make(setting), [[v] for v in year])) for year in years) / len(years)

    assert 0 < at < len(SETTINGS) - 1
    assert a_year(SETTINGS[at]) <= 1.0 < a_year(SETTINGS[at - 1])


def test_the_dullest_where_none_keeps_it() -> None:
    assert calibration.setting(lambda _: make(0.01), SETTINGS, np.ones(30), 0.1) == SETTINGS[-1]


def test_years_are_of_weeks_that_were() -> None:
    known = np.arange(40.0)
    steps = np.diff(calibration.years(known), axis=1) % 40
    inside = np.arange(1, 365) % calibration.BLOCK != 0
    assert (steps[:, inside] == 1).all()
