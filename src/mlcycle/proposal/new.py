"""``mlcycle new``: from a file that nobody has described to a project that runs."""

import tempfile
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from mlcycle.errors import ConfigError, InputError, Unavailable
from mlcycle.project.part import NAME
from mlcycle.proposal import from_database
from mlcycle.proposal.draft import Draft, draft
from mlcycle.proposal.look import look
from mlcycle.proposal.write import write

FETCHED = "data"  # folder beside the projects for files that were fetched
MOST = 1 << 28  # bytes of a file that is fetched
READABLE = (
    ".csv",
    ".tsv",
    ".txt",
    ".dat",
    ".data",
    ".jsonl",
    ".ndjson",
    ".json",
    ".parquet",
    ".orc",
    ".gz",
    ".zst",
)


def new(
    name: str,
    source: str,
    projects: Path,
    *,
    table: str | None,
    columns: list[str] | None,
    label: str | None,
    zone: str,
    ask: Callable[[str], bool],
    say: Callable[[str], None],
) -> tuple[Path, Draft]:
    """Look at a source, say what was concluded, and write a project for it.

    Args:
        name: of the project.
        source: a file, a folder with one, an http address, or a database.
        projects: the folder of projects.
        table: of a database.
        columns: names, for a file without header.
        label: the column to be predicted; None: proposed.
        zone: of times that name none.
        ask: whether to go on with what is not sure; the question names it.
        say: tells a conclusion.

    Returns the folder and what was drafted. Raises InputError, one line, where nothing was written.
    """
    if not NAME.fullmatch(name) or "__" in name:
        raise InputError(f"{name!r} is no name for a project: lower case letters, digits and _, 30 at most")
    if (projects / name).exists():
        raise InputError(f"{projects / name} is there already: remove it, or choose another name")
    try:
        ZoneInfo(zone)
    except (KeyError, OSError, ValueError):
        raise InputError(
            f"--zone {zone!r} is none of the IANA database: write it like Europe/Berlin"
        ) from None
    found = _drafted(name, source, projects, table, columns, label, zone)
    for said in found.said:
        say(f"{'  ' if said.sure else '? '}{said.what}: {said.why}")
    unsure = [said for said in found.said if not said.sure]
    if unsure and not ask(f"Not sure of {', '.join(said.what for said in unsure)}. Write the project so?"):
        raise InputError(
            "nothing was written: tell --label, --columns or --zone, or edit the draft afterwards"
        )
    return write(found, projects), found


def _drafted(
    name: str,
    source: str,
    projects: Path,
    table: str | None,
    columns: list[str] | None,
    label: str | None,
    zone: str,
) -> Draft:
    if from_database.is_one(source):
        with tempfile.TemporaryDirectory(prefix="mlcycle-new-") as folder:
            file = Path(folder) / "rows.parquet"
            origin = from_database.sampled(name, source, table, file)
            return draft(look(name, file, columns, label, zone, origin))
    if table is not None:
        raise InputError(f"--table is of a database: {source} is none, like postgresql://user@host/database")
    path = _fetched(source, projects, name) if "://" in source else _file(Path(source))
    return draft(look(name, path, columns, label, zone))


def _file(path: Path) -> Path:
    """The file to look at. Raises InputError where there is none, or several."""
    if path.is_file():
        return path
    if not path.is_dir():
        raise InputError(f"{path} is no file and no folder")
    files = sorted(each for each in path.iterdir() if each.is_file() and each.suffix.lower() in READABLE)
    if not files:
        raise InputError(f"{path} has no file that could be read: CSV, JSON lines, Parquet or ORC")
    if len(files) > 1:
        names = ", ".join(each.name for each in files[:5])
        raise InputError(
            f"{path} has {len(files)} files ({names} ...): name one; `file` in the draft takes a pattern"
        )
    return files[0]


def _fetched(url: str, projects: Path, name: str) -> Path:
    """A file of the web, kept in a folder of the project's. Raises InputError, Unavailable."""
    import httpx

    parts = urlsplit(url)
    if parts.scheme not in ("http", "https"):
        raise InputError(f"{url}: a file, a folder, or an http address is looked at")
    folder = projects.resolve().parent / FETCHED / name
    path = folder / (Path(parts.path).name or "rows.csv")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        staged = path.with_name(f".{path.name}.part")
        with httpx.stream("GET", url, follow_redirects=True, timeout=30) as answer, staged.open("wb") as out:
            answer.raise_for_status()
            for chunk in answer.iter_raw():
                if out.tell() > MOST:
                    raise InputError(
                        f"{url} has more than {MOST >> 20} MiB: fetch it yourself, and name the file"
                    )
                out.write(chunk)
        staged.rename(path)
    except httpx.HTTPError as error:
        raise Unavailable(f"{url}: {error}") from None
    except OSError as error:
        raise ConfigError(f"{folder} cannot be written to: {error.strerror}") from None
    return path
