"""The console's first page as HTML. Plain and self-contained: no script, nothing fetched from elsewhere.

Airflow shows it in a sandboxed frame that lets no link out of it: links stay inside the frame.
"""

from html import escape

from mlcycle.console.links import address
from mlcycle.console.overview import Overview

STYLE = """
:root { color-scheme: light dark; --line: #8884; --soft: #8882; --accent: #2b6cb0 }
:root { --bad: #c53030; --warn: #b7791f }
body { font: 15px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 1.5rem }
h1 { font-size: 1.4rem } h2 { font-size: 1.15rem; margin: 0 }
section { border: 1px solid var(--line); border-radius: 8px; padding: 1rem 1.2rem; margin: 1rem 0 }
dl { display: flex; flex-wrap: wrap; gap: .4rem 2.2rem; margin: .7rem 0 } dt { font-size: .8rem; opacity: .7 }
dd { margin: 0; font-weight: 600 } table { border-collapse: collapse; width: 100%; font-size: .9rem }
th { text-align: left; font-weight: 500; opacity: .7 } th, td { padding: .25rem .8rem .25rem 0 }
td.n, th.n { text-align: right } tr { border-bottom: 1px solid var(--soft) }
.page { color: var(--bad) } .warn { color: var(--warn) } a { color: var(--accent) }
rect { fill: var(--accent) } figure { margin: .8rem 0 } figcaption { font-size: .8rem; opacity: .7 }
p.error { color: var(--bad) }
"""


def overview_page(overviews: list[Overview], error: str = "") -> str:
    """The page: each project's champion, tables, volume and open alerts."""
    body = "".join(map(_project, overviews)) or "<p>No project yet: put one under the projects folder.</p>"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>mlcycle</title>'
        f"<style>{STYLE}</style></head><body><h1>Projects</h1>{_problem(error)}{body}</body></html>"
    )


def _problem(text: str) -> str:
    return f'<p class="error">{escape(text)}</p>' if text else ""


def _project(project: Overview) -> str:
    return (
        f"<section><h2>{escape(project.name)}</h2>{_problem(project.problem)}"
        f"{_facts(project)}{_volumes(project)}{_tables(project)}{_alerts(project)}</section>"
    )


def _facts(project: Overview) -> str:
    facts = {"Last partition": project.last_partition or "none yet"}
    if project.champion and project.since:
        seq, version, candidate, action, since, metrics = project.champion
        facts["Champion"] = f"{candidate}, version {version}"
        facts["Since"] = f"{since:%Y-%m-%d %H:%M} UTC, {action} no. {seq}"
        for name, value in sorted((metrics or {}).items())[:4]:
            if isinstance(value, int | float):
                facts[name] = f"{value:.4g}"
    else:
        facts["Champion"] = "none yet"
    facts["Open alerts"] = str(len(project.alerts))
    items = "".join(f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in facts.items())
    return f"<dl>{items}</dl>"


def _volumes(project: Overview, width: int = 900, height: int = 80) -> str:
    """Rows of each of the last partitions, as bars from zero."""
    if not project.volumes:
        return ""
    top = max(rows for _, rows in project.volumes) or 1
    step = min(24.0, width / len(project.volumes))
    bars = "".join(
        f'<rect x="{i * step:.1f}" y="{height - height * rows / top:.1f}" width="{step * 0.8:.1f}" '
        f'height="{height * rows / top:.1f}"><title>{escape(key)}: {rows:,} rows</title></rect>'
        for i, (key, rows) in enumerate(project.volumes)
    )
    first, last = project.volumes[0][0], project.volumes[-1][0]
    return (
        f'<figure><svg viewBox="0 0 {width} {height}" width="100%" role="img" '
        f'aria-label="rows of each partition">{bars}</svg><figcaption>Published rows of each partition, '
        f"{escape(first)} to {escape(last)}; the tallest bar is {top:,} rows</figcaption></figure>"
    )


def _tables(project: Overview) -> str:
    if not project.tables:
        return ""
    rows = "".join(
        f"<tr><td>{escape(name)}</td><td>{escape(last or '')}</td><td class=n>{count:,}</td>"
        f"<td class=n>{int(total):,}</td><td class=n>{stopped:,}</td></tr>"
        for name, last, count, total, stopped in project.tables
    )
    return (
        "<table><tr><th>Table</th><th>Newest partition</th><th class=n>Partitions</th>"
        f"<th class=n>Rows</th><th class=n>Stopped batches</th></tr>{rows}</table>"
    )


def _alerts(project: Overview) -> str:
    if not project.alerts:
        return ""
    rows = "".join(
        f'<tr><td class="{escape(severity)}">{escape(severity)}</td><td>{_titled(title, link)}</td>'
        f"<td>{escape(first)} to {escape(last)}</td><td class=n>{count}</td></tr>"
        for severity, title, link, count, first, last in project.alerts
    )
    return (
        f"<table><tr><th>Open alert</th><th></th><th>Partitions</th><th class=n>Times</th></tr>{rows}</table>"
    )


def _titled(title: str, link: str) -> str:
    target = address(link)
    text = escape(title)
    return f'<a href="{escape(target, quote=True)}">{text}</a>' if target else text
