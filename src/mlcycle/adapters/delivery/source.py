"""Fetching deliveries from a source: any fsspec URL, streamed, in bounded memory and time.

Nothing is decompressed on the way: what is counted against ``max_bytes`` is what is staged.
"""

import errno
import hashlib
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from mlcycle.adapters.delivery.places import allowed_source
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError, DataRejected, MlcycleError, Unavailable
from mlcycle.project import Source, Table
from mlcycle.settings import Settings

CHUNK = 1 << 18
IN_MEMORY = 4 << 20  # larger deliveries are staged in a file
SLOWEST = 1024  # bytes a second, once the time-out has passed


class NotDelivered(Unavailable):
    """The source answers, and the delivery is not there."""


@dataclass(frozen=True)
class Fetched:
    """One delivery as it came: its digest, and its bytes or the file that holds them."""

    digest: str
    size: int
    data: bytes | None
    file: Path | None
    offset: int | None = None  # of its last event, where it comes out of a queue


class SourceFiles:
    """The files of one project's source."""

    def __init__(self, source: Source, settings: Settings, scratch: Path) -> None:
        import fsspec

        self._url, self._places = allowed_source(source.url, settings)
        self._format = source.format
        self._timeout = settings.timeout
        self._scratch = scratch
        self._http = self._url.startswith(("http://", "https://"))
        try:
            self._fs = fsspec.filesystem(self._url.partition("://")[0], **self._options())
        except (ValueError, ImportError) as error:
            raise ConfigError(f"source.url {self._url!r}: {error}") from None

    def fetch(self, name: str, table: Table, partition: Partition) -> Fetched:
        """Fetch the delivery of one partition of a table.

        Raises NotDelivered where it is not there, Unavailable where the source does not answer,
        DataRejected where it is larger than the table's ``max_bytes``.
        """
        place = table.place(name, partition, self._format)
        return self._fetch(f"{self._url}/{place}", f"{name} of {partition.key}", table.max_bytes)

    def fetch_all(self, name: str, table: Table) -> Iterator[Fetched]:
        """Fetch the files that hold many partitions of a table, one after the other. Raises as ``fetch``."""
        assert table.file is not None
        for url in self._matching(table.file):
            yield self._fetch(url, name, table.max_bytes)

    def fetch_place(self, place: str, max_bytes: int) -> bytes:
        """Fetch a file that a row names, below the source's URL.

        Raises NotDelivered where it is not there, DataRejected where it is too large or leads elsewhere,
        Unavailable where the source does not answer.
        """
        if (
            "://" in place
            or place.startswith("/")
            or {"..", ""} & set(place.split("/"))
            or set("?#*[") & set(place)
        ):
            raise DataRejected(f"{place[:100]!r} is no place below source.url")
        fetched = self._fetch(f"{self._url}/{place}", place, max_bytes)
        if fetched.data is not None:
            return fetched.data
        assert fetched.file is not None
        try:
            return fetched.file.read_bytes()
        finally:
            fetched.file.unlink()

    def _matching(self, pattern: str) -> list[str]:
        url = f"{self._url}/{pattern}"
        if not set("*?[") & set(pattern):
            return [url]
        if self._http:
            raise ConfigError(f"file {pattern!r}: a web server lists no files; name one")
        try:
            found = sorted(self._fs.unstrip_protocol(path) for path in self._fs.glob(url))
        except Exception as error:
            raise self._translated(error, url) from error
        if not found:
            raise NotDelivered(f"nothing is delivered yet: no file like {url} is there")
        return found

    def _fetch(self, url: str, what: str, max_bytes: int) -> Fetched:
        try:
            with self._open(url) as stream:
                return self._read(stream, url, max_bytes)
        except FileNotFoundError:
            raise NotDelivered(f"{what} is not delivered yet: {url} is not there") from None
        except (PermissionError, IsADirectoryError) as error:
            raise ConfigError(f"{url}: {error.strerror or error}; check the source's access") from None
        except MlcycleError:
            raise
        except Exception as error:
            if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise  # our own disk, not the source
            raise self._translated(error, url) from error

    def _options(self) -> dict[str, Any]:
        if not self._http:
            return {}
        import aiohttp

        timeout = aiohttp.ClientTimeout(total=None, sock_connect=self._timeout, sock_read=self._timeout)
        return {
            "client_kwargs": {
                "timeout": timeout,
                "headers": {"Accept-Encoding": "identity"},
                "trace_configs": [self._places.on_redirect()],
            },
            "skip_instance_cache": True,
        }

    def _open(self, url: str) -> IO[bytes]:
        if self._http:
            # block_size 0 streams; a size spares the probe that would take any error for "not found"
            stream: IO[bytes] = self._fs.open(url, "rb", block_size=0, size=1)
        else:
            if url.startswith("file://"):
                self._places.check_file(url.removeprefix("file://"))
            stream = self._fs.open(url, "rb")
        return stream

    def _read(self, stream: IO[bytes], url: str, max_bytes: int) -> Fetched:
        digest, size, started = hashlib.sha256(), 0, time.monotonic()
        chunks: list[bytes] = []
        spilled: Any = None
        try:
            while chunk := stream.read(CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise DataRejected(
                        f"{url} is larger than {max_bytes} bytes, the table's max_bytes: nothing was staged"
                    )
                late = time.monotonic() - started - self._timeout
                if late > 0 and size < late * SLOWEST:
                    raise Unavailable(f"{url} comes at less than {SLOWEST} bytes a second: given up")
                digest.update(chunk)
                if spilled is None and size > IN_MEMORY:
                    spilled = (self._scratch / f"{uuid.uuid4().hex}.{self._format}").open("wb")
                    spilled.writelines(chunks)
                    chunks.clear()
                if spilled is None:
                    chunks.append(chunk)
                else:
                    spilled.write(chunk)
        except BaseException:
            if spilled is not None:
                Path(spilled.name).unlink()
            raise
        finally:
            if spilled is not None:
                spilled.close()
        file = Path(spilled.name) if spilled is not None else None
        return Fetched(digest.hexdigest(), size, None if file else b"".join(chunks), file)

    def _translated(self, error: Exception, url: str) -> MlcycleError:
        status = getattr(error, "status", None)
        if status in (401, 403):
            return ConfigError(f"{url}: the source refuses access ({status})")
        if isinstance(error, TimeoutError):
            return Unavailable(f"{url}: no answer within {self._timeout:g} s; it will be tried again")
        reason = " ".join(str(error).split()) or type(error).__name__
        return Unavailable(f"the source does not answer: {url}: {reason}; it will be tried again")
