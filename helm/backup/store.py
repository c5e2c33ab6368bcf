"""In the pod of the trial's store: its bucket as a tar to standard output (save), or out of one (restore)."""

import io
import sys
import tarfile
import urllib.error
from collections.abc import Iterator
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen
from xml.etree import ElementTree

BUCKET = "http://127.0.0.1:5000/mlcycle"
#: It takes any credentials, but not none; a body of the type that urllib names is a form to it, and dropped.
HEADERS = {
    "Authorization": "AWS4-HMAC-SHA256 Credential=any/20260101/us-east-1/s3/aws4_request",
    "Content-Type": "application/octet-stream",
}
WORDS = "{http://s3.amazonaws.com/doc/2006-03-01/}"


def asked(path: str, data: bytes | None = None) -> bytes:
    """What the store answers; data is put."""
    request = Request(BUCKET + path, data, HEADERS, method="GET" if data is None else "PUT")  # noqa: S310
    with urlopen(request, timeout=60) as answer:  # noqa: S310
        return bytes(answer.read())


def keys() -> Iterator[str]:
    """Of every object, a page at a time."""
    more = ""
    while True:
        query = {"list-type": "2", **({"continuation-token": more} if more else {})}
        page = ElementTree.fromstring(asked(f"?{urlencode(query)}"))  # noqa: S314 - our own
        yield from (str(found.text) for found in page.iter(f"{WORDS}Key"))
        more = page.findtext(f"{WORDS}NextContinuationToken") or ""
        if not more:
            return


def save() -> None:
    """Each object as a file of its name."""
    with tarfile.open(fileobj=sys.stdout.buffer, mode="w|") as tar:
        for key in keys():
            try:
                data = asked(f"/{quote(key)}")
            except urllib.error.HTTPError as error:
                if error.code != 404:
                    raise
                continue  # a step's request, done meanwhile
            entry = tarfile.TarInfo(key)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))


def restore() -> None:
    """Each file as an object of its name."""
    with tarfile.open(fileobj=sys.stdin.buffer, mode="r|") as tar:
        for entry in tar:
            content = tar.extractfile(entry)
            if content is not None:
                asked(f"/{quote(entry.name)}", content.read())


if __name__ == "__main__":
    {"save": save, "restore": restore}[sys.argv[1]]()
