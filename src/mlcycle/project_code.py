"""A project's own Python: the files beside its ``project.yaml``, and what it names of installed packages.

The files travel as text inside the project's document, and with each model that needs them. They are imported
out of memory, as a package named after their digest: nothing is put on the path, two versions of a project's
code live side by side in one process, and a class that a model names is that version's very own.
"""

import ast
import hashlib
import importlib
import importlib.abc
import importlib.machinery
import json
import re
import sys
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final

from mlcycle.errors import ConfigError

#: ``module:attribute``, or ``package.module.attribute``: a project's own module has no dot in its name.
REFERENCE: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*|[A-Za-z_]\w*(\.[A-Za-z_]\w*)+")
PREFIX: Final = "mlcycle_project_"


@dataclass(frozen=True)
class ProjectCode:
    """Python files by name, ``models.py``, and their text; ``metrics`` are references to measure with."""

    files: Mapping[str, str] = field(default_factory=dict)
    metrics: tuple[str, ...] = ()

    @property
    def digest(self) -> str:
        """SHA-256 of the files and their names; empty where there are none."""
        if not self.files:
            return ""
        return hashlib.sha256(json.dumps(sorted(self.files.items())).encode()).hexdigest()

    @property
    def package(self) -> str:
        """The name that its modules are imported below."""
        return f"{PREFIX}{self.digest[:16]}"

    def holds(self, module: str) -> bool:
        """Whether the module is one of its files."""
        return f"{module}.py" in self.files


NONE: Final = ProjectCode()
_installed: dict[str, ProjectCode] = {}
_of_process: list[ProjectCode] = [NONE]
_active: ContextVar[ProjectCode | None] = ContextVar("mlcycle_project_code", default=None)


def activate(code: ProjectCode) -> None:
    """Take this code for the project's from here on, in every thread: a step's process has one project."""
    _of_process[0] = code


@contextmanager
def using(code: ProjectCode) -> Iterator[None]:
    """Take this code for the project's while the block lasts: what a model was trained with."""
    token = _active.set(code)
    try:
        yield
    finally:
        _active.reset(token)


def current() -> ProjectCode:
    """The code that references are looked up in now."""
    return _active.get() or _of_process[0]


def is_reference(name: str) -> bool:
    """Whether a name leads to Python: ``models:Mine``, ``sklearn.svm.SVC``."""
    return REFERENCE.fullmatch(name) is not None


def parts_of(reference: str) -> tuple[str, str]:
    """Module and attribute of a reference."""
    module, _, attribute = reference.replace(":", ".").rpartition(".")
    return module, attribute


def resolve(reference: str) -> Any:
    """What a reference leads to: of the project's own files where one is its module, else of a package.

    Raises ConfigError, one line, with the file and line of the project's own that failed.
    """
    module, attribute = parts_of(reference)
    code = current()
    own = code.holds(module)
    try:
        found = importlib.import_module(f"{_install(code)}.{module}" if own else module)
    except SyntaxError as error:
        where = f"{_shown(error.filename or '')}:{error.lineno}: " if own else ""
        raise ConfigError(f"{reference}: {where}{error.msg}") from None
    except Exception as error:  # noqa: BLE001 - whatever importing somebody's code raises
        raise ConfigError(f"{reference}: {said(error)}{_advice(code, module, error)}") from None
    if not hasattr(found, attribute):
        there = ", ".join(name for name in vars(found) if not name.startswith("_")) or "nothing"
        raise ConfigError(f"{reference}: module {module} has no {attribute!r}: there is {there[:300]}")
    return getattr(found, attribute)


def said(error: BaseException) -> str:
    """An error of somebody's code in one line, with where it was raised in the project's own files."""
    what = f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
    frames = traceback.extract_tb(error.__traceback__)
    own = [frame for frame in frames if frame.filename.startswith(PREFIX)]
    return f"{_shown(own[-1].filename)}:{own[-1].lineno}: {what}" if own else what


def problems(files: Mapping[str, str], references: Sequence[str]) -> list[str]:
    """What is wrong with a project's files and with references into them, none of them executed."""
    found: list[str] = []
    names: dict[str, set[str]] = {}
    for file, text in files.items():
        try:
            names[file.removesuffix(".py")] = _defined(ast.parse(text, file))
        except (SyntaxError, ValueError) as error:
            found.append(f"{file}:{getattr(error, 'lineno', None) or 1}: {getattr(error, 'msg', error)}")
    for reference in references:
        module, attribute = parts_of(reference)
        if module in names and attribute not in names[module] and "*" not in names[module]:
            there = ", ".join(sorted(name for name in names[module] if not name.startswith("_"))) or "nothing"
            found.append(f"{reference}: {module}.py defines no {attribute!r}: there is {there}")
    return found


def _defined(tree: ast.Module) -> set[str]:
    """Names that a module's top level may hold; ``*`` where it takes all of another's."""
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Import | ast.ImportFrom):
            found.update((alias.asname or alias.name).partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    return found


def _advice(code: ProjectCode, module: str, error: Exception) -> str:
    if not isinstance(error, ModuleNotFoundError):
        return ""
    missing = (error.name or "").partition(".")[0]
    if code.holds(missing):
        return f": of a file beside this one say `from . import {missing}`"
    if missing == module.partition(".")[0] and code.files:
        return f": the project's own files are {', '.join(sorted(code.files))}; no such package is installed"
    return ": no such package is installed"


def _install(code: ProjectCode) -> str:
    if not any(isinstance(each, _Finder) for each in sys.meta_path):
        sys.meta_path.append(_Finder())
    _installed[code.package] = code
    return code.package


def _shown(filename: str) -> str:
    return filename.rpartition("/")[2]


class _Finder(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Finds the packages of installed code, and loads their modules from text."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        package, _, module = fullname.partition(".")
        code = _installed.get(package)
        if code is None or (module and not code.holds(module)):
            return None
        spec = importlib.machinery.ModuleSpec(fullname, self, is_package=not module)
        spec.origin = self._file(fullname)
        spec.has_location = bool(module)  # tracebacks and warnings name the file
        return spec

    def is_package(self, fullname: str) -> bool:
        return "." not in fullname

    def get_source(self, fullname: str) -> str:
        package, _, module = fullname.partition(".")
        return _installed[package].files[f"{module}.py"] if module else ""

    def get_code(self, fullname: str) -> Any:
        return compile(self.get_source(fullname), self._file(fullname), "exec", dont_inherit=True)

    @staticmethod
    def _file(fullname: str) -> str:
        package, _, module = fullname.partition(".")
        return f"{package}/{module}.py" if module else package
