"""Manifests of models: every file, no more, no less, no way out of the folder."""

from pathlib import Path

import pytest

from mlcycle.adapters.tracking.model_files import check_folder, check_manifest, manifest_digest, manifest_of
from mlcycle.errors import IntegrityError


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "model" / "data").mkdir(parents=True)
    (tmp_path / "model" / "MLmodel").write_text("flavors: {}")
    (tmp_path / "model" / "data" / "weights.bin").write_bytes(b"1234")
    return tmp_path / "model"


def test_an_untouched_folder_passes(folder: Path) -> None:
    manifest = manifest_of(folder)
    assert sorted(manifest) == ["MLmodel", "data/weights.bin"]
    check_folder(folder, manifest)
    assert manifest_digest(manifest) == manifest_digest(dict(reversed(manifest.items())))


@pytest.mark.parametrize("fault", ["truncated", "changed", "removed", "added", "link", "linked folder"])
def test_every_difference_is_refused(folder: Path, fault: str) -> None:
    manifest = manifest_of(folder)
    weights = folder / "data" / "weights.bin"
    if fault == "truncated":
        weights.write_bytes(b"123")
    elif fault == "changed":
        weights.write_bytes(b"1235")
    elif fault == "removed":
        weights.unlink()
    elif fault == "added":
        (folder / "extra.py").write_text("import os")
    elif fault == "link":
        weights.rename(folder.parent / "same.bin")
        weights.symlink_to(folder.parent / "same.bin")
    else:
        (folder / "data").rename(folder.parent / "data")
        (folder / "data").symlink_to(folder.parent / "data")
    with pytest.raises(IntegrityError):
        check_folder(folder, manifest)


@pytest.mark.parametrize(
    "path",
    ["../x", "a/../../x", "/etc/passwd", "a//b", "./a", "a\\b", "a\0b", "", ".", "..", "c:evil", "a/"],
)
def test_a_path_that_is_no_path_inside_a_model_is_refused(path: str) -> None:
    with pytest.raises(IntegrityError):
        check_manifest({path: "0" * 64})


def test_a_digest_that_is_none_and_an_empty_manifest_are_refused() -> None:
    with pytest.raises(IntegrityError):
        check_manifest({"a": "short"})
    with pytest.raises(IntegrityError):
        check_manifest({})
