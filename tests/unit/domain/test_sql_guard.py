"""What is one SELECT over declared tables and what is not, in the words of PostgreSQL's own parser."""

import pytest

from mlcycle.domain.sql_guard import problem
from mlcycle.project.file import check_sql, find, load
from tests.conftest import ROOT

TABLES = ["arrivals", "flights"]
ARRIVALS = "{arrivals}"

FINE = {
    "plain": "select 1",
    "a declared table": f"select * from {ARRIVALS} a",
    "semicolon in text": "select ';'",
    "semicolon in a name": 'select 1 as ";"',
    "semicolon in a comment": "select 1 -- ;\n",
    "semicolon in a block": "select 1 /* ; /* ; */ ; */",
    "semicolon in dollars": "select $$;)$$, $a$;$$;$a$",
    "doubled quote": "select 'it''s;'",
    "escaped quote": r"select E'it\';' || e'\\'",
    "a name of its own": f"with recent as (select * from {ARRIVALS}) select * from recent",
    "the window": "select %(start)s, %(end)s, 5 %% 2, '{{}}'",
    "recursion": "with recursive t (n) as (select 1 union all select n + 1 from t where n < 3) select n from t",
    "rows out of nothing": "select * from generate_series(1, 3) g, lateral (values (g)) v",
    "windows": f"select sum(x) over (order by t range between interval '1 day' preceding and current row) from {ARRIVALS}",
    "PostgreSQL 17": "select now() at local, j.a from json_table('[]', '$[*]' columns (a int)) j",
    "functions that begin alike": "select regexp_replace('a', 'b', 'c'), regr_slope(1, 2), pg_typeof(1)",
}
NOT = {
    "two statements": ("select 1;\nselect 2", 1, "remove the semicolon"),
    "a last semicolon": ("select 1\n;", 2, "remove the semicolon"),
    "nothing": ("-- later", 1, "there is none"),
    "wrapper closed": ("select 1) v", 1, 'syntax error at or near ")"'),
    "quote not closed": ("select\n'a", 2, "unterminated quoted string"),
    "comment not closed": ("select /* 1", 1, "unterminated /* comment"),
    "parenthesis not closed": ("select (1", 1, "syntax error"),
    "backslash is plain in plain text": (r"select '\'; drop table x --'", 1, "remove the semicolon"),
    "nested comment is whole": ("select 1 /* /* */ ; */ ; select 2", 1, "remove the semicolon"),
    "E at the end of a name": (r"select nice'\' ; select 'x'", 1, "remove the semicolon"),
    "a delete": (f"with g as (delete from {ARRIVALS} returning *) select * from g", 1, "remove the DELETE"),
    "an explain": ("explain select 1", 1, "remove the EXPLAIN"),
    "into": ("select 1 into x", 1, "remove INTO"),
    "a lock": (f"select 1 from {ARRIVALS} for update", 1, "remove FOR UPDATE"),
    "a table by its own name": ("select 1\nfrom raw.other__x", 2, "'raw.other__x' is not among the tables"),
    "a table undeclared": ("select 1\nfrom {weather}", 2, "'weather' is neither a table it reads (arrivals,"),
    "the stand-in itself": ('select 1 from "{{}}"."weather"', 1, "is not among the tables"),
    "a window that is none": ("select 1,\n%(now)s", 2, "'now' is neither a table it reads"),
    "a lone percent sign": ("select 1,\n5 % 2", 2, "a lone percent sign"),
    "another placeholder": ("select %s", 1, "a lone percent sign"),
    "a lone brace": ("select '{'", 1, "any other brace or percent sign twice"),
    "a brace with a format": ("select 1 from {arrivals!r}", 1, "any other brace or percent sign twice"),
    "a brace with nothing": ("select 1 from {}", 1, "'' is neither a table"),
    "a table's attribute": ("select 1 from {arrivals.x}", 1, "'arrivals.x' is neither a table"),
    "the catalogue": ("select 1 from pg_class", 1, "'pg_class' is not among the tables"),
    "the catalogue behind a name": (
        "select (with pg_authid as (select 1) select 1) from pg_authid",
        1,
        "a name of PostgreSQL's own",
    ),
    "in a subquery": ("select (select\n1 from ledger.alert)", 2, "'ledger.alert' is not among"),
    "a sleep": ("select 'é',\npg_sleep(1)", 2, "pg_sleep() reaches the server"),
    "a name in unicode": ('select U&"pg\\005fsleep"(1)', 1, "pg_sleep() reaches the server"),
    "a name in capitals": ("select PG_SLEEP(1)", 1, "pg_sleep() reaches the server"),
    "a name with its schema": ("select pg_catalog.set_config('a', 'b', true)", 1, "set_config() reaches"),
    "SQL in a text": ("select * from ts_stat('select 1')", 1, "ts_stat() reaches the server"),
    "a name looked up": ("select 'raw.other__x'::regclass", 1, "the type regclass looks names up"),
    "nested very deep": (f"select {'not ' * 4900}true", 1, "nested very deep"),
}


def test_every_view_of_the_projects_passes() -> None:
    for path in find(ROOT / "projects").values():
        check_sql(path, load(path))


@pytest.mark.parametrize("case", FINE)
def test_one_select_over_declared_tables_passes(case: str) -> None:
    assert problem(FINE[case], TABLES) is None


@pytest.mark.parametrize("case", NOT)
def test_anything_else_is_placed_and_said(case: str) -> None:
    text, line, reason = NOT[case]
    found = problem(text, TABLES)
    assert found is not None
    assert found[0] == line
    assert reason in found[1]
