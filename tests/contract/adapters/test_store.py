"""An artifact store that does not answer: an error that passes, whatever its library calls it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Output
from mlcycle.errors import InputError, Unavailable

OUTPUT = Output(uri="s3://bucket/here/a", digest="0" * 64)


@pytest.fixture
def away(monkeypatch: pytest.MonkeyPatch) -> ArtifactStore:
    """An object store behind a port where nobody listens."""
    for name, value in {
        "AWS_ENDPOINT_URL": "http://127.0.0.1:1",
        "AWS_ACCESS_KEY_ID": "me",
        "AWS_SECRET_ACCESS_KEY": "hush",
        "AWS_MAX_ATTEMPTS": "1",
    }.items():
        monkeypatch.setenv(name, value)
    return ArtifactStore("s3://bucket/here")


@pytest.mark.parametrize(
    "ask",
    [
        lambda store, file: store.put("a", b"data"),
        lambda store, file: store.put_file("a", file),
        lambda store, file: store.get(OUTPUT),
        lambda store, file: store.get_file(OUTPUT, file),
        lambda store, file: store.exists("a"),
        lambda store, file: store.read("a"),
        lambda store, file: store.folders("a"),
        lambda store, file: store.remove("a"),
    ],
    ids=["put", "put a file", "get", "get a file", "exists", "read", "folders", "remove"],
)
def test_an_object_store_that_is_away_is_tried_again(
    ask: Callable[[ArtifactStore, Path], object], away: ArtifactStore, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"data")
    with pytest.raises(Unavailable, match="connect to the endpoint") as caught:
        ask(away, file)
    assert "hush" not in caught.value.message


def test_a_folder_is_no_object(tmp_path: Path) -> None:
    store = ArtifactStore(f"file://{tmp_path}")
    store.put("reports/flights/page.html", b"")
    with pytest.raises(InputError, match="is not in the artifact store"):
        store.read("reports/flights")
