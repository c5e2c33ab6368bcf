"""FAULTS.md, data that lies: rows 22 to 28, each case on the real steps and a real PostgreSQL.

What is checked is read from PostgreSQL itself as its owner, never asked of the steps.
"""

import gzip
import io
import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from mlcycle.contract import Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.demo.world_faults import Fault, plant
from mlcycle.project import Project
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest, edit
from tests.faults.chance import runs, seeded

DAY, NEXT = "2013-01-02", "2013-01-03"


@pytest.fixture
def ingest(platform: Platform) -> Ingest:
    """The flights table with the day before published."""
    found = Ingest(platform)
    found.deliver(DAY)
    assert found.run(DAY)["publish"].status == Status.OK
    return found


def faulty(kind: str, **fields: object) -> bytes:
    fault = Fault.model_validate(
        {"project": "flights", "table": "flights", "partition": NEXT, "kind": kind, **fields}
    )
    return plant(fault, real())


def real(partition: str = NEXT) -> bytes:
    data = day_file("flights", "flights", partition)
    assert data is not None
    return data


def lines(data: bytes) -> list[bytes]:
    return data.splitlines(keepends=True)


def stopped(ingest: Ingest, data: bytes) -> str:
    """Deliver a day that must be stopped, check that nothing moved, and return the reason."""
    before = ingest.rows("count(*), sum(flight)")
    ingest.deliver(NEXT, data)
    results = ingest.run(NEXT)
    last = results[max(results, key=list(results).index)]
    assert last.status == Status.REJECTED, last.message
    assert last.exit_code == 30
    assert last.error is not None
    assert "\n" not in last.error.message
    assert ingest.rows("count(*), sum(flight)") == before, "the day before still serves"
    assert (DAY, "published", True) in ingest.batches()
    assert [b for b in ingest.batches() if b[0] == NEXT and b[2]] == [], "no batch of the bad day is current"
    return last.error.message


# 22: 1 % bad rows


#: Cells that cannot be what their column holds, and cells that the project's expectations refuse.
UNREADABLE = [("distance", "n/a"), ("flight", "1.5"), ("sched_dep", "2013-02-30T00:00:00Z"), ("carrier", "")]
UNREADABLE += [("sched_dep", "2013-01-09T10:00:00Z")]
UNEXPECTED = [("distance", "9999"), ("sched_hour", "24"), ("origin", "XXX")]


