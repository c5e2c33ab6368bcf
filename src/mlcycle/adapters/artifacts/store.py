"""The artifact store: any fsspec URL. Objects are written whole or not at all, and read by digest."""

import hashlib
import os
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from mlcycle.contract import Output
from mlcycle.errors import ConfigError, InputError, IntegrityError, OutOfSpace, Unavailable

CHUNK = 1 << 20


def sha256_file(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


@dataclass(frozen=True)
class Stored:
    """An object in the store. ``modified`` is None where the store does not tell."""

    path: str
    bytes: int
    modified: datetime | None


class ArtifactStore:
    """Objects below one URL. Paths are relative, with ``/`` between their parts."""

    def __init__(self, url: str) -> None:
        import fsspec

        try:
            self._fs, self._root = fsspec.core.url_to_fs(url)
        except (ValueError, ImportError) as error:
            raise ConfigError(f"MLCYCLE_ARTIFACTS_URL {url!r}: {error}") from None
        self._url = url.rstrip("/")
        self._local = "file" in self._fs.protocol
        self._failures = _failures()

    def put(self, path: str, data: bytes) -> Output:
        """Store bytes under a path, atomically; an object there is replaced."""
        target = self._full(path)
        try:
            if self._local:  # a rename is atomic, a plain write is not
                staged = f"{target}.{uuid.uuid4().hex}.part"
                self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
                try:
                    self._fs.pipe_file(staged, data)
                    Path(staged).replace(target)
                except BaseException:
                    Path(staged).unlink(missing_ok=True)
                    raise
            else:  # an object store shows an upload when it is complete
                self._fs.pipe_file(target, data)
        except self._failures as error:
            raise _storage_error(error, f"{self._url}/{path}") from error
        return Output(uri=self.uri(path), digest=hashlib.sha256(data).hexdigest(), bytes=len(data))

    def put_file(self, path: str, source: Path) -> Output:
        """Store a local file under a path, atomically, in bounded memory."""
        target = self._full(path)
        try:
            if self._local:
                staged = f"{target}.{uuid.uuid4().hex}.part"
                self._fs.makedirs(target.rsplit("/", 1)[0], exist_ok=True)
                try:
                    self._fs.put_file(str(source), staged)
                    Path(staged).replace(target)
                except BaseException:
                    Path(staged).unlink(missing_ok=True)
                    raise
            else:
                self._fs.put_file(str(source), target)
        except self._failures as error:
            raise _storage_error(error, f"{self._url}/{path}") from error
        return Output(uri=self.uri(path), digest=sha256_file(source), bytes=source.stat().st_size)

    def get(self, output: Output) -> bytes:
        """Bytes of an output, checked. Raises InputError if absent, IntegrityError if changed."""
        try:
            data: bytes = self._fs.cat_file(self._inside(output.uri))
        except FileNotFoundError:
            raise InputError(f"{output.uri} is not in the artifact store") from None
        except self._failures as error:
            raise _storage_error(error, output.uri) from error
        found = hashlib.sha256(data).hexdigest()
        if found != output.digest:
            raise IntegrityError(f"{output.uri} has digest {found[:12]}, expected {output.digest[:12]}")
        return data

    def get_file(self, output: Output, target: Path) -> Path:
        """Fetch an output into a local file, checked, in bounded memory. Raises as ``get`` does."""
        try:
            self._fs.get_file(self._inside(output.uri), str(target))
        except FileNotFoundError:
            raise InputError(f"{output.uri} is not in the artifact store") from None
        except self._failures as error:
            raise _storage_error(error, output.uri) from error
        if (found := sha256_file(target)) != output.digest:
            raise IntegrityError(f"{output.uri} has digest {found[:12]}, expected {output.digest[:12]}")
        return target

    def exists(self, path: str) -> bool:
        """Whether an object is stored under this path."""
        target = self._full(path)
        try:
            return bool(self._fs.exists(target))
        except self._failures as error:
            raise _storage_error(error, f"{self._url}/{path}") from error

    def read(self, path: str) -> bytes:
        """Bytes under a path, unchecked: for pages people look at. Raises InputError if absent."""
        try:
            data: bytes = self._fs.cat_file(self._full(path))
        except (FileNotFoundError, IsADirectoryError):
            raise InputError(f"{path} is not in the artifact store") from None
        except self._failures as error:
            raise _storage_error(error, f"{self._url}/{path}") from error
        return data

    def folders(self, path: str) -> list[str]:
        """Names of the folders right below a path, in order; none where it is not there."""
        found = (info["name"] for info in self._list(path) if info["type"] == "directory")
        return sorted(name.rstrip("/").rsplit("/", 1)[-1] for name in found)

    def walk(self, path: str) -> Iterator[Stored]:
        """Every object below a path, a folder at a time: memory is bounded by the largest folder.

        One request for each folder (and each 1,000 objects in it) of an object store.
        """
        entries = sorted(self._list(path), key=lambda info: str(info["name"]))
        for info in entries:
            name = str(info["name"]).rstrip("/").rsplit("/", 1)[-1]
            if info["type"] == "directory":
                yield from self.walk(f"{path}/{name}")
            elif name:
                yield Stored(f"{path}/{name}", int(info.get("size") or 0), _modified(info))

    def remove(self, path: str, *, unless_since: datetime | None = None) -> bool:
        """Remove an object; whether it was there.

        With ``unless_since`` one that was written again by then stays, where the store is a local folder.
        """
        target = self._full(path)
        try:
            if self._local:
                file = Path(target)
                moment = datetime.fromtimestamp(file.stat().st_mtime, UTC)
                if unless_since is not None and moment >= unless_since:
                    return False
                file.unlink()
            else:
                self._fs.rm_file(target)
        except FileNotFoundError:
            return False
        except self._failures as error:
            raise _storage_error(error, f"{self._url}/{path}") from error
        return True

    def remove_empty_folders(self, path: str, before: datetime) -> None:
        """Remove folders below a path that hold nothing and have not changed since; local stores alone."""
        if not self._local:
            return
        for folder, _, _ in os.walk(self._full(path), topdown=False):
            try:
                if Path(folder).stat().st_mtime < before.timestamp():
                    Path(folder).rmdir()
            except OSError:  # not empty, or gone
                continue

    def _list(self, path: str) -> list[dict[str, Any]]:
        target = self._full(path)
        self._fs.invalidate_cache(target)  # an object store's listing is kept otherwise, and grows
        try:
            found: list[dict[str, Any]] = self._fs.ls(target, detail=True)
        except (FileNotFoundError, NotADirectoryError):
            return []
        except self._failures as error:
            raise _storage_error(error, f"{self._url}/{path}") from error
        finally:
            self._fs.invalidate_cache(target)
        return [info for info in found if str(info["name"]).rstrip("/") != target.rstrip("/")]

    def uri(self, path: str) -> str:
        """The URI of a path in this store."""
        return f"{self._url}/{path}"

    def path(self, uri: str) -> str:
        """The path of a URI of this store; the reverse of ``uri``. Raises InputError if foreign."""
        prefix = self._url + "/"
        if not uri.startswith(prefix):
            raise InputError(f"{uri} is not in the artifact store {self._url}")
        return uri.removeprefix(prefix)

    def _inside(self, uri: str) -> str:
        return self._full(self.path(uri))

    def _full(self, path: str) -> str:
        parts = path.split("/")
        if not path or any(part in ("", ".", "..") for part in parts) or "\\" in path or "\0" in path:
            raise InputError(f"{path!r} is not a path inside the artifact store")
        return f"{self._root.rstrip('/')}/{path}"


def _modified(info: dict[str, Any]) -> datetime | None:
    """When an object was written, as the kinds of fsspec file systems tell it."""
    for key in ("LastModified", "last_modified", "mtime", "updated", "created"):
        value = info.get(key)
        if isinstance(value, int | float):
            return datetime.fromtimestamp(value, UTC)
        if isinstance(value, str):
            value = datetime.fromisoformat(value)
        if isinstance(value, datetime):
            return value if value.tzinfo else value.replace(tzinfo=UTC)
    return None


def _failures() -> tuple[type[Exception], ...]:
    """What a store raises that does not answer: the libraries below fsspec have kinds of their own.

    Those of them that are loaded: once there is a file system, its own is.
    """
    kinds = (
        ("botocore.exceptions", "BotoCoreError"),
        ("aiohttp", "ClientError"),
        ("gcsfs.retry", "HttpError"),
        ("azure.core.exceptions", "AzureError"),
    )
    loaded = ((sys.modules[module], name) for module, name in kinds if module in sys.modules)
    return OSError, *(getattr(module, name, OSError) for module, name in loaded)


def _storage_error(error: Exception, what: str) -> Exception:
    import errno

    if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT):
        return OutOfSpace(f"no room left to store {what}; free space and retry, nothing was published")
    reason: Any = getattr(error, "strerror", None) or error
    return Unavailable(f"{what}: {reason}")
