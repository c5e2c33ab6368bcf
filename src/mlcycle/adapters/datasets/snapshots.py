"""Writing a dataset snapshot: Parquet parts staged on disk, named by the digest of what they hold.

The same rows give the same bytes and so the same digest; a snapshot that is there is not written again.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.artifacts.store import ArtifactStore, sha256_file
from mlcycle.contract import Output
from mlcycle.domain.dataset import Bounds, DatasetManifest, Part, Split
from mlcycle.domain.split import Window

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class Snapshot:
    """Parts of one snapshot, staged in a folder."""

    folder: Path
    windows: Mapping[Split, Window]
    parts: list[Part] = field(default_factory=list)
    rows: dict[Split, int] = field(
        default_factory=lambda: dict.fromkeys(("train", "validation", "holdout"), 0)
    )
    schema: str = ""

    def add(self, split: Split, table: "pa.Table") -> None:
        """Stage rows of one split as the next part."""
        from pyarrow import parquet

        if not table.num_rows:
            return
        table = table.replace_schema_metadata(None)
        self.schema = str(table.schema)
        number = sum(part.split == split for part in self.parts)
        path = self.folder / f"{split}-{number:03}.parquet"
        parquet.write_table(table, path, compression="zstd", row_group_size=1 << 20)
        self.parts.append(Part(split=split, path=path.name, digest=sha256_file(path), rows=table.num_rows))
        self.rows[split] += table.num_rows

    @property
    def digest(self) -> str:
        """The snapshot's name: digest over the parts, their schema and the bounds of the splits."""
        bounds = {
            name: [window.start.isoformat(), window.end.isoformat()] for name, window in self.windows.items()
        }
        parts = [[part.split, part.digest, part.rows] for part in self.parts]
        facts = ["mlcycle.dataset/1", self.schema, bounds, parts]
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()

    def manifest(self, project: str, unlabelled: Mapping[Split, int], **facts: Any) -> DatasetManifest:
        """What the snapshot holds and how it was made."""
        splits = {
            name: Bounds(
                start=window.start, end=window.end, rows=self.rows[name], unlabelled=unlabelled.get(name, 0)
            )
            for name, window in self.windows.items()
        }
        return DatasetManifest(project=project, digest=self.digest, splits=splits, parts=self.parts, **facts)

    def store(
        self, artifacts: ArtifactStore, manifest: DatasetManifest, progress: Callable[[str], None]
    ) -> Output:
        """Upload the parts, then the manifest: where it is, everything is. Returns the manifest's output.

        A manifest that is there already stays: another run of the same data may have handed it on.
        """
        base = location(manifest.project, manifest.digest)
        for number, part in enumerate(self.parts, 1):
            artifacts.put_file(f"{base}/{part.path}", self.folder / part.path)
            progress(f"stored {part.path} ({number} of {len(self.parts)})")
        there = stored(artifacts, manifest.project, manifest.digest)
        return there or artifacts.put(f"{base}/manifest.json", manifest.model_dump_json(indent=1).encode())


def location(project: str, digest: str) -> str:
    """Folder of a snapshot in the artifact store."""
    return f"datasets/{project}/{digest}"


def stored(artifacts: ArtifactStore, project: str, digest: str) -> Output | None:
    """The manifest of a snapshot that was stored before, or None."""
    path = f"{location(project, digest)}/manifest.json"
    if not artifacts.exists(path):
        return None
    data = artifacts.read(path)
    return Output(uri=artifacts.uri(path), digest=hashlib.sha256(data).hexdigest(), bytes=len(data))
