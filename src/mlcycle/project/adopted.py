"""A candidate added to a project file that people wrote: what is in it stays as it is, comments and all."""

import os
import uuid
from pathlib import Path
from typing import Any

import yaml

from mlcycle.errors import ConfigError
from mlcycle.project.file import load
from mlcycle.project.part import NAME


def add_candidate(path: Path, name: str, candidate: dict[str, Any]) -> None:
    """Add a candidate at the end of the file's ``candidates``; the file is replaced whole, once it is valid.

    Raises ConfigError for a name that is taken or is none, and where the file would not be valid with it.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(f"{name!r} is no name for a candidate: small letters, digits and _, 30 at most")
    if name in load(path).candidates:
        raise ConfigError(f"{path}: there is a candidate {name!r} already: say another name")
    text = path.read_text(encoding="utf-8")
    root: Any = yaml.compose(text)
    node = next(value for key, value in root.value if key.value == "candidates")
    if node.flow_style:
        raise ConfigError(f"{path}:{node.start_mark.line + 1}: write candidates as lines, not in braces")
    lines = text.splitlines(keepends=True)
    last = _last_line(node, lines)
    indent = " " * node.start_mark.column
    body = yaml.safe_dump({name: candidate}, sort_keys=False, default_flow_style=None, width=88)
    added = "".join(f"{indent}{line}\n" for line in body.splitlines())
    head = "".join(lines[: last + 1])
    head += "" if head.endswith("\n") else "\n"
    staged = path.with_name(f".{uuid.uuid4().hex}.part")
    kept = path.stat().st_mode
    try:
        staged.write_text(head + added + "".join(lines[last + 1 :]), encoding="utf-8")
        staged.chmod(kept)
        _check(staged, path)
        os.replace(staged, path)  # noqa: PTH105 - atomic, as rename is
    finally:
        staged.unlink(missing_ok=True)


def _last_line(node: yaml.Node, lines: list[str]) -> int:
    """The last line of a block, the comments and blank lines behind it left to what follows."""
    last = node.end_mark.line - 1 if node.end_mark.column == 0 else node.end_mark.line
    last = min(last, len(lines) - 1)
    while not lines[last].strip() or lines[last].lstrip().startswith("#"):
        last -= 1
    return last


def _check(staged: Path, path: Path) -> None:
    try:
        load(staged)
    except ConfigError as error:
        said = error.message.replace(str(staged), str(path))
        raise ConfigError(f"the candidate was not added, the file would not be valid: {said}") from None
