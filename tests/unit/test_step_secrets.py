"""Secrets of a step that come over its standard input."""

import io
import os

import pytest

from mlcycle.contract import ExitCode
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
