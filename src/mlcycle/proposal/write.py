"""A draft as the files of a project: YAML as a person would write it, with what was concluded beside it."""

import json
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from mlcycle.errors import ConfigError, InputError
from mlcycle.project.file import check_sql, load
from mlcycle.proposal.draft import Draft

WIDE = 116  # characters of a line
BLOCK = {
    "columns",
    "tables",
    "features",
    "candidates",
    "source",
    "rename",
}  # keys whose content gets lines of its own
COMMENTS = {
    "scope": "Why there is a model, and when it is good enough: yours to say.",
    "value": "What a prediction is worth: yours to say. Pages and the monitor `value` count in it.",
    "source": "Where rows come from, and how they are written (docs/sources.md).",
    "label": "What is predicted, and how long after its partition it is known (delay).",
    "features": "What is made of the rows; a view is one SELECT (docs/projects.md).",
    "inputs": "What the model reads.",
    "split": "Counted back from the newest rows: judged on, chosen on, learnt from.",
    "candidates": "The best on validation is judged by the gate. More families: docs/models.md.",
    "gate": "What a challenger must show against the champion (docs/statistics.md).",
    "monitors": "What is watched on every partition; `watch` says what is other than the defaults.",
    "retrain": "When the platform may train by itself.",
}


def project_yaml(draft: Draft) -> str:
    """The text of ``project.yaml``."""
    unsure = [said for said in draft.said if not said.sure]
    lines = ["# Drafted by `mlcycle new` from the source below. What it concluded:"]
    lines += [f"#   {said.what}: {said.why}" for said in draft.said]
    if unsure:
        lines.append(f"# Not sure, look at it: {', '.join(said.what for said in unsure)}.")
    for key, value in draft.document.items():
        if key in COMMENTS:
            lines += ["", f"# {COMMENTS[key]}"]
        lines += _lines(key, value, 0)
    return "\n".join(lines) + "\n"


def _lines(key: str, value: Any, depth: int) -> Iterator[str]:
    indent = "  " * depth
    head = f"{indent}{_scalar(key)}:"
    flow = f"{head} {_flow(value)}"
    if not isinstance(value, dict | list) or (len(flow) <= WIDE and key not in BLOCK and not _deep(value)):
        yield flow
    elif isinstance(value, dict):
        yield head
        for name, each in value.items():
            yield from _lines(name, each, depth + 1)
    else:
        yield head
        for each in value:
            yield f"{indent}  - {_flow(each)}"


def _deep(value: Any) -> bool:
    """Whether it is a mapping of mappings, which is read line by line."""
    return isinstance(value, dict) and sum(isinstance(each, dict | list) for each in value.values()) > 1


def _flow(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_scalar(name)}: {_flow(each)}" for name, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(_flow(each) for each in value) + "]"
    return _scalar(value)


def _scalar(value: Any) -> str:
    """A scalar that YAML reads back as it was, in any place."""
    if isinstance(value, str):
        plain = (
            value.strip() == value and not set(value) & set("{}[],&*#?|<>=!%@\\:\"'`") and value.isprintable()
        )
        if plain and yaml.safe_load(value) == value and not value.startswith("-"):
            return value
        return json.dumps(value, ensure_ascii=False)
    return str(yaml.safe_dump(value).removesuffix("...\n").strip())


def write(draft: Draft, projects: Path) -> Path:
    """Write a project's folder, whole or not at all.

    Returns the folder. Raises InputError where there is one of the name already.
    """
    name = draft.document["name"]
    folder = projects / name
    if folder.exists():
        raise InputError(f"{folder} is there already: remove it, or choose another name")
    try:
        projects.mkdir(parents=True, exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".new-", dir=projects))
    except OSError as error:
        raise ConfigError(f"{projects} cannot be written to: {error.strerror}") from None
    try:
        inner = staged / name
        inner.mkdir()
        (inner / "project.yaml").write_text(project_yaml(draft), encoding="utf-8")
        for file, sql in draft.views.items():
            (inner / file).write_text(sql, encoding="utf-8")
        project = load(inner / "project.yaml")
        check_sql(inner / "project.yaml", project)
        inner.rename(folder)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return Path(folder)
