"""The temporal split counts back from the newest labelled moment, in whole partitions."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from mlcycle.domain.partitions import Unit
from mlcycle.domain.split import Policy, windows
from mlcycle.errors import ConfigError, InputError

POLICY = Policy(
    holdout=timedelta(days=14),
    validation=timedelta(days=7),
    history=timedelta(days=60),
    begin=datetime(2013, 1, 1, tzinfo=UTC),
    unit=Unit.DAY,
)
UNTIL = datetime(2013, 5, 31, tzinfo=UTC)


def test_splits_follow_each_other_up_to_the_newest_label() -> None:
    found = windows(POLICY, UNTIL)
    assert list(found) == ["train", "validation", "holdout"]
    assert found["holdout"].end == UNTIL
    assert found["holdout"].start == found["validation"].end == datetime(2013, 5, 17, tzinfo=UTC)
    assert found["validation"].start == found["train"].end == datetime(2013, 5, 10, tzinfo=UTC)
    assert found["train"].start == UNTIL - timedelta(days=60)


def test_training_begins_with_the_source() -> None:
    assert windows(replace(POLICY, history=timedelta(days=365)), UNTIL)["train"].start == POLICY.begin


def test_nothing_to_train_on_says_when_there_will_be() -> None:
    with pytest.raises(InputError, match="train once labels are known until 2013-01-23"):
        windows(POLICY, datetime(2013, 1, 22, tzinfo=UTC))
    assert windows(POLICY, datetime(2013, 1, 23, tzinfo=UTC))["train"].end == datetime(2013, 1, 2, tzinfo=UTC)


@pytest.mark.parametrize("name", ["holdout", "validation", "history"])
def test_a_length_that_cuts_a_partition_is_refused(name: str) -> None:
    changed = replace(POLICY, **{name: timedelta(hours=36)})
    with pytest.raises(ConfigError, match=f"split.{name} must be a whole number of partitions"):
        windows(changed, UNTIL)


def test_nothing_to_train_on_says_what_to_do() -> None:
    with pytest.raises(InputError) as caught:
        windows(POLICY, datetime(2013, 1, 22, tzinfo=UTC))
    assert str(caught.value) == (
        "labels are known until 2013-01-22, which leaves nothing to train on before validation and holdout: train "
        "once labels are known until 2013-01-23, or shorten split.holdout or split.validation, or lengthen split.history"
    )


def test_hours_are_named_by_their_hour() -> None:
    hourly = replace(POLICY, unit=Unit.HOUR, holdout=timedelta(hours=3), validation=timedelta(hours=2))
    with pytest.raises(InputError, match=r"known until 2013-01-01 05:00, .* known until 2013-01-01 06:00,"):
        windows(hourly, datetime(2013, 1, 1, 5, tzinfo=UTC))


@pytest.mark.parametrize(
    ("hours", "gap"), [(0, 0), (24, 1), (30, 2)], ids=["known at once", "a day later", "rounded up"]
)
def test_an_embargo_of_the_time_until_labels_are_known_lies_between_two_splits(hours: int, gap: int) -> None:
    found = windows(replace(POLICY, known_after=(timedelta(hours=hours),)), UNTIL)
    assert found["holdout"] == windows(POLICY, UNTIL)["holdout"]
    assert found["holdout"].start - found["validation"].end == timedelta(days=gap)
    assert found["validation"].start - found["train"].end == timedelta(days=gap)
    assert found["validation"].end - found["validation"].start == POLICY.validation


def test_the_embargo_counts_in_when_there_will_be_something_to_train_on() -> None:
    held = replace(POLICY, known_after=(timedelta(days=1),))
    with pytest.raises(InputError, match="train once labels are known until 2013-01-25"):
        windows(held, datetime(2013, 1, 24, tzinfo=UTC))
    assert windows(held, datetime(2013, 1, 25, tzinfo=UTC))["train"].end == datetime(2013, 1, 2, tzinfo=UTC)