def deliver_one_percent_bad(
    ingest: Ingest, chance: random.Random, ways: list[tuple[str, str]]
) -> tuple[list[int], int]:
    """Spoil one row in a hundred, each in one of these ways: the numbers of the bad rows, and of all."""
    data = real()
    total = len(lines(data)) - 1
    bad = sorted(chance.sample(range(1, total + 1), max(1, total // 100)))
    for row in bad:
        data = edit(data, row, *chance.choice(ways))
    ingest.deliver(NEXT, data)
    return bad, total


def check_set_aside(ingest: Ingest, bad: list[int], total: int) -> None:
    found = ingest.quarantine()
    assert [number for number, _, _ in found] == bad
    assert all(reasons for _, reasons, _ in found)
    where = f"sched_dep >= '{NEXT}' and sched_dep < date '{NEXT}' + 1"
    assert ingest.rows("count(*)", where) == [(total - len(bad),)]


@pytest.mark.parametrize("run", runs(20))
def test_22_one_percent_of_bad_rows_is_quarantined_with_reasons(ingest: Ingest, run: int) -> None:
    with seeded("one percent", run) as chance:
        bad, total = deliver_one_percent_bad(ingest, chance, UNREADABLE + UNEXPECTED)
        result = ingest.run(NEXT)["publish"]
        assert result.status == Status.OK, result.message
        check_set_aside(ingest, bad, total)


def test_22_the_checker_sees_bad_rows_published(ingest: Ingest) -> None:
    """The guard off: with no expectations the unexpected goes through."""
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["expectations"] = []
    ingest.project = Project.model_validate(document)
    with seeded("one percent unseen", 0) as chance:
        bad, total = deliver_one_percent_bad(ingest, chance, UNEXPECTED)
    assert ingest.run(NEXT)["publish"].status == Status.OK
    with pytest.raises(AssertionError):
        check_set_aside(ingest, bad, total)


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [
        pytest.param("distance", "n/a", "column distance: 'n/a' is not a finite number", id="text"),
        pytest.param("distance", "NaN", "'NaN' is not a finite number", id="nan"),
        pytest.param("distance", "Infinity", "is not a finite number", id="infinity"),
        pytest.param("distance", "1e999", "'1e999' is not a finite number", id="overflow"),
        pytest.param("distance", "1e-999", "'1e-999' is not a finite number", id="underflow"),
        pytest.param("flight", "509.0", "column flight: '509.0' is not an integer", id="float"),
        pytest.param("flight", "9223372036854775808", "is not an integer", id="bigger-than-bigint"),
        pytest.param("flight", "0x1F", "is not an integer", id="hexadecimal"),
        pytest.param("flight", "1_000", "is not an integer", id="underscore"),
        pytest.param("flight", "\u0661\u0662", "is not an integer", id="arabic-digits"),
        pytest.param("sched_dep", "yesterday", "is not a time like", id="word-for-a-time"),
        pytest.param("sched_dep", "2013-02-30T10:00:00Z", "is not a time like", id="no-such-day"),
        pytest.param("sched_dep", "2013-01-02T23:59:00Z", "not in partition 2013-01-03", id="day-before"),
        pytest.param("sched_dep", "2013-01-04T00:00:00Z", "not in partition 2013-01-03", id="day-after"),
        pytest.param("carrier", "", "column carrier: empty, but it identifies the row", id="no-key"),
        pytest.param("origin", "BOS", "fails expect_column_values_to_be_in_set", id="expectation"),
        pytest.param("dest", "TOOLONG", "fails expect_column_value_lengths_to_equal", id="length"),
        pytest.param("distance", "3,4", "the row has 12 fields, the header 11", id="a-comma-too-many"),
    ],
)
def test_22_the_reason_names_the_cell(ingest: Ingest, column: str, value: str, reason: str) -> None:
    ingest.deliver(NEXT, edit(real(), 7, column, value))
    assert ingest.run(NEXT)["publish"].status == Status.OK
    ((number, reasons, data),) = ingest.quarantine()
    assert number == 7
    assert reason in "; ".join(reasons)
    assert value in str(data) or value == ""


# 23: 30 % bad rows


@pytest.mark.parametrize("share", [0.11, 0.3, 1.0], ids=lambda share: f"{share:.0%}")
def test_23_a_batch_with_too_many_bad_rows_is_stopped_whole(ingest: Ingest, share: float) -> None:
    data = real()
    for row in range(1, round((len(lines(data)) - 1) * share) + 2):
        if row < len(lines(data)):
            data = edit(data, row, "distance", "n/a")
    assert "are bad" in stopped(ingest, data)
    assert len(ingest.quarantine()) >= (len(lines(data)) - 1) * share
    assert ingest.batches()[-1] == (NEXT, "stopped", False)


# 24: next to nothing


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "the file is empty", id="empty-file"),
        pytest.param(lines(real())[0], "a header and no rows", id="header-only"),
        pytest.param(lines(real())[0].rstrip(b"\n"), "a header and no rows", id="header-without-newline"),
        pytest.param(b"".join(lines(real())[:2]), "one row, at least 100 expected", id="one-row"),
        pytest.param(b"".join(lines(real())[:90]), "89 rows, at least 100 expected", id="below-the-floor"),
        pytest.param(
            faulty("empty_column", column="distance"), "'distance' is empty in every row", id="all-null"
        ),
        pytest.param(
            faulty("empty_column", column="weekday"),
            "'weekday' is empty in every row",
            id="all-null-without-rule",
        ),
        pytest.param(faulty("empty_column", column="carrier"), "'carrier' is empty", id="all-null-key"),
    ],
)
def test_24_next_to_nothing_is_stopped_by_name(ingest: Ingest, data: bytes, reason: str) -> None:
    assert reason in stopped(ingest, data)


