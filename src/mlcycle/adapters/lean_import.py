"""Libraries of others without what they load and a step never uses: a container pays for it at each start.

Nothing is put in the place of what is left out: it is loaded when it is first used, or it is an extra that
the library does without where it is not installed.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import LazyLoader
from types import ModuleType


class _Later(MetaPathFinder):
    """Finds these modules as Python does; they run when something in them is asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target) if name in self._names else None
        if spec is not None and spec.loader is not None:
            spec.loader = LazyLoader(spec.loader)
        return spec


class _Absent(MetaPathFinder):
    """Says of these packages that they are not installed."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name.partition(".")[0] in self._names:
            raise ModuleNotFoundError(f"{name} is left out of this import", name=name)
        return None


@contextmanager
def lean_import(*, later: Sequence[str] = (), absent: Sequence[str] = ()) -> Iterator[None]:
    """Import a library within this without some of the modules that it imports itself.

    Args:
        later: modules that are loaded at their first use. It must be imported as a module (``import altair
            as alt``, ``from scipy import stats``): a name out of it is a use.
        absent: packages that are not found meanwhile, for a library that takes them as extras. One that was
            loaded before is there all the same.
    """
    finders = [_Later(later), _Absent(absent)]
    sys.meta_path[:0] = finders
    try:
        yield
    finally:
        for finder in finders:
            sys.meta_path.remove(finder)
