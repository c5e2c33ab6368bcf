"""What the demo prints at its end: the acts, time by step, the champion's history, where to look."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from mlcycle.adapters.warehouse.connection import select_read_only
from mlcycle.demo.journal import Journal
from mlcycle.demo.play import PROJECT
from mlcycle.settings import Settings, step_env


def print_report(env: Mapping[str, str], journal: Journal, console: Console) -> None:
    """Print the closing tables; read from the journal and the ledger of the warehouse that ``env`` names."""
    settings = Settings.from_env(step_env(env, "serve"))
    console.print()
    console.print(_acts(journal))
    console.print(_steps(settings))
    console.print(_history(settings))


def _acts(journal: Journal) -> Table:
    table = Table(title="What happened", title_justify="left", box=None, header_style="bold")
    table.add_column("act", no_wrap=True)
    table.add_column("rows", justify="right")
    table.add_column("seconds", justify="right")
    table.add_column("verdict")
    for entry in journal.entries.values():
        table.add_row(entry.act, f"{entry.rows:,}", f"{entry.seconds:.1f}", entry.verdict)
    return table


def _steps(settings: Settings) -> Table:
    rows = select_read_only(
        settings,
        """select step, count(*) as runs,
                  count(*) filter (where result->>'status' = 'ok') as ok,
                  count(*) filter (where result->>'status' = 'skipped') as skipped,
                  count(*) filter (where result->>'status' = 'rejected') as rejected,
                  count(*) filter (where result->>'status' = 'failed' or state = 'running') as failed,
                  percentile_cont(0.5) within group (order by (result->>'seconds')::float) as median,
                  sum((result->>'seconds')::float) as total
           from ledger.attempt where project = %s group by step order by min(token)""",
        (PROJECT,),
    )
    table = Table(title="\nSteps", title_justify="left", box=None, header_style="bold")
    for name in ("step", "runs", "ok", "skipped", "rejected", "failed", "median s", "total s"):
        table.add_column(name, justify="left" if name == "step" else "right")
    for row in rows:
        counts = [str(row[key]) for key in ("runs", "ok", "skipped", "rejected", "failed")]
        table.add_row(row["step"], *counts, f"{row['median'] or 0:.2f}", f"{row['total'] or 0:.1f}")
    return table


def _history(settings: Settings) -> Table:
    rows = select_read_only(
        settings,
        """select c.seq, c.version, m.candidate, c.action, c.actor, c.reason
           from ledger.champion c join ledger.model_version m using (project, version)
           where c.project = %s order by c.seq""",
        (PROJECT,),
    )
    table = Table(title="\nThe champion's history", title_justify="left", box=None, header_style="bold")
    for name in ("seq", "version", "candidate", "action", "by", "reason"):
        table.add_column(name)
    for row in rows:
        table.add_row(*(str(value) for value in row.values()))
    return table
