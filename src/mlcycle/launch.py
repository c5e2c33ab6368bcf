"""``python -m mlcycle.launch MODULE ARGUMENT...``: a service's program, its secrets out of files, with a
patient collector.

Secrets of a container are files of the folders ``$MLCYCLE_SECRETS_FOLDER`` (with colons between), each named
for the variable that the program reads it from: so compose mounts them, and Kubernetes a Secret. ``docker
inspect`` and a pod's description then show none. A variable that is set already stays.

``MLCYCLE_AIRFLOW_PASSWORDS``, a JSON object of Airflow's users, becomes the file that its simple login
manager wants to be able to write (3.3.2), which no mounted secret is: the one that Airflow's own setting
names, else a temporary one.

The first process of a container is spared every signal that it does not ask for: asked to end by a program
that does not ask, it would be killed only after the whole grace. So SIGTERM ends it, until the program asks.

Airflow, MLflow and Evidently make hundreds of thousands of objects while they start, and hardly any
garbage: with Python's defaults the cyclic collector takes a quarter of their start. A task is a fork
of the scheduler: its collector would look at, and so copy, every page of what it inherited.

This file needs nothing but Python: the images of MLflow and Evidently hold it alone.
"""

import gc
import os
import re
import runpy
import signal
import sys
import tempfile
from pathlib import Path

THRESHOLD = (100_000, 20, 50)  # new objects, collections of the young, collections of the middle
VARIABLE = re.compile(r"[A-Z][A-Z0-9_]*")
PASSWORDS, PASSWORDS_FILE = "MLCYCLE_AIRFLOW_PASSWORDS", "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"


def read_secrets(folder: Path) -> dict[str, str]:
    """The content of each file that is named as a variable. Raises OSError and UnicodeDecodeError."""
    files = [path for path in sorted(folder.iterdir()) if VARIABLE.fullmatch(path.name) and path.is_file()]
    return {path.name: path.read_text(encoding="utf-8").rstrip("\r\n") for path in files}


def take_secrets(folder: Path) -> None:
    """Set each variable that a file of the folder is named for, unless it is set."""
    for name, value in (read_secrets(folder) if folder.is_dir() else {}).items():
        os.environ.setdefault(name, value)


def write_passwords(people: str) -> None:
    """Put Airflow's passwords into a file of this user's alone, and say where it is. Raises OSError."""
    named = os.environ.get(PASSWORDS_FILE)
    folder = str(Path(named).parent) if named else None
    file, path = tempfile.mkstemp(prefix="passwords-", suffix=".json", dir=folder)
    with os.fdopen(file, "w", encoding="utf-8") as opened:
        opened.write(people)
    os.environ[PASSWORDS_FILE] = os.fspath(Path(path).replace(named)) if named else path


def end_when_asked() -> None:
    """Let SIGTERM end this process even where it is the first of its container."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(128 + signal.SIGTERM))


def main() -> None:
    """Run the module as ``python -m`` would."""
    if os.getpid() == 1:
        end_when_asked()
    for folder in filter(None, os.environ.get("MLCYCLE_SECRETS_FOLDER", "").split(":")):
        try:
            take_secrets(Path(folder))
        except (OSError, ValueError) as error:
            sys.exit(f"secrets cannot be read from {folder}: {error}")
    if people := os.environ.pop(PASSWORDS, ""):
        try:
            write_passwords(people)
        except OSError as error:
            sys.exit(f"{PASSWORDS} cannot be written for Airflow ({PASSWORDS_FILE}): {error}")
    gc.set_threshold(*THRESHOLD)
    os.register_at_fork(after_in_child=gc.freeze)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
