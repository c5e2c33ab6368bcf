"""``mlcycle new`` at the command line: what it says, what it asks, what it refuses in a line."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlcycle.cli import app
from mlcycle.errors import MlcycleError
from mlcycle.project.file import load
from tests import shapes


def new(tmp_path: Path, *more: str, name: str = "mine", source: str = "") -> tuple[int, str]:
    projects = ("--projects", str(tmp_path / "projects"))
    done = CliRunner().invoke(
        app, ["new", name, "--from", source or str(tmp_path / "rows.csv"), *projects, *more]
    )
    if isinstance(done.exception, MlcycleError):
        return 1, done.exception.message
    return done.exit_code, done.output


@pytest.fixture
def rows(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    path.write_bytes(shapes.no_time().data)
    return path


def test_it_says_what_it_concluded_and_what_to_type_next(tmp_path: Path, rows: Path) -> None:
    code, said = new(tmp_path, "--yes")
    assert code == 0, said
    assert "1600 rows, 4 columns" in said
    assert "? time: no column holds one: rows are dealt at random over 60 days" in said
    assert "label: Exited: it is called 'Exited'; two classes" in said
    assert "mlcycle run mine ingest --first 2000-01-01 --partition 2000-02-29" in said
    assert "mlcycle run mine promote --partition 2000-02-29" in said
    text = (tmp_path / "projects/mine/project.yaml").read_text()
    assert "# Not sure, look at it: time" in text
    assert max(map(len, text.splitlines())) < 160
    assert [path.name for path in (tmp_path / "projects").iterdir()] == ["mine"]


def test_it_asks_where_it_cannot_know_and_writes_nothing_without_an_answer(
    tmp_path: Path, rows: Path
) -> None:
    code, said = new(tmp_path)
    assert code != 0
    assert "nothing was written" in said
    assert not (tmp_path / "projects").exists()


def test_without_a_platform_nothing_is_written_that_should_be_run(tmp_path: Path, rows: Path) -> None:
    code, said = new(tmp_path, "--yes", "--run", "--state", str(tmp_path / "none"))
    assert code != 0
    assert "there is no platform in" in said
    assert not (tmp_path / "projects").exists()


def test_what_is_told_goes_before_what_is_proposed(tmp_path: Path, rows: Path) -> None:
    assert new(tmp_path, "--yes", "--label", "spent")[0] == 0
    project = load(tmp_path / "projects/mine/project.yaml")
    assert (project.label.column, project.label.task) == ("spent", "regression")


@pytest.mark.parametrize(
    ("more", "content", "told"),
    [
        (("--label", "nobody"), None, "--label 'nobody' is no column: there are plan, months, spent, Exited"),
        (("--columns", "a,b"), None, "--columns names 2, and the lines of"),
        ((), b"", "is empty: there is nothing to learn from"),
        ((), b"a,b\n1,2\n3,4\n", "has 2 rows: a model is learnt and judged on 60 at least"),
        ((), b"\x00\x01\x02\n" * 100, "NUL byte"),
        ((), b"one\n" * 100, "no column can be a label"),
        (("--zone", "Mars/Olympus"), None, "--zone 'Mars/Olympus' is none of the IANA database"),
    ],
    ids=["label", "columns", "empty", "short", "bytes", "nothing to learn", "zone"],
)
def test_what_cannot_be_is_one_line(
    tmp_path: Path, rows: Path, more: tuple[str, ...], content: bytes | None, told: str
) -> None:
    if content is not None:
        rows.write_bytes(content)
    code, said = new(tmp_path, "--yes", *more)
    assert code != 0
    assert told in said
    assert not (tmp_path / "projects/mine").exists()


def test_a_name_a_folder_and_what_is_there_already(tmp_path: Path, rows: Path) -> None:
    assert "is no name for a project" in new(tmp_path, name="Mine!")[1]
    assert "is no file and no folder" in new(tmp_path, source=str(tmp_path / "nowhere"))[1]
    assert new(tmp_path, "--yes", source=str(tmp_path))[0] == 0  # a folder with one file
    assert "is there already" in new(tmp_path, "--yes")[1]
    (tmp_path / "other.csv").write_bytes(rows.read_bytes())
    assert "has 2 files (other.csv, rows.csv ...)" in new(tmp_path, name="two", source=str(tmp_path))[1]


@pytest.fixture
def web(tmp_path: Path, rows: Path) -> Iterator[str]:
    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    server.server_close()


def test_a_file_of_the_web_is_kept_beside_the_projects(tmp_path: Path, web: str) -> None:
    assert new(tmp_path, "--yes", source=f"{web}/rows.csv")[0] == 0
    kept = tmp_path / "data/mine/rows.csv"
    assert load(tmp_path / "projects/mine/project.yaml").source.url == f"file://{kept.parent}"
    assert kept.read_bytes() == shapes.no_time().data
    assert "404" in new(tmp_path, "--yes", name="gone", source=f"{web}/gone.csv")[1]