def test_24_a_column_that_may_be_empty_is_not_stopped(platform: Platform) -> None:
    weather = Ingest(platform, table="weather")
    data = day_file("flights", "weather", NEXT)
    assert data is not None
    rows = [line.split(",") for line in data.decode().splitlines()]
    at = rows[0].index("wind_gust")
    weather.deliver(
        NEXT,
        "".join(
            ",".join([*r[:at], r[at] if i == 0 else "", *r[at + 1 :]]) + "\n" for i, r in enumerate(rows)
        ).encode(),
    )
    assert weather.run(NEXT)["publish"].status == Status.OK


# 25: the header


@pytest.mark.parametrize(
    ("data", "reason", "status"),
    [
        pytest.param(
            faulty("missing_column", column="origin"), "column 'origin' is missing", "stopped", id="missing"
        ),
        pytest.param(
            faulty("renamed_column", column="origin"),
            "(the header also has 'origin_v2')",
            "stopped",
            id="renamed",
        ),
        pytest.param(faulty("added_column"), "column 'surprise' was added", "held", id="added"),
        pytest.param(
            real().replace(b"carrier", b"Carrier", 1),
            "column 'carrier' is missing",
            "stopped",
            id="other-case",
        ),
        pytest.param(real().replace(b"tailnum", b"flight", 1), "names 'flight' twice", "stopped", id="twice"),
        pytest.param(b"".join(lines(real())[1:]), "is missing", "stopped", id="no-header"),
    ],
)
def test_25_a_header_that_differs_stops_or_holds_the_batch(
    ingest: Ingest, data: bytes, reason: str, status: str
) -> None:
    assert reason in stopped(ingest, data)
    assert ingest.batches()[-1] == (NEXT, status, False)


def test_25_retyped_column_is_seen_by_its_cells(ingest: Ingest) -> None:
    data = real().decode().splitlines()
    at = data[0].split(",").index("distance")
    retyped = [data[0]] + [
        ",".join(c if i != at else f"{c} km" for i, c in enumerate(r.split(","))) for r in data[1:]
    ]
    assert "are bad (100.0%)" in stopped(ingest, ("\n".join(retyped) + "\n").encode())


def test_25_reordered_columns_are_taken_by_name(ingest: Ingest) -> None:
    ingest.deliver(NEXT, real())
    ingest.run(NEXT)
    columns = ", ".join(FLIGHTS.source.tables["flights"].columns)
    straight = sorted(ingest.rows(columns), key=str)
    ingest.deliver(NEXT, faulty("reordered_columns"))
    assert ingest.run(NEXT)["publish"].status == Status.OK
    assert sorted(ingest.rows(columns), key=str) == straight


def test_25_added_column_is_left_out_where_the_project_says_so(ingest: Ingest) -> None:
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["extra_columns"] = "ignore"
    ingest.project = Project.model_validate(document)
    ingest.deliver(NEXT, faulty("added_column"))
    assert ingest.run(NEXT)["publish"].status == Status.OK
    assert ingest.rows("count(*)", f"sched_dep >= '{NEXT}'") == [(len(lines(real())) - 1,)]


# 26: late and corrected rows


def test_26_a_day_delivered_again_changed_replaces_it_whole(ingest: Ingest) -> None:
    late = faulty("late_rows", share=0.2)
    ingest.deliver(NEXT, late)
    ingest.run(NEXT)
    assert ingest.rows("count(*)", f"sched_dep >= '{NEXT}'") == [(len(lines(late)) - 1,)]
    corrected = edit(real(), 3, "distance", "123")
    ingest.deliver(NEXT, corrected)
    assert ingest.run(NEXT)["publish"].status == Status.OK
    where = f"sched_dep >= '{NEXT}'"
    assert ingest.rows("count(*), count(distinct _batch_id)", where) == [(len(lines(real())) - 1, 1)]
    assert ingest.rows("count(*)", f"{where} and distance = 123") == [(1,)]
    history = [(status, current) for partition, status, current in ingest.batches() if partition == NEXT]
    assert history == [("published", False), ("published", True)], "a newer batch tells what depends on it"


