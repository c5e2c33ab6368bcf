"""The manifest of a dataset snapshot: what the dataset step writes and the training steps read.

A snapshot is ``datasets/<project>/<digest>/`` in the artifact store: ``manifest.json`` and Parquet
parts ``<split>-NNN.parquet``. Each part holds ``entity_key`` text, ``event_time`` timestamptz,
``partition`` text, every input, every slice and group column, and ``label`` double.
"""

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlcycle.errors import InputError

Split = Literal["train", "validation", "holdout"]


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="allow")


class Part(_Document):
    """One Parquet file of the snapshot; ``path`` is relative to the manifest's folder."""

    split: Split
    path: str = Field(pattern=r"^[a-z]+-\d{3,6}\.parquet$")
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    rows: int = Field(ge=0)


class Bounds(_Document):
    """Event times of a split: ``start`` included, ``end`` not, UTC. ``rows`` have a label."""

    start: datetime
    end: datetime
    rows: int = Field(ge=0)
    unlabelled: int = 0  # rows left out because their label is null


class DatasetManifest(_Document):
    """One immutable snapshot. ``digest`` names it: the digest of its content, not of this file."""

    version: Literal["mlcycle.dataset/1"] = "mlcycle.dataset/1"
    project: str
    digest: str = Field(pattern=r"^[0-9a-f]{64}$")
    as_of: datetime
    splits: dict[Split, Bounds]
    parts: list[Part]
    query: str = ""
    code_version: str = ""
    features: dict[str, Any] = {}  # feature view -> version of what it was computed from

    def of_split(self, split: Split) -> list[Part]:
        """The parts of one split, in order."""
        return [part for part in self.parts if part.split == split]


def parse_manifest(what: str, document: Any) -> DatasetManifest:
    """Read a manifest: a mapping, or its JSON. Raises InputError that names what was read."""
    try:
        if isinstance(document, bytes | str):
            return DatasetManifest.model_validate_json(document)
        return DatasetManifest.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise InputError(f"{what} is not a dataset manifest: {where}: {first['msg']}") from None
