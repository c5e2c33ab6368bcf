"""Files of the artifact store that nothing needs: found a folder at a time, and by what the ledger says.

A file is old by when it was written; an object that is written again is young again. What the ledger
leads to (a champion's model and data, an open alert's report) stays however old it is.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from mlcycle.adapters.artifacts.store import ArtifactStore, Stored
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.housekeeping.freed import Freed
from mlcycle.ledger import retention
from mlcycle.ledger.retention import Needed

FOLDERS = ("staging", "reports", "references", "models", "datasets", "served")
LIVE_WITH_MODEL = {"comparison", "evaluation"}  # kinds of reports
SHARED = "static"  # scripts that reports have in common, a few megabytes for each version of a library


@dataclass(frozen=True)
class Files:
    """The store, the ledger, the ends of retention by kind, and whether files really go."""

    store: ArtifactStore
    warehouse: Warehouse
    before: Mapping[str, datetime]
    dry: bool
    freed: Freed

    def prune(self) -> None:
        """Remove what nothing needs."""
        with self.warehouse.transaction() as cursor:
            needed = retention.needed(cursor, self.before)
        self._staging()
        self._reports(needed)
        self._models(needed)
        self._datasets(needed)
        self._served()
        if not self.dry:
            for folder in FOLDERS:
                self.store.remove_empty_folders(folder, self.before["staging"])

    def _staging(self) -> None:
        """What deliveries went through: only old files, and none of a project whose delivery is under way."""
        for project in self.store.folders("staging"):
            with self.warehouse.transaction() as cursor:
                busy = project in retention.ingesting(cursor)
            if not busy:
                self._remove("staging", self._old("staging", f"staging/{project}"))

    def _reports(self, needed: Needed) -> None:
        links = {self._path(link) for link in needed.links}
        for project in self.store.folders("reports"):
            if project == SHARED:
                continue
            for kind in self.store.folders(f"reports/{project}"):
                folder = f"reports/{project}/{kind}"
                if kind in LIVE_WITH_MODEL:
                    found = (
                        f for f in self._old("models", folder) if not _of_needed(needed, project, f.path)
                    )
                    self._remove("models", (f for f in found if f.path not in links))
                else:
                    self._remove("reports", (f for f in self._old("reports", folder) if f.path not in links))

    def _served(self) -> None:
        """Rows that were kept with their inputs: as long as predictions are."""
        for project in self.store.folders("served"):
            self._remove("predictions", self._old("predictions", f"served/{project}"))

    def _models(self, needed: Needed) -> None:
        for digest in self.store.folders("models"):
            files = list(self.store.walk(f"models/{digest}"))
            if digest not in needed.models and all(_before(f, self.before["models"]) for f in files):
                self._remove("models", iter(files), "models")

    def _datasets(self, needed: Needed) -> None:
        for project in self.store.folders("references"):
            found = self._old("datasets", f"references/{project}")
            kept = {digest for name, digest in needed.datasets if name == project}
            self._remove("datasets", (f for f in found if _digest(f.path) not in kept))
        for project in self.store.folders("datasets"):
            for digest in self.store.folders(f"datasets/{project}"):
                if (project, digest) not in needed.datasets:
                    self._dataset(project, digest)

    def _dataset(self, project: str, digest: str) -> None:
        """A dataset's files go together, the manifest first: a snapshot without one is none."""
        files = sorted(
            self.store.walk(f"datasets/{project}/{digest}"),
            key=lambda f: not f.path.endswith("manifest.json"),
        )
        if not all(_before(file, self.before["datasets"]) for file in files):
            return
        if self.dry:
            self._remove("datasets", iter(files))
            return
        with self.warehouse.transaction() as cursor:  # who wants to use it meanwhile waits, and finds it gone
            if not retention.known_dataset(cursor, project, digest):
                self._remove("datasets", iter(files))
            elif retention.hold_dataset(cursor, project, digest, self.before["datasets"]):
                self._remove("datasets", iter(files))
                retention.note_removed(cursor, project, digest)

    def _old(self, kind: str, folder: str) -> Iterator[Stored]:
        return (file for file in self.store.walk(folder) if _before(file, self.before[kind]))

    def _remove(self, kind: str, files: Iterator[Stored], since: str = "") -> None:
        for file in files:
            if self.dry or self.store.remove(file.path, unless_since=self.before[since or kind]):
                self.freed.file(kind, file.bytes)

    def _path(self, link: str) -> str:
        """A link's path in the store, where it leads there; as a web address of the console too."""
        return link[link.index("reports/") :] if "reports/" in link else link


def _before(file: Stored, moment: datetime) -> bool:
    """Whether a file was written before a moment; one of unknown age was not."""
    return file.modified is not None and file.modified < moment


def _digest(path: str) -> str:
    """The dataset of ``references/<project>/<digest>-<rows>.parquet``."""
    return path.rsplit("/", 1)[-1].partition("-")[0]


def _of_needed(needed: Needed, project: str, path: str) -> bool:
    """Whether ``comparison/<version>-against-...`` or ``evaluation/<run>.*`` is of a model that stays."""
    name = path.rsplit("/", 1)[-1]
    version = name.partition("-against-")[0]
    return (project, name.partition(".")[0]) in needed.runs or (
        version.isdecimal() and (project, int(version)) in needed.versions
    )
