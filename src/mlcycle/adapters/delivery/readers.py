"""The readers there are, by format.

A new format is a file beside ``delimited.py``, a line in :data:`READERS` and its name in
``project.source.Format``.
"""

from collections.abc import Callable

from mlcycle.adapters.delivery.reader import Reader


def _csv() -> Reader:
    from mlcycle.adapters.delivery.delimited import Delimited

    return Delimited()


READERS: dict[str, Callable[[], Reader]] = {"csv": _csv}
