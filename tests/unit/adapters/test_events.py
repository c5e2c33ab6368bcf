"""Events as producers write them, and what a project may say of a table that takes them."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from mlcycle.adapters.delivery.cut import as_cut
from mlcycle.adapters.delivery.event_rows import as_delivered, checked, parsed
from mlcycle.errors import InputError
from mlcycle.project import Source

TABLE: dict[str, Any] = {
    "events": {"id": "id"},
    "rename": {"pm2.5": "pm25", "place.station": "station"},
    "times": {"zone": "Europe/Berlin"},
    "columns": {"station": "text", "at": "timestamp", "pm25": "double", "wet": "boolean", "main": "text"},
    "constants": {"main": "yes"},
    "key": ["station"],
    "event_time": "at",
}


def source(change: Callable[[dict[str, Any]], object] = lambda s: None) -> Source:
    given: dict[str, Any] = {"kind": "events", "partition": "day", "start": "2024-01-01"}
    given |= {"zone": "Europe/Berlin", "tables": {"air": {**TABLE}}}
    change(given)
    return Source.model_validate(given)


AIR = source().tables["air"]
FIRST = {"id": "a", "place": {"station": "s1"}, "at": "2024-07-01T00:30:00", "pm2.5": 1.50, "wet": True}


def test_an_event_is_kept_as_it_is_read_when_its_partition_is_checked() -> None:
    (found,), refused = checked(parsed(json.dumps(FIRST).encode()), AIR, source().unit)
    assert not refused
    assert (found.time.isoformat(), found.partition) == ("2024-06-30T22:30:00+00:00", "2024-07-01")
    payload = json.loads(found.payload)
    assert payload == {"place.station": "s1", "at": FIRST["at"], "pm2.5": "1.5", "wet": "true"}
    (again,), refused = checked(
        parsed(as_delivered({**payload, "id": "a"}, AIR)),
        source(lambda s: s["tables"]["air"].update(events={})).tables["air"],
        source().unit,
    )
    assert not refused
    assert (again.time, json.loads(again.payload)) == (found.time, payload)


def test_a_repeat_is_known_by_its_id_or_by_all_that_it_says() -> None:
    def keys(body: bytes, change: Callable[[dict[str, Any]], object] = lambda s: None) -> int:
        made = source(change)
        found, refused = checked(parsed(body), made.tables["air"], made.unit)
        assert not refused
        return len({each.key for each in found})

    plain = {name: value for name, value in FIRST.items() if name != "id"}
    turned = dict(reversed(plain.items()))
    without = lambda s: s["tables"]["air"].update(events={})  # noqa: E731
    assert keys(json.dumps([FIRST, {**FIRST, "pm2.5": 2}]).encode()) == 1
    assert keys(json.dumps([FIRST, {**FIRST, "id": "b"}]).encode()) == 2
    assert keys(json.dumps([plain, turned]).encode(), without) == 1
    assert keys(json.dumps([plain, {**plain, "pm2.5": 2}]).encode(), without) == 2


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("{", "not JSON"),
        ("[1", "not JSON"),
        ("7", "not an object"),
        ('{"id": "a\\u0000"}', "a NUL character"),
        (json.dumps({**FIRST, "place": {"station": "\ud800"}}), "half of a surrogate pair"),
        (json.dumps({**FIRST, "id": "x" * 201}), "id is longer than 200"),
        (json.dumps({**FIRST, "pm2.5": 1e400}), "'Infinity' is not a finite number"),
        (
            json.dumps({**FIRST, "at": "2024-03-31T02:30:00"}),
            "column at: '2024-03-31T02:30:00' is not a time",
        ),
        (json.dumps({**FIRST, "main": "no"}), "unknown column 'main'"),
    ],
    ids=["json", "list", "number", "nul", "surrogate", "long id", "infinite", "left out hour", "constant"],
)
def test_what_could_not_be_read_later_is_refused_with_its_place(line: str, why: str) -> None:
    found, refused = checked(
        parsed((json.dumps(FIRST) + "\n\n").encode() + line.encode()), AIR, source().unit
    )
    assert [each.row for each in refused] == [2]
    assert why in refused[0].why
    assert len(found) == 1


def test_a_list_that_is_none_is_told() -> None:
    with pytest.raises(InputError, match="no JSON list"):
        parsed(b" [1, ")


def test_undeclared_columns_are_left_out_where_the_table_says_so() -> None:
    table = source(lambda s: s["tables"]["air"].update(extra_columns="ignore")).tables["air"]
    (found,), refused = checked(parsed(json.dumps({**FIRST, "more": 1}).encode()), table, source().unit)
    assert not refused
    assert "more" not in found.payload


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda s: s.update(url="file:///data"), "url is of files and databases"),
        (lambda s: s.update(kind="files", url="file:///data"), "say kind: events"),
        (lambda s: s.update(secret="SHOP"), "secret is for a database"),
        (lambda s: s["tables"]["air"].update(format="parquet"), "format is of files: events are put as JSON"),
        (
            lambda s: s["tables"]["air"].update(times={"format": "%d.%m.%Y"}),
            "unix or unix_ms; the rest is ISO",
        ),
        (lambda s: s["tables"]["air"].update(files=["main"]), "files names files below source.url"),
        (lambda s: s["tables"]["air"].update(kind="static", event_time=None), "are cut by their time"),
        (lambda s: s["tables"]["air"].update(events={"key": "x"}), "key"),
    ],
)
def test_what_a_queue_cannot_mean_is_refused(change: Callable[[dict[str, Any]], object], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        source(change)


def test_a_partition_of_a_queue_is_read_as_json_lines() -> None:
    assert as_cut(AIR, "csv") == (AIR, "jsonl")