def test_26_delivered_again_unchanged_is_no_new_batch(ingest: Ingest) -> None:
    before = ingest.batches("*")
    assert ingest.run(DAY)["publish"].status == Status.SKIPPED
    assert ingest.batches("*") == before


def test_26_the_same_delivery_under_new_rules_is_published_again(ingest: Ingest) -> None:
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["expectations"][4]["args"]["max_value"] = 4000
    ingest.project = Project.model_validate(document)
    far = ingest.rows("count(*)", "distance > 4000")[0][0]
    assert far
    results = ingest.run(DAY)
    assert results["publish"].status == Status.OK
    assert ingest.rows("count(*)", "distance > 4000") == [(0,)]
    assert len(ingest.quarantine()) == far


# 27: duplicates


def test_27_exact_copies_within_a_day_are_dropped_and_counted(ingest: Ingest) -> None:
    twice = faulty("duplicated_rows", share=0.3)
    copies = len(lines(twice)) - len(lines(real()))
    assert copies > 100
    ingest.deliver(NEXT, twice)
    assert ingest.run(NEXT)["publish"].status == Status.OK
    assert ingest.rows("count(*)", f"sched_dep >= '{NEXT}'") == [(len(lines(real())) - 1,)]
    assert ingest.batches("duplicates, quarantined")[-1] == (copies, 0)


def test_27_a_second_row_of_a_key_with_other_values_is_quarantined(ingest: Ingest) -> None:
    data = real()
    other = edit(data, 5, "distance", "111").splitlines(keepends=True)[5]
    ingest.deliver(NEXT, data + other)
    assert ingest.run(NEXT)["publish"].status == Status.OK
    ((number, reasons, _),) = ingest.quarantine()
    assert number == len(lines(data))
    assert "a second row for" in reasons[0]
    assert ingest.rows("count(*)", "distance = 111") == [(0,)], "the first one stays"


def test_27_keys_that_only_look_different_are_one(ingest: Ingest) -> None:
    data = real()
    row = lines(data)[5].split(b",")
    row[1], row[5] = b"0" + row[1], row[5].replace(b"T", b" ").replace(b"Z", b"+00:00")
    ingest.deliver(NEXT, data + b",".join(row))
    assert ingest.run(NEXT)["publish"].status == Status.OK
    assert len(ingest.quarantine()) == 1
    assert ingest.rows("count(*)", f"sched_dep >= '{NEXT}'") == [(len(lines(data)) - 1,)]


def test_27_a_row_of_another_day_is_not_published_twice(ingest: Ingest) -> None:
    ingest.deliver(NEXT, real() + lines(real(DAY))[9])
    assert ingest.run(NEXT)["publish"].status == Status.OK
    ((_, reasons, _),) = ingest.quarantine()
    assert "is not in partition 2013-01-03" in reasons[0]
    assert ingest.rows("count(*)", f"sched_dep < '{NEXT}'") == [(len(lines(real(DAY))) - 1,)]


# 28: bytes that are no text


def zipped() -> bytes:
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("flights.csv", b"0" * 50_000_000)
    return bomb.getvalue()


def at_row(row: int, column: str, value: bytes) -> bytes:
    return edit(real(), row, column, "@@").replace(b"@@", value)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        pytest.param(lambda: at_row(4, "tailnum", b"N1\0"), "row 4, column 'tailnum' (byte ", id="nul"),
        pytest.param(lambda: real().decode().encode("utf-16"), "the file is UTF-16", id="utf16"),
        pytest.param(lambda: real().decode().encode("utf-16-le"), "NUL byte", id="utf16-without-mark"),
        pytest.param(
            lambda: at_row(9, "dest", b"\xff\xfeX"), "row 9, column 'dest' (byte ", id="broken-utf8"
        ),
        pytest.param(lambda: at_row(9, "dest", b"\xed\xa0\x80"), "a lone surrogate", id="surrogate"),
        pytest.param(
            lambda: at_row(9, "dest", b"x" * 2_000_000), "row 9 is longer than 1 MiB", id="2MB-line"
        ),
        pytest.param(lambda: at_row(9, "dest", b'"ABC'), "row ", id="quote-without-end"),
        pytest.param(lambda: at_row(9, "dest", b'"A"BC'), "row 9: not CSV", id="text-after-quote"),
        pytest.param(lambda: gzip.compress(b"0" * 50_000_000), "the file is gzip", id="gzip-bomb"),
        pytest.param(zipped, "the file is zip", id="zip-bomb"),
    ],
)
def test_28_bytes_that_are_no_csv_are_refused_with_their_place(
    ingest: Ingest, make: Callable[[], bytes], reason: str
) -> None:
    assert reason in stopped(ingest, make())


