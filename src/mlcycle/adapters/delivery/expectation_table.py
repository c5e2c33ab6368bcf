"""Which expectations there are and what they take, without loading Great Expectations for seconds.

``expectation_table.json`` is made from the library by running this module (``python -m``); a test holds the
two together. It knows names, arguments and plain types. What it cannot judge (a type that
is not plain, a rule of the library's own, an expectation of another package) is the library's to judge.
"""

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import UnionType
from typing import Any, Final, Union, get_args, get_origin

from mlcycle.domain.closest import among, meant
from mlcycle.project import Expectation
from mlcycle.project.misfit import Misfit

FILE: Final = Path(__file__).with_name("expectation_table.json")
#: Fields of every expectation that a project does not say, or says by a key of its own.
APART: Final = frozenset(
    (
        *("id", "meta", "notes", "description", "result_format", "catch_exceptions", "rendered_content"),
        *("windows", "batch_id", "severity"),
    )
)
#: Validators of every expectation, about what a project does not say.
SHARED: Final = frozenset(
    ("Expectation._transform_legacy_row_condition", "Expectation._validate_result_format")
)
#: Rules that one argument of two must be given; the table holds them as ``either``.
EITHER: Final = frozenset(
    (
        "ExpectColumnValuesToBeBetween.check_min_val_or_max_val",
        "ExpectColumnValueLengthsToBeBetween._validate_min_or_max_set",
    )
)
_COLUMNS = ("column", "column_A", "column_B", "column_list")


@cache
def table() -> dict[str, dict[str, Any]]:
    """By expectation: ``takes`` (argument -> kind), ``needs``, ``either``, ``rules`` of the library's own."""
    known: dict[str, dict[str, Any]] = json.loads(FILE.read_text(encoding="utf-8"))
    return known


def wrong(given: Expectation) -> list[Misfit] | None:
    """What is wrong with an expectation; None where only the library can say."""
    entry = table().get(given.expect)
    if entry is None:
        return None
    found = list(_arguments(given, entry))
    if found:
        return found
    plain = all(_is(entry["takes"][name], value) for name, value in given.args.items())
    either = not entry["either"] or any(given.args.get(name) is not None for name in entry["either"])
    return [] if plain and either and not entry["rules"] else None


def unknown(name: str) -> str:
    """That there is no expectation of this name, and which is the nearest."""
    return f"there is no expectation {name!r}{meant(name, table())}"


def strange_columns(given: Expectation, columns: list[str]) -> Iterator[Misfit]:
    """Columns that an expectation names and the table has not."""
    for argument in _COLUMNS:
        value = given.args.get(argument)
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str) and name not in columns:
                said = f"{given.expect}: no column {name!r} in the table: {among(name, columns)}"
                yield Misfit(said, "args", argument)


def _arguments(given: Expectation, entry: dict[str, Any]) -> Iterator[Misfit]:
    takes = entry["takes"]
    for name in given.args:
        if name not in takes:
            said = (
                f"{given.expect} takes no argument {name!r}: it takes {', '.join(takes)}{meant(name, takes)}"
            )
            yield Misfit(said, "args", name)
    for name in entry["needs"]:
        if name not in given.args:
            yield Misfit(f"{given.expect} needs the argument {name!r}: add it", "args")


def _is(kind: str, value: object) -> bool:
    """Whether the value is surely of the kind; a kind that is not plain is never sure."""
    match kind:
        case "text":
            return isinstance(value, str) and value != ""
        case "truth":
            return isinstance(value, bool)
        case "integer":
            return isinstance(value, int) and not isinstance(value, bool)
        case "number":
            return isinstance(value, int | float) and not isinstance(value, bool)
        case "share":
            return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
        case "list":
            return isinstance(value, list) and bool(value)
    return False


def generate() -> dict[str, dict[str, Any]]:
    """The table as the installed library has it."""
    from mlcycle.adapters.delivery.expectations import load_great_expectations

    load_great_expectations()
    from great_expectations.expectations import registry

    names = sorted(registry.list_registered_expectation_implementations())
    return {name: _entry(registry.get_expectation_impl(name)) for name in names if name.startswith("expect_")}


def _entry(implementation: Any) -> dict[str, Any]:
    fields = {name: each for name, each in implementation.__fields__.items() if name not in APART}
    rules = {each.__qualname__ for each in implementation.__pre_root_validators__}
    rules |= {each.__qualname__ for _, each in implementation.__post_root_validators__}
    for name in fields:
        own = implementation.__validators__.get(name, [])
        rules |= {each.func.__qualname__ for each in own if name != "row_condition"}
    return {
        "takes": {name: _kind(name, each) for name, each in fields.items()},
        "needs": [name for name, each in fields.items() if each.required],
        "either": ["min_value", "max_value"] if rules & EITHER else [],
        "rules": sorted(rules - SHARED - EITHER),
    }


def _kind(name: str, field: Any) -> str:
    """The plain kind that the field takes among others; nothing where there is none."""
    given = field.outer_type_
    given = given.__origin__ if hasattr(given, "__metadata__") else given  # Annotated
    union = get_origin(given) in (Union, UnionType)
    members = get_args(given) if union else (given,)
    inner = {get_origin(each) or each for each in members if not any(map(get_origin, get_args(each)))}
    by_name = {each.__name__: each for each in inner if isinstance(each, type)}
    share: Any = by_name.get("ConstrainedFloatValue")
    if share is not None:
        bounds = getattr(share, "ge", None), getattr(share, "le", None)
        return "share" if bounds == (0, 1) else ""
    if name == "row_condition":
        return ""  # a language of the library's own
    kinds = {"StrictStr": "text", "str": "text", "float": "number", "int": "integer", "bool": "truth"}
    found = [kinds.get(each, "list" if each == "list" else "") for each in by_name]
    return next((each for each in ("text", "number", "integer", "truth", "list") if each in found), "")


if __name__ == "__main__":
    FILE.write_text(json.dumps(generate(), indent=1) + "\n", encoding="utf-8")
