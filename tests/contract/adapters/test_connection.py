"""A person's questions to the warehouse: what is said of one that it does not answer."""

import pytest

from mlcycle.adapters.warehouse import connection
from mlcycle.errors import InputError
from tests.conftest import Platform


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("select pg_sleep(30)", "the statement took longer than 1 s: ask for less"),
        ("create temporary table mine (a int)", "refused the statement: cannot execute CREATE TABLE"),
        ("select * from serving.nothing", 'relation "serving.nothing" does not exist'),
        ("set lock_timeout = 1", "the statement returns no rows: write one SELECT"),
    ],
    ids=["slow", "writes", "no table", "no rows"],
)
def test_a_question_without_an_answer_is_the_askers_to_mend(
    query: str, expected: str, platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "ASKING", 1)
    with pytest.raises(InputError) as caught:
        connection.select_read_only(platform.settings("serve"), query)
    assert expected in caught.value.message