@pytest.mark.parametrize("formula", ["=cmd|'/c calc'!A1", "@SUM(A1)", "+1+1", "-2+3"])
def test_28_a_csv_formula_stays_text(ingest: Ingest, formula: str) -> None:
    ingest.deliver(NEXT, edit(real(), 7, "tailnum", formula))
    results = ingest.run(NEXT)
    assert results["publish"].status == Status.OK
    assert ingest.rows("count(*)", f"tailnum = $q${formula}$q$") == [(1,)]


def test_28_markup_in_a_bad_row_is_text_in_the_report(ingest: Ingest) -> None:
    evil = "<script>alert(1)</script>"
    ingest.deliver(NEXT, edit(real(), 7, "flight", evil))
    report = ingest.run(NEXT)["validate"].outputs["report"]
    page = Path(report.uri.removeprefix("file://")).read_text()
    assert evil not in page
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize("where", ["row", "header"])
def test_28_a_line_of_100_mb_is_refused_in_bounded_memory(ingest: Ingest, where: str) -> None:
    """Extract and validate run in a process of their own whose memory the system limits."""
    file = ingest.deliver(NEXT)
    parts = lines(real())
    with file.open("wb") as stream:
        stream.writelines(parts[:3] if where == "row" else [])
        for _ in range(100):
            stream.write(b"x" * 1_000_000)
        stream.writelines(parts[3:])
    extract = step_in_process(ingest, "extract", {})
    assert extract.status == Status.OK, extract.message
    validate = step_in_process(ingest, "validate", {"extract": extract})
    assert validate.status == Status.REJECTED, validate.message
    assert "is longer than 1 MiB" in validate.message
    assert ("row 3" if where == "row" else "the header") in validate.message


def step_in_process(ingest: Ingest, name: str, before: dict[str, Result]) -> Result:
    folder = ingest.platform.folder
    request, result = folder / f"{name}.request.json", folder / f"{name}.result.json"
    request.write_text(ingest.request(name, NEXT, before=before).model_dump_json())
    code = (
        "import os, sys, pandas, pyarrow.csv, pyarrow.compute, mlcycle.steps.extract, mlcycle.steps.validate\n"
        "from mlcycle.steps.main import main\n"
        "kib = int(next(l.split()[1] for l in open('/proc/self/status') if l.startswith('VmSize')))\n"
        "import resource\n"
        f"resource.setrlimit(resource.RLIMIT_AS, (kib * 1024 + {ROOM}, resource.RLIM_INFINITY))\n"
        f"sys.exit(main({str(request)!r}, {str(result)!r}, os.environ))"
    )
    env = ingest.platform.settings("ingest").as_env()
    subprocess.run(
        [sys.executable, "-c", code],
        env={"PATH": "/usr/bin:/bin", "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1", **env},
        timeout=120,
        check=False,
    )
    return Result.model_validate_json(result.read_bytes())


ROOM = 64 << 20  # beyond what the libraries take


def test_28_a_delivery_above_max_bytes_is_refused_while_it_is_read(ingest: Ingest) -> None:
    document = FLIGHTS.document()
    document["source"]["tables"]["flights"]["max_bytes"] = 10_000
    ingest.project = Project.model_validate(document)
    ingest.deliver(NEXT)
    result = ingest.step("extract", NEXT)
    assert result.status == Status.REJECTED
    assert "larger than 10000 bytes" in result.message
