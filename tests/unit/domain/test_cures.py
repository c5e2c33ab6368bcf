"""What to say in a project where a delivery is written in another way."""

from datetime import datetime

import pytest

from mlcycle.domain.cures import of_cell, of_header


@pytest.mark.parametrize(
    ("kind", "cell", "cure"),
    [
        ("timestamp", "13/01/2011", "say times: {format: '%d/%m/%Y'}"),
        ("timestamp", "01/13/2011 04:30", "say times: {format: '%m/%d/%Y %H:%M'}"),
        ("timestamp", "03.01.2011 04:30:00", "say times: {format: '%d.%m.%Y %H:%M:%S'}"),
        ("timestamp", "2011/01/13", "say times: {format: '%Y/%m/%d'}"),
        ("timestamp", "03/01/2011", "say how times are written: times.format"),
        ("timestamp", "13/01/2011 noon", "say how times are written: times.format"),
        ("timestamp", "1294876800", "say times: {format: unix}"),
        ("timestamp", "1294876800000", "say times: {format: unix_ms}"),
        ("double", "1,5", 'say numbers: {decimal: ","}'),
        ("double", "1.234,5", 'say numbers: {decimal: ",", thousands: "."}'),
        ("double", "1,234.5", 'say numbers: {thousands: ","}, or {decimal: ","} where'),
        ("double", "12 345", "say numbers.thousands"),
        ("double", "?", "where it stands for a missing value say nulls: ['?']"),
        ("integer", "3.0", "declare the column as double"),
        ("integer", "abc1", "declare the column as text"),
        ("boolean", "ja", "say the words for yes and no: booleans"),
    ],
)
def test_a_cell_s_cure(kind: str, cell: str, cure: str) -> None:
    assert of_cell(kind, cell).startswith(cure)


@pytest.mark.parametrize("cell", ["13/01/2011", "01/13/2011 04:30", "3.1.2011 04:30:00", "2011/01/13"])
def test_a_proposed_format_reads_the_cell_it_was_proposed_for(cell: str) -> None:
    form = of_cell("timestamp", cell).partition("'")[2].rpartition("'")[0]
    assert datetime.strptime(cell, form).year == 2011


@pytest.mark.parametrize(
    ("header", "cure"),
    [
        (["a;b;c"], 'say csv: {separator: ";"}'),
        (["a\tb\tc"], 'say csv: {separator: "\\t"}'),
        (["A", "b", "c"], "say rename, or trim"),
        (["x", "y"], ""),
    ],
    ids=["semicolon", "tab", "capitals", "other columns"],
)
def test_a_header_s_cure(header: list[str], cure: str) -> None:
    assert of_header(header, ["a", "b", "c"]).startswith(cure)
    assert bool(of_header(header, ["a", "b", "c"])) is bool(cure)
