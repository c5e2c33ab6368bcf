"""The manifest of a snapshot."""

from datetime import UTC, datetime
from typing import Literal

from mlcycle.domain.dataset import DatasetManifest, Part


def test_the_parts_of_a_split_are_its_own_and_in_order() -> None:
    def part(split: Literal["train", "holdout"], number: int) -> Part:
        return Part(split=split, path=f"{split}-{number:03}.parquet", digest="0" * 64, rows=1)

    parts = [part("train", 1), part("holdout", 0), part("train", 0)]
    manifest = DatasetManifest(
        project="p", digest="0" * 64, as_of=datetime(2013, 1, 1, tzinfo=UTC), splits={}, parts=parts
    )
    assert [item.path for item in manifest.of_split("train")] == ["train-001.parquet", "train-000.parquet"]
    assert manifest.of_split("validation") == []
