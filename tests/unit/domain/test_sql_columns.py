"""A view's SQL names a column in its code; a comment or a text that holds the word does not."""

import pytest

from mlcycle.domain.sql_columns import names_column


@pytest.mark.parametrize(
    "sql",
    [
        "select avg(a.y) from t",
        'select "y" from t',
        "select\n Y from t",
        "select * from t",
        "select a.x, a.* from t",
    ],
    ids=["in a function", "quoted", "another case", "every column", "every column of one"],
)
def test_what_names_the_column(sql: str) -> None:
    assert names_column(sql, "y")


@pytest.mark.parametrize(
    "sql",
    [
        "select x from t -- y",
        "select x /* y\n */ from t",
        "select 'y' from t",
        "select y2, my from t",
        "select count(*), x * 2 from t",
    ],
    ids=["comment", "long comment", "text", "part of a name", "a star that is none"],
)
def test_what_does_not(sql: str) -> None:
    assert not names_column(sql, "y")
