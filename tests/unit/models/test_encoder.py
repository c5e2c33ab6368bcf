"""The encoder that all families share."""

import numpy as np
import pandas as pd
import pytest

from mlcycle.errors import InputError
from mlcycle.models.encoder import Encoder

FRAME = pd.DataFrame(
    {
        "place": ["a"] * 30 + ["b"] * 25 + ["rare"] * 2 + [None] * 3,
        "hour": [6.0] * 57 + [np.nan] * 3,
        "speed": [1.0, 3.0] * 30,
        "gust": [np.nan] * 30 + [5.0] * 30,
    }
)


def test_codes_are_stable_and_zero_is_missing_rare_and_unknown() -> None:
    encoder = Encoder.fit(FRAME, ["place"], [])
    assert encoder.categories == {"place": ["a", "b"]}
    asked = pd.DataFrame({"place": ["b", "a", "rare", None, "new", "b"]})
    assert encoder.codes(asked)[:, 0].tolist() == [2, 1, 0, 0, 0, 2]


@pytest.mark.parametrize("values", [[6, 7], [6.0, np.nan], ["6", "7"], [np.int64(6), None]])
def test_a_number_as_a_name_is_the_same_in_every_type(values: list[object]) -> None:
    encoder = Encoder.fit(FRAME, ["hour"], [])
    assert encoder.codes(pd.DataFrame({"hour": values}))[:, 0].tolist() == [1, 0]


def test_dictionary_encoded_text_gives_the_same_codes() -> None:
    encoder = Encoder.fit(FRAME, ["place"], [])
    coded = FRAME.assign(place=FRAME["place"].astype("category"))
    assert (encoder.codes(coded) == encoder.codes(FRAME)).all()
    assert Encoder.fit(coded, ["place"], []) == encoder


def test_only_so_many_categories_are_kept_the_most_frequent() -> None:
    assert Encoder.fit(FRAME, ["place"], [], limit=1).categories == {"place": ["a"]}


def test_numbers_for_a_network_have_mean_0_scale_1_and_a_flag_where_training_had_gaps() -> None:
    encoder = Encoder.fit(FRAME, [], ["speed", "gust"])
    assert (encoder.width, encoder.flagged) == (3, [False, True])
    found = encoder.standardised(FRAME)
    np.testing.assert_allclose(found[:, 0].mean(), 0, atol=1e-6)
    np.testing.assert_allclose(found[:, 0].std(), 1, atol=1e-6)
    assert found[0, 1:].tolist() == [0.0, 1.0]  # missing
    assert found[-1, 1:].tolist() == [0.0, 0.0]  # five is the mean, and is there
    assert np.isfinite(encoder.standardised(pd.DataFrame({"speed": [np.inf], "gust": [1e300]}))).all()


def test_trees_see_missing_as_nan() -> None:
    encoder = Encoder.fit(FRAME, [], ["gust"])
    assert np.isnan(encoder.numbers(pd.DataFrame({"gust": [None, np.inf, "x"][:2]})).ravel()).all()


def test_text_among_numbers_is_refused_by_column() -> None:
    encoder = Encoder.fit(FRAME, [], ["speed"])
    with pytest.raises(InputError, match="'speed' holds values that are not numbers"):
        encoder.numbers(pd.DataFrame({"speed": [1.0, "fast"]}))


def test_it_is_plain_json() -> None:
    encoder = Encoder.fit(FRAME, ["place"], ["speed", "gust"])
    assert Encoder.model_validate_json(encoder.model_dump_json()) == encoder
