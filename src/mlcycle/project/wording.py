"""What pydantic found wrong with a project file, in words of the trade, each with its key and line.

What a part's own validators raise (``Misfit``) is said as it is. What pydantic's types refuse is said by
the kind of error, never by reading its message; names that are near come out of the file's JSON Schema.
"""

from collections.abc import Container, Iterator
from typing import Any

from pydantic import BaseModel, ValidationError

from mlcycle.domain.closest import among, closest
from mlcycle.project.lines import Lines
from mlcycle.project.misfit import Key, Misfit, Misfits
from mlcycle.project.part import MEANINGS

#: Settings that are none any more, and why.
REMOVED = {"gate.resamples": "the gate's interval is computed, not drawn"}

#: By kind of error: what was expected. ``{name}`` is of the error's context.
KINDS = {
    "missing": "is missing: add it",
    "string_type": "{input} is not a text: quote it",
    "int_type": "{input} is not an integer",
    "int_parsing": "{input} is not an integer",
    "int_from_float": "{input} is not an integer",
    "float_type": "{input} is not a number",
    "float_parsing": "{input} is not a number",
    "bool_type": "{input} is not true or false",
    "bool_parsing": "{input} is not true or false",
    "dict_type": "{input} is not a mapping of keys to values",
    "model_type": "{input} is not a mapping of keys to values",
    "model_attributes_type": "{input} is not a mapping of keys to values",
    "list_type": "{input} is not a list: write it like [a, b]",
    "date_from_datetime_parsing": "{input} is not a date: write it like 2013-06-01",
    "date_parsing": "{input} is not a date: write it like 2013-06-01",
    "date_type": "{input} is not a date: write it like 2013-06-01",
    "finite_number": "{input} is not a finite number",
    "greater_than": "{input} is not above {gt}",
    "greater_than_equal": "{input} is below {ge}, the least there may be",
    "less_than": "{input} is not below {lt}",
    "less_than_equal": "{input} is above {le}, the most there may be",
    "string_too_short": "is empty or too short: {min_length} characters at the least",
    "string_too_long": "is too long: {max_length} characters at the most",
    "too_short": "needs {min_length} at the least, has {actual_length}",
    "too_long": "has {actual_length}, {max_length} at the most",
}


def worded(error: ValidationError, lines: Lines, model: type[BaseModel]) -> list[str]:
    """Each mistake as ``file:line: key: what is wrong``, in the order of the file."""
    found = misfits(error, lines.by_key, model)
    return [lines.say(each.at, str(each)) for each in sorted(found, key=lambda one: lines.line(one.at))]


def misfits(error: ValidationError, keys: Container[Key], model: type[BaseModel]) -> list[Misfit]:
    """Each mistake of what was given to a model; ``keys`` are those that were given, see ``keys_of``."""
    found: dict[Key, list[str]] = {}
    schema: dict[str, Any] = {}
    for item in error.errors(include_url=False):
        if item["type"] in ("extra_forbidden", "literal_error", "enum") and not schema:
            schema = model.model_json_schema()
        for at, message in _mistakes(item, keys, schema):
            said = found.setdefault(at, [])
            said += [message] * (message not in said)
    return [Misfit(", and ".join(said), *at) for at, said in found.items()]


def keys_of(data: Any, at: Key = ()) -> set[Key]:
    """The keys that lead to everything in plain data."""
    found = {at}
    inner = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in inner:
        found |= keys_of(value, (*at, key))
    return found


def _mistakes(item: Any, keys: Container[Key], schema: dict[str, Any]) -> Iterator[tuple[Key, str]]:
    at = _given(tuple(item["loc"]), keys, missing=item["type"] == "missing")
    raised = (item.get("ctx") or {}).get("error")
    if isinstance(raised, Misfits):
        yield from ((at + each.at, str(each)) for each in raised.found)
    elif isinstance(raised, Misfit):
        yield at + raised.at, str(raised)
    elif raised is not None:
        yield at, str(raised)
    elif item["type"] == "extra_forbidden":
        yield at, _unknown_key(at, schema)
    else:
        yield at, _expected(item, at, schema)


def _given(loc: Key, keys: Container[Key], *, missing: bool) -> Key:
    """The keys of what was given in a location of pydantic's, which also names members of unions."""
    at: Key = ()
    for number, part in enumerate(loc):
        last = number == len(loc) - 1
        if (*at, part) in keys or (last and missing):
            at = (*at, part)
    return at


def _unknown_key(at: Key, schema: dict[str, Any]) -> str:
    key = ".".join(map(str, at))
    if key in REMOVED:
        return f"unknown key, there is no such setting any more ({REMOVED[key]}): remove it"
    known = [name for node in _nodes(schema, at[:-1]) for name in node.get("properties", {})]
    near = closest(str(at[-1]), known)
    return f"unknown key: did you mean {near!r}?" if near else f"unknown key: {among(str(at[-1]), known)}"


def _expected(item: Any, at: Key, schema: dict[str, Any]) -> str:
    given, kind, context = _shown(item["input"]), item["type"], item.get("ctx") or {}
    if kind == "string_pattern_mismatch":
        return f"{given} is not {MEANINGS.get(context['pattern'], 'written as it must be')}"
    if kind in ("literal_error", "enum"):
        nodes = _nodes(schema, at)
        choices = [str(each) for node in nodes for each in node.get("enum", [node.get("const")])]
        known = [each for each in choices if each not in ("None", "")]
        if len(known) == 1:
            return f"{given} must be {known[0]}"
        return f"{given} is not there: {among(str(item['input']), known)}"
    if kind in KINDS:
        return KINDS[kind].format(input=given, **{name: _plain(value) for name, value in context.items()})
    return str(item["msg"])


def _plain(value: Any) -> Any:
    return f"{value:g}" if isinstance(value, float) else value


def _shown(value: Any) -> str:
    """What was given, short."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing"
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _nodes(schema: dict[str, Any], at: Key) -> list[dict[str, Any]]:
    """The schemas that what stands at these keys may follow, references and unions resolved."""
    nodes = _plain_nodes(schema, schema)
    for part in at:
        below = [_below(node, part) for node in nodes]
        nodes = [found for node in below if node is not None for found in _plain_nodes(node, schema)]
    return nodes


def _below(node: dict[str, Any], part: str | int) -> dict[str, Any] | None:
    if isinstance(part, int):
        return node.get("items")
    of_any = [*node.get("patternProperties", {}).values(), node.get("additionalProperties")]
    inner = node.get("properties", {}).get(part, of_any[0])
    return inner if isinstance(inner, dict) else None


def _plain_nodes(node: dict[str, Any], schema: dict[str, Any]) -> list[dict[str, Any]]:
    if "$ref" in node:
        return _plain_nodes(schema["$defs"][node["$ref"].rpartition("/")[2]], schema)
    members = node.get("anyOf") or node.get("oneOf") or node.get("allOf")
    if members:
        return [found for member in members for found in _plain_nodes(member, schema)]
    return [node]
