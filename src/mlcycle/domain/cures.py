"""What to say in a project file where a delivery is written in another way than it says.

A cure is a proposal for people, out of one cell or one header: it is never applied by itself.
"""

import re
from collections.abc import Sequence

#: Forms of a date in front of a cell -> strptime's; the first that fits.
_DATES = (
    (re.compile(r"^(1[3-9]|2\d|3[01])([/.-])\d{1,2}\2\d{4}"), "%d{0}%m{0}%Y"),
    (re.compile(r"^\d{1,2}([/.-])(1[3-9]|2\d|3[01])\1\d{4}"), "%m{0}%d{0}%Y"),
    (re.compile(r"^\d{1,2}(\.)\d{1,2}\.\d{4}"), "%d{0}%m{0}%Y"),
    (re.compile(r"^\d{4}([/.])\d{1,2}\1\d{1,2}"), "%Y{0}%m{0}%d"),
)
_CLOCKS = (
    (re.compile(r"^[ T]\d{1,2}:\d{2}:\d{2}$"), ":%M:%S"),
    (re.compile(r"^[ T]\d{1,2}:\d{2}$"), ":%M"),
)
_SEPARATORS = {";": '";"', "\t": '"\\t"', "|": '"|"', ",": '","'}


def of_cell(kind: str, cell: str) -> str:
    """What to say so that a cell is read as the type that its column declares; empty where nothing is known.

    Args:
        kind: timestamp, double, integer or boolean.
        cell: as delivered.
    """
    text = cell.strip()
    if kind == "timestamp":
        return _of_time(text)
    if kind == "boolean":
        return "say the words for yes and no: booleans"
    if not any(letter.isdigit() for letter in text):
        return f"where it stands for a missing value say nulls: [{text!r}]"
    if re.fullmatch(r"[+-]?\d{1,3}(\.\d{3})+(,\d+)?", text) and (kind == "integer" or "," in text):
        return 'say numbers: {decimal: ",", thousands: "."}'
    if re.fullmatch(r"[+-]?\d{1,3}(,\d{3})+(\.\d+)?", text):
        return 'say numbers: {thousands: ","}, or {decimal: ","} where the comma begins the fraction'
    if re.fullmatch(r"[+-]?\d{1,3}([ '_]\d{3})+([.,]\d+)?", text):
        return "say numbers.thousands, the mark between thousands"
    if re.fullmatch(r"[+-]?\d+,\d+", text):
        return 'say numbers: {decimal: ","}'
    if kind == "integer" and re.fullmatch(r"[+-]?\d+\.\d*", text):
        return "declare the column as double"
    return "declare the column as text, or say how numbers are written: numbers"


def _of_time(text: str) -> str:
    if re.fullmatch(r"\d{9,10}", text):
        return "say times: {format: unix}"
    if re.fullmatch(r"\d{12,13}", text):
        return "say times: {format: unix_ms}"
    for pattern, form in _DATES:
        if found := pattern.match(text):
            mark = next(each for each in found.groups() if not each.isdigit())
            rest = text[found.end() :]
            clock = next((f"{rest[0]}%H{tail}" for how, tail in _CLOCKS if how.match(rest)), "")
            if rest and not clock:
                break
            return f"say times: {{format: '{form.format(mark)}{clock}'}}"
    return "say how times are written: times.format"


def of_header(header: Sequence[str], expected: Sequence[str]) -> str:
    """What to say where a header has not the columns that are expected; empty where nothing is known."""
    if len(header) == 1 and len(expected) > 1:
        for mark, written in _SEPARATORS.items():
            if mark in header[0]:
                return f"say csv: {{separator: {written}}}"
    folded = {name.strip().casefold(): name for name in header}
    if any(name not in header and name in folded for name in expected):
        return "say rename, or trim: true where blanks stand around names"
    return ""
