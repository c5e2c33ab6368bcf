"""Names and values that nobody here chose are drawn as they are."""

import pytest

from mlcycle.adapters.pages import plots
from mlcycle.adapters.pages.figures import canvas, logarithmic, named, png, short

NAMES = ["$5 to $10%", "a $x^{$ b", r"\frac{", "_underlined_^"]


def test_a_dollar_sign_is_no_formula() -> None:
    assert plots.bars(dict.fromkeys(NAMES, 1.0), NAMES[0], NAMES[1], NAMES[2]).startswith(b"\x89PNG")


def test_names_that_differ_at_their_ends_stay_apart() -> None:
    figure, axes = canvas(3, 3)
    axes.barh(range(3), [1, 2, 3])
    named(axes.yaxis, ["a_rather_long_name_of_a_column_1", "a_rather_long_name_of_a_column_2", "b"], 12)
    png(figure)
    said = [tick.get_text() for tick in axes.get_yticklabels()]
    assert len(set(said)) == 3
    assert max(map(len, said)) == 12
    assert said[0] == "a_rath…umn_1"


@pytest.mark.parametrize("most", [12, 20, 31])
def test_short_names_are_as_long_as_they_may_be(most: int) -> None:
    assert len(short("x" * 50, most)) == most
    assert short("x" * most, most) == "x" * most


def test_powers_of_ten_are_written_out() -> None:
    figure, axes = canvas(3, 3)
    axes.plot([1, 100_000], [1, 2])
    logarithmic(axes.xaxis)
    png(figure)
    said = [tick.get_text() for tick in axes.get_xticklabels()]
    assert "100,000" in said or "100" in said
    assert not any("$" in each for each in said)
