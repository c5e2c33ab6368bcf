"""Twenty files as strangers write them: how long a project takes, and who splits them as they are meant.

    python -m benchmarks.strangers

Beside each file: seconds to the project, and who has found its columns and rows: we, DuckDB's sniffer,
pandas with ``sep=None``, csv.Sniffer.
"""

import csv
import io
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.shapes import ROWS, SHAPES

from mlcycle.proposal.draft import draft
from mlcycle.proposal.look import look
from mlcycle.proposal.structure import structure
from mlcycle.proposal.write import write

#: Columns that each file has; one without a name, or of nothing, counts.
COLUMNS = {
    **{
        "plain": 6,
        "german": 3,
        "american": 3,
        "parts": 8,
        "date_and_hour": 7,
        "date_and_clock": 6,
        "stations": 4,
    },
    **{
        "no_time": 4,
        "no_header": 5,
        "no_header_no_names": 5,
        "whitespace": 3,
        "question_marks": 4,
        "spam": 3,
    },
    **{"preamble": 3, "comments": 3, "zipped": 4, "utf16": 5, "same_rows": 3},
}


def ours(path: Path) -> tuple[int, int]:
    found = structure(path).cells
    return found.num_columns, found.num_rows


def duckdb_(path: Path) -> tuple[int, int]:
    import duckdb

    found = duckdb.sql(f"from read_csv('{path}')")
    return len(found.columns), len(found.fetchall())


def pandas_(path: Path) -> tuple[int, int]:
    import pandas as pd

    return pd.read_csv(path, sep=None, engine="python").shape[::-1]


def sniffer(path: Path) -> tuple[int, int]:
    text = path.read_text()
    dialect = csv.Sniffer().sniff(text[:8192])
    rows = list(csv.reader(io.StringIO(text), dialect))
    return len(rows[-1]), len(rows) - csv.Sniffer().has_header(text[:8192])


def right(how: Callable[[Path], tuple[int, int]], path: Path, columns: int) -> bool:
    try:
        return how(path) == (columns, ROWS)
    except Exception:  # noqa: BLE001 - a sniffer that gives up has not found it
        return False


def main() -> None:
    others = {"ours": ours, "duckdb": duckdb_, "pandas": pandas_, "csv.Sniffer": sniffer}
    won = dict.fromkeys(others, 0)
    print(f"{'file':20} {'seconds':>8}  {'  '.join(others)}")
    with tempfile.TemporaryDirectory() as folder:
        for make in SHAPES:
            shape = make()
            path = Path(folder) / shape.file
            path.write_bytes(shape.data)
            began = time.perf_counter()
            write(draft(look(make.__name__, path, **shape.told)), Path(folder) / "projects")
            seconds = time.perf_counter() - began
            columns = COLUMNS.get(make.__name__)
            found = {name: columns is not None and right(how, path, columns) for name, how in others.items()}
            won = {name: won[name] + found[name] for name in won}
            marks = "  ".join(("yes" if found[name] else "-").ljust(len(name)) for name in found)
            print(f"{make.__name__:20} {seconds:8.2f}  {marks if columns else 'types of its own'}")
    print(f"of {len(COLUMNS)} delimited files: {', '.join(f'{name} {count}' for name, count in won.items())}")


if __name__ == "__main__":
    main()
