"""Reading project files: from YAML on disk to a :class:`mlcycle.project.Project`.

Refused before anything is built from it: a file over ``MAX_BYTES``, an alias (a few lines can
unfold to gigabytes), deep nesting, a tag, a key given twice, a number that is not finite. Every message
names file, line and key.
"""

import math
import os
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from mlcycle.domain.closest import among
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.lines import Lines
from mlcycle.project.wording import worded

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
PLAIN_TAGS = {"str", "int", "float", "bool", "null", "seq", "map", "timestamp"}

# libyaml reads a project many times as fast as PyYAML's own scanner; every parse of the DAGs feels it.
_Loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load(path: Path) -> Project:
    """Read and check one project file and the SQL files it names. Raises ConfigError."""
    return read(path)[0]


def read(path: Path) -> tuple[Project, Lines]:
    """The project of a file and where its keys stand. Raises ConfigError with every mistake."""
    text = _read(path)
    where = Lines(path)
    lines = where.by_key
    data = _plain(path, _compose(path, text), lines)
    if not isinstance(data, dict):
        raise ConfigError(f"{path}:1: a project file is a mapping of keys to values")
    _inline_sql(where, data)
    _inline_code(where, data)
    try:
        project = Project.model_validate(data)
    except ValidationError as error:
        raise ConfigError(*worded(error, where, Project)) from None
    if project.name != path.parent.name:
        said = f"{project.name!r} must be the folder's name, {path.parent.name!r}"
        raise ConfigError(where.say(("name",), said))
    return project, where


def check_sql(path: Path, project: Project) -> None:
    """Check the SQL of a project's views and queries. Raises ConfigError, each problem with its line.

    Apart from ``load``, which Airflow calls often: the parser takes a tenth of a second to load.
    """
    from mlcycle.domain.sql_guard import problem, query_problem

    found = ((name, problem(view.sql, view.reads)) for name, view in project.features.items() if view.sql)
    problems = [f"{path}: features.{name}.sql, line {what[0]}: {what[1]}" for name, what in found if what]
    for name, table in project.source.tables.items():
        query = table.database.query if table.database else None
        if query and project.source.url.startswith("postgresql://") and (what := query_problem(query)):
            problems.append(f"{path}: source.tables.{name}.database.query, line {what[0]}: {what[1]}")
    if problems:
        raise ConfigError(*problems)


def projects_folder() -> Path:
    """The folder of projects. Raises ConfigError if it is not set or not there."""
    folder = Path(os.environ.get("MLCYCLE_PROJECTS", ""))
    if not os.environ.get("MLCYCLE_PROJECTS") or not folder.is_dir():
        raise ConfigError(f"MLCYCLE_PROJECTS={folder}: set it to the folder that holds the projects")
    return folder


def find(folder: Path) -> dict[str, Path]:
    """Every project file below a folder of projects, by project name."""
    return {path.parent.name: path for path in sorted(folder.glob("*/project.yaml"))}


def load_named(folder: Path, name: str) -> Project:
    """Load the project of this name. Raises ConfigError that lists the names there are."""
    files = find(folder)
    if name not in files:
        raise ConfigError(f"no project {name!r} under {folder}: {among(name, files)}")
    return load(files[name])


def _read(path: Path) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{path}: larger than {MAX_BYTES // 1024} KiB, the most a file may have")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: byte {error.start} is not UTF-8: save the file as UTF-8") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from None


def _compose(path: Path, text: str) -> yaml.Node:
    try:
        depth = 0
        for event in yaml.parse(text, Loader=_Loader):
            line = event.start_mark.line + 1 if event.start_mark else 1
            if isinstance(event, yaml.AliasEvent):
                raise ConfigError(f"{path}:{line}: aliases (*name) are not allowed: write it out")
            depth += isinstance(event, yaml.CollectionStartEvent)
            depth -= isinstance(event, yaml.CollectionEndEvent)
            if depth > MAX_DEPTH:  # the scanner needs minutes for what is nested 100,000 deep
                raise ConfigError(f"{path}:{line}: nested deeper than {MAX_DEPTH} levels")
        node = yaml.compose(text, Loader=_Loader)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        reason = getattr(error, "problem", None) or str(error)
        raise ConfigError(f"{where}: not YAML: {reason}") from None
    if node is None:
        raise ConfigError(f"{path}:1: the file is empty")
    return node


def _plain(
    path: Path, node: yaml.Node, lines: dict[tuple[str | int, ...], int], at: tuple[str | int, ...] = ()
) -> Any:
    """Plain values out of YAML nodes, noting the line of each."""
    lines[at] = node.start_mark.line + 1
    if node.tag.removeprefix("tag:yaml.org,2002:") not in PLAIN_TAGS:
        raise ConfigError(f"{path}:{lines[at]}: tag {node.tag} is not allowed: a project is plain data")
    if isinstance(node, yaml.SequenceNode):
        return [_plain(path, item, lines, (*at, i)) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        values: dict[str, Any] = {}
        for key_node, value_node in node.value:
            key, line = str(key_node.value), key_node.start_mark.line + 1
            if key in values:
                raise ConfigError(f"{path}:{line}: key {key!r} is given twice")
            values[key] = _plain(path, value_node, lines, (*at, key))
            lines[(*at, key)] = line
        return values
    return _scalar(path, node, lines[at])


def _scalar(path: Path, node: yaml.Node, line: int) -> Any:
    try:
        value = yaml.constructor.SafeConstructor().construct_object(node, deep=True)
    except (ValueError, LookupError):  # what looks like a date, a number or a truth value and is none
        kind = node.tag.rpartition(":")[2]
        raise ConfigError(
            f"{path}:{line}: {str(node.value)[:40]!r} is no {kind} to YAML: correct it, or quote a text"
        ) from None
    if isinstance(value, float) and not math.isfinite(value):
        raise ConfigError(f"{path}:{line}: {node.value}: a number here is finite")
    # YAML reads 2013-01-01 as a date; a project file's dates are partition keys.
    return node.value if hasattr(value, "isoformat") else value


def _inline_sql(where: Lines, data: dict[str, Any]) -> None:
    features = data.get("features")
    if not isinstance(features, dict):
        return
    for name, view in features.items():
        if not isinstance(view, dict) or not isinstance(view.get("sql"), str):
            continue
        file, at = view["sql"], ("features", name, "sql")
        if view.get("make"):
            raise ConfigError(where.say(at, "this view says what it makes: take sql or make out"))
        if not file.endswith(".sql") or Path(file).name != file:
            said = f"{file!r} is not the name of a .sql file in the project's folder"
            raise ConfigError(where.say(at, said))
        where.files[at] = where.path.parent / file
        view["sql"] = _read(where.files[at])


def _inline_code(where: Lines, data: dict[str, Any]) -> None:
    """Take the Python files beside the project's in; nothing of them is executed here."""
    code = data.get("code")
    if isinstance(code, dict) and code.get("files"):
        raise ConfigError(where.say(("code", "files"), "is read from the folder, not written: remove it"))
    files = {file.name: _read(file) for file in sorted(where.path.parent.glob("*.py"))}
    if files:
        data["code"] = {**(code if isinstance(code, dict) else {}), "files": files}
