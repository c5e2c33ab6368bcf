"""scikit-learn's estimators in files without pickle."""

from pathlib import Path
from typing import Any

from mlcycle.errors import IntegrityError


def write(estimator: Any, path: Path) -> None:
    """Write a fitted estimator."""
    import skops.io

    path.write_bytes(skops.io.dumps(estimator))


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
