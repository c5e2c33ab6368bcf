"""Where trainings keep their state between tries: a folder for each work."""

import errno
import os
import shutil
import tempfile
import time
from contextlib import suppress
from pathlib import Path

from mlcycle.errors import ConfigError
from mlcycle.settings import CHECKPOINTS, Settings, scratch_base

FORGOTTEN = 7 * 86_400.0  # seconds after which a checkpoint is nobody's
#: What a volume says that is not there, or that the step's user may not write to.
CLOSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EEXIST)


def folder_of(settings: Settings, work: str) -> Path:
    """The folder that all attempts of a work share, below the settings' folder of checkpoints, else of
    scratch: where that outlives an attempt, its checkpoint does. Those a week old are removed.

    Args:
        settings: of the step.
        work: the work, as a word that may name a folder.

    Raises:
        ConfigError: if the settings' folder of checkpoints cannot be written to.
    """
    given = settings.checkpoints
    try:
        return _made(scratch_base(given or settings.scratch) or Path(tempfile.gettempdir()), work)
    except OSError as error:
        if given is None or error.errno not in CLOSED:
            raise
        raise ConfigError(
            f"MLCYCLE_CHECKPOINTS={given}: nothing can be kept there ({error.strerror}); it must be a "
            "volume that the step's user may write to"
        ) from None


def _made(base: Path, work: str) -> Path:
    base = base / f"{CHECKPOINTS}{os.getuid()}"
    base.mkdir(mode=0o700, exist_ok=True)
    for old in base.iterdir():
        with suppress(FileNotFoundError):  # another training has just ended and removed its own
            if time.time() - old.stat().st_mtime > FORGOTTEN:
                shutil.rmtree(old, ignore_errors=True)
    folder = base / work
    folder.mkdir(exist_ok=True)
    os.utime(folder)
    return folder
