"""``mlcycle step``: always a result, the exit code that belongs to it, one clear line."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlcycle.contract import Request
from mlcycle.project.file import load_named
from tests.conftest import ROOT, Platform


def run_step(
    folder: Path, env: dict[str, str], request: Any, step: str = "rollback"
) -> tuple[int, dict[str, Any], str]:
    path, result = folder / "request.json", folder / "result.json"
    path.write_text(request if isinstance(request, str) else json.dumps(request))
    done = subprocess.run(
        [sys.executable, "-m", "mlcycle", "step", step, "--request", str(path), "--result", str(result)],
        capture_output=True, text=True, env={"PATH": os.environ["PATH"], **env}, cwd=folder,
    )  # fmt: skip
    return done.returncode, json.loads(result.read_text()), done.stderr


def rollback_request(**changes: Any) -> dict[str, Any]:
    project = load_named(ROOT / "projects", "flights").document()
    request = Request(step="rollback", work="test/rollback", project=project, params={"reason": "test"})
    return {**request.model_dump(mode="json"), **changes}


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        pytest.param("{", "is not JSON", id="not JSON"),
        pytest.param("[]", "document: Input should be", id="not an object"),
        pytest.param({"version": "mlcycle.step/9"}, "version", id="another version"),
        pytest.param(rollback_request(surprise=1), "surprise: Extra inputs", id="unknown key"),
        pytest.param(rollback_request(step="no_such_step"), "asked to run step", id="another step"),
    ],
)
def test_a_bad_request_still_gets_a_result_of_one_line(
    platform: Platform, tmp_path: Path, request_: Any, expected: str
) -> None:
    code, result, stderr = run_step(tmp_path, platform.settings("promote").as_env(), request_)
    assert (code, result["status"]) == (20, "failed")
    assert expected in result["message"]
    assert "\n" not in result["message"]
    assert "Traceback" not in stderr


def test_a_warehouse_that_does_not_answer_asks_for_a_retry(platform: Platform, tmp_path: Path) -> None:
    env = {**platform.settings().as_env(), "MLCYCLE_WAREHOUSE_DSN": "postgresql://a:b@127.0.0.1:1/x"}
    code, result, stderr = run_step(tmp_path, env, rollback_request())
    assert (code, result["error"]["kind"], result["error"]["retryable"]) == (10, "unavailable", True)
    assert "Traceback" not in stderr


@pytest.mark.parametrize("shared", [True, False], ids=["artifact store", "own folder"])
def test_an_attempt_whose_place_was_taken_leaves_a_shared_result_alone(
    platform: Platform, tmp_path: Path, shared: bool
) -> None:
    """As one that lives on, on a node that nobody reaches: its result would be taken for the newer one's."""
    platform.owner().query(
        """create function ledger.begin_again() returns trigger language plpgsql as $$ begin
               insert into ledger.attempt (work, project, step) values (new.work, new.project, new.step);
               return null;
           end $$;
           create trigger begin_again after insert on ledger.attempt for each row
               when (pg_trigger_depth() = 0) execute function ledger.begin_again()"""
    )
    request = Request.model_validate(rollback_request(step="request_retrain"))
    path, result = tmp_path / "request.json", tmp_path / "result.json"
    partitions = {"first": "2013-01-01", "last": "2013-01-01"}
    path.write_text(
        Request.model_validate({**request.model_dump(), "partitions": partitions}).model_dump_json()
    )
    result.write_text("the newer attempt's")
    place = result.as_uri() if shared else str(result)
    done = subprocess.run(
        [sys.executable, *["-m", "mlcycle", "step", "request_retrain", "--request"], str(path), "--result", place],
        capture_output=True, text=True, cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **platform.settings().as_env()},
    )  # fmt: skip
    assert "superseded by attempt 2" in done.stderr
    assert (result.read_text() == "the newer attempt's") is shared


def test_a_misspelt_setting_is_named(platform: Platform, tmp_path: Path) -> None:
    env = {**platform.settings().as_env(), "MLCYCLE_WAREHOUSE_DNS": "x"}
    code, result, _ = run_step(tmp_path, env, rollback_request())
    assert code == 20
    assert "MLCYCLE_WAREHOUSE_DNS" in result["message"]


def test_a_password_never_shows_in_result_or_log(platform: Platform, tmp_path: Path) -> None:
    settings = platform.settings("promote")
    env = {**settings.as_env(), "MLCYCLE_WAREHOUSE_DSN": settings.warehouse_dsn.get_secret_value() + "x"}
    code, result, stderr = run_step(tmp_path, env, rollback_request())
    assert code == 20
    assert platform.passwords["promote"] not in json.dumps(result) + stderr
