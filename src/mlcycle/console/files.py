"""Project files as the console shows them: each read once for each time it changes.

Reading one takes some hundredths of a second, so that two hundred would hold a page up for seconds:
they are read behind the page, which shows what is known by then.
"""

import os
import time
from pathlib import Path
from threading import Event, Lock, Thread

from mlcycle.errors import MlcycleError
from mlcycle.project import Project
from mlcycle.project.file import find, load

Signature = tuple[tuple[str, int, int], ...]
Read = Project | str  # a project, or what is wrong with its file


class ProjectFiles:
    """What is known of the files below folders of projects."""

    def __init__(self) -> None:
        self._known: dict[Path, tuple[Signature, Read]] = {}
        self._lock = Lock()
        self._reading: dict[Path, Event] = {}

    def all(self, folder: Path, seconds: float = 0.15) -> dict[str, Read | None]:
        """Every project by name; None where its file is still being read after so many seconds."""
        paths = find(folder)
        found = {name: self._current(path) for name, path in paths.items()}
        if late := [path for name, path in paths.items() if found[name] is None]:
            self._read_behind(folder, late).wait(seconds)
            found = {name: read or self._current(paths[name]) for name, read in found.items()}
        return found

    def one(self, folder: Path, name: str) -> Read | None:
        """The project of this name, or None where there is none."""
        path = find(folder).get(name)
        if path is None:
            return None
        return self._current(path) or self._read(path)

    def _current(self, path: Path) -> Read | None:
        signature, read = self._known.get(path, ((), None))
        return read if read is not None and signature == _signature(path) else None

    def _read(self, path: Path) -> Read:
        signature = _signature(path)
        try:
            read: Read = load(path)
        except MlcycleError as error:
            read = error.message
        self._known[path] = (signature, read)
        return read

    def _read_behind(self, folder: Path, paths: list[Path]) -> Event:
        """Read what is not known, in one thread for a folder; the event tells that it is done."""
        with self._lock:
            if folder in self._reading:
                return self._reading[folder]
            done = self._reading[folder] = Event()

        def work() -> None:
            try:
                for path in paths:
                    began = time.monotonic()
                    self._read(path)
                    time.sleep(time.monotonic() - began)  # half of the time is for those who look at pages
            finally:
                with self._lock:
                    del self._reading[folder]
                done.set()

        Thread(target=work, name="mlcycle-console-files", daemon=True).start()
        return done


def _signature(path: Path) -> Signature:
    """Changes with the project's file, and the SQL and Python beside it."""
    found = []
    try:
        with os.scandir(path.parent) as entries:
            for entry in entries:
                if entry.name.endswith((".yaml", ".sql", ".py")):
                    stat = entry.stat()
                    found.append((entry.name, stat.st_mtime_ns, stat.st_size))
    except OSError:  # it goes away in this moment
        return ()
    return tuple(sorted(found))
