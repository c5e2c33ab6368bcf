"""Where trainings keep their state between tries."""

import os
import time
from pathlib import Path

import pytest

from mlcycle.adapters.checkpoints import FORGOTTEN, folder_of
from mlcycle.errors import ConfigError
from mlcycle.settings import Settings


def settings(**folders: Path) -> Settings:
    return Settings.model_validate({"warehouse_dsn": "", "artifacts_url": "file:///a", **folders})


def test_checkpoints_lie_where_the_settings_say_apart_from_scratch(tmp_path: Path) -> None:
    scratch, kept = tmp_path / "scratch", tmp_path / "kept"
    assert folder_of(settings(scratch=scratch), "work").is_relative_to(scratch)
    assert folder_of(settings(scratch=scratch, checkpoints=kept), "work").is_relative_to(kept)


def test_another_trainings_folder_may_go_while_old_ones_are_looked_for(tmp_path: Path) -> None:
    folder = folder_of(settings(scratch=tmp_path), "work")
    (folder.parent / "gone").symlink_to(tmp_path / "nowhere")  # listed, and not there any more
    assert folder_of(settings(scratch=tmp_path), "work") == folder


def test_what_nobody_asked_for_in_a_week_is_removed_and_what_is_asked_for_again_stays(tmp_path: Path) -> None:
    folders = [folder_of(settings(scratch=tmp_path), name) for name in ("forgotten", "asked for")]
    for folder in folders:
        os.utime(folder, (0, time.time() - FORGOTTEN - 60))
    os.utime(folders[1], None)
    folder_of(settings(scratch=tmp_path), "work")
    assert [folder.exists() for folder in folders] == [False, True]


def test_a_volume_that_takes_nothing_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for taken in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(ConfigError, match=r"MLCYCLE_CHECKPOINTS=.*: nothing can be kept there \("):
            folder_of(settings(checkpoints=taken), "work")
