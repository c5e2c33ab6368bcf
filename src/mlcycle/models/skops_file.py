"""scikit-learn's estimators in files without pickle."""

import io
import re
import zipfile
from pathlib import Path
from typing import Any

from mlcycle.errors import IntegrityError

_SCHEMA = "schema.json"
_MOMENT = (1980, 1, 1, 0, 0, 0)


def write(estimator: Any, path: Path) -> None:
    """Write a fitted estimator. The same one gives the same bytes, whichever process writes it."""
    import skops.io

    path.write_bytes(_normal(skops.io.dumps(estimator)))


def _normal(written: bytes) -> bytes:
    """The same archive without what each process has of its own.

    skops 0.16 names objects and their files by addresses in memory, and dates files by the clock: here they
    are numbered in the order in which they are told of, and of one moment.
    """
    numbers: dict[str, str] = {}

    def number(found: re.Match[str]) -> str:
        return found[1] + numbers.setdefault(found[2], str(len(numbers)))

    with zipfile.ZipFile(io.BytesIO(written)) as archive:
        schema = archive.read(_SCHEMA).decode()
        # Texts of an estimator are JSON within JSON, their quotes escaped: they do not match.
        schema = re.sub(r'(?<!\\)("__id__": )([0-9]+)', number, schema)
        schema = re.sub(r'(?<!\\)("file": ")([0-9]+)(?=\.)', number, schema)
        files = {
            _renamed(name, numbers): archive.read(name) for name in archive.namelist() if name != _SCHEMA
        }
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in sorted(files.items()):
            archive.writestr(zipfile.ZipInfo(name, _MOMENT), data)
        archive.writestr(zipfile.ZipInfo(_SCHEMA, _MOMENT), schema)
    return out.getvalue()


def _renamed(name: str, numbers: dict[str, str]) -> str:
    stem, dot, ending = name.partition(".")
    return numbers.get(stem, stem) + dot + ending


def types(path: Path) -> list[str]:
    """Types a file holds that skops does not trust by itself. Raises IntegrityError for no file of its."""
    import skops.io

    try:
        return sorted(skops.io.get_untrusted_types(file=path))
    except Exception as error:  # noqa: BLE001 - skops, zip and JSON each raise their own kinds
        raise IntegrityError(f"{path} is not a file of skops: {error}") from None


def read(path: Path, trusted: tuple[str, ...], what: str) -> Any:
    """Read what ``write`` wrote. Raises IntegrityError for a file that holds any type out of ``trusted``.

    Args:
        path: of the file.
        trusted: all types it may hold beside those that skops itself trusts.
        what: the kind of model it should be, for people.
    """
    import skops.io

    try:
        foreign = set(skops.io.get_untrusted_types(file=path)) - set(trusted)
        if foreign:
            raise IntegrityError(f"{path} holds {', '.join(sorted(foreign))}, which no {what} model has")
        return skops.io.load(path, trusted=list(trusted))
    except IntegrityError:
        raise
    except Exception as error:  # noqa: BLE001 - skops, zip and JSON each raise their own kinds for a broken file
        raise IntegrityError(f"{path} is not a {what} model: {error}") from None
