"""Secrets of a step that come beside its environment."""

import io
import os
from pathlib import Path

import pytest

from mlcycle.contract import ExitCode
from mlcycle.errors import ConfigError
from mlcycle.steps.main import main, take_secrets


def test_without_a_word_of_it_standard_input_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", None)
    assert take_secrets({"A": "b"}) == {"A": "b"}


def test_they_join_the_environment_of_this_process_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.environ", dict(os.environ))
    monkeypatch.setattr(
        "sys.stdin", io.StringIO('{"MLCYCLE_WAREHOUSE_DSN": "x", "AWS_SECRET_ACCESS_KEY": "y"}\n')
    )
    env = take_secrets({"MLCYCLE_SECRETS": "stdin", "MLCYCLE_THREADS": "2"})
    assert env == {"MLCYCLE_THREADS": "2", "MLCYCLE_WAREHOUSE_DSN": "x", "AWS_SECRET_ACCESS_KEY": "y"}
    assert os.environ["AWS_SECRET_ACCESS_KEY"] == "y"


def test_where_they_do_not_come_the_step_is_to_be_tried_again(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    assert main("r", "s", {"MLCYCLE_SECRETS": "stdin"}) is ExitCode.RETRY
    assert capsys.readouterr().err == "mlcycle: the step's secrets did not come over its standard input\n"


def test_they_come_out_of_a_folder_too_as_kubernetes_mounts_a_secret(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("os.environ", dict(os.environ))
    (tmp_path / "..2026_11_21").mkdir()
    (tmp_path / "..2026_11_21" / "MLCYCLE_WAREHOUSE_DSN").write_text("x\n")
    (tmp_path / "..data").symlink_to("..2026_11_21")
    (tmp_path / "MLCYCLE_WAREHOUSE_DSN").symlink_to("..data/MLCYCLE_WAREHOUSE_DSN")
    (tmp_path / "note").write_text("no variable's name")
    env = take_secrets({"MLCYCLE_SECRETS": str(tmp_path), "MLCYCLE_THREADS": "2"})
    assert env == {"MLCYCLE_THREADS": "2", "MLCYCLE_WAREHOUSE_DSN": "x"}
    assert os.environ["MLCYCLE_WAREHOUSE_DSN"] == "x"


def test_a_folder_that_is_not_there_is_told_and_a_place_of_no_kind_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main("r", "s", {"MLCYCLE_SECRETS": f"{tmp_path}/nosuch"}) is ExitCode.RETRY
    assert "cannot be read: No such file or directory" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="MLCYCLE_SECRETS=env: stdin, or a folder"):
        take_secrets({"MLCYCLE_SECRETS": "env"})
