"""Answers on a terminal."""

import json
import sys
from typing import Any

from mlcycle.contract import Result


def print_step(name: str, result: Result) -> None:
    """How a step ended, in one line."""
    print(f"{name:24} {result.status:9} {result.seconds:7.2f} s  {result.message}")


def print_json(value: Any) -> None:
    """A document; what JSON does not know, as text."""
    print(json.dumps(value, indent=2, default=str))


def print_table(rows: list[dict[str, Any]]) -> None:
    """Rows as columns; whole lines where nobody looks at a terminal."""
    from rich.console import Console
    from rich.table import Table

    if not rows:
        print("no rows")
        return
    table = Table(*rows[0], box=None, header_style="bold")
    for row in rows:
        table.add_row(*("" if value is None else str(value) for value in row.values()))
    (Console() if sys.stdout.isatty() else Console(width=200)).print(table)
    print(f"{len(rows)} row{'' if len(rows) == 1 else 's'}")
