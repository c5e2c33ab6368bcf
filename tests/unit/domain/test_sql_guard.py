"""What is one SELECT and what is not, quotes and comments considered."""

import pytest

from mlcycle.domain.sql_guard import problem

ONE = {
    "plain": "select 1",
    "semicolon in text": "select ';'",
    "semicolon in a name": 'select 1 as ";"',
    "semicolon in a comment": "select 1 -- ;\n",
    "semicolon in a block": "select 1 /* ; /* ; */ ; */",
    "semicolon in dollars": "select $$;)$$, $a$;$$;$a$",
    "doubled quote": "select 'it''s;'",
    "escaped quote": r"select E'it\';' || e'\\'",
    "parentheses": "select (1 + (2)) from (select ')') v",
}
MORE = {
    "two statements": ("select 1; select 2", 8),
    "wrapper closed": ("select 1) v", 8),
    "quote not closed": ("select 'a", 7),
    "comment not closed": ("select /* 1", 7),
    "parenthesis not closed": ("select (1", 7),
    "backslash is plain in plain text": (r"select '\'; drop table x --'", 10),
    "nested comment is whole": ("select 1 /* /* */ ; */ ; select 2", 23),
}


@pytest.mark.parametrize("case", ONE)
def test_one_select_passes(case: str) -> None:
    assert problem(ONE[case]) is None


@pytest.mark.parametrize("case", MORE)
def test_anything_else_is_placed(case: str) -> None:
    text, at = MORE[case]
    found = problem(text)
    assert found is not None
    assert found[0] == at


def test_e_at_the_end_of_a_name_does_not_open_an_escaped_text() -> None:
    assert problem(r"select nice'\' ; select 'x'") == (15, "a view is one SELECT: remove the semicolon")
