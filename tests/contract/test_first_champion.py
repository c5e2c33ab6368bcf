"""docs/first-champion.md: its commands, as they stand there."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlcycle.cli import app
from tests.conftest import ROOT, Platform

PAGE = (ROOT / "docs" / "first-champion.md").read_text()
BLOCKS = re.findall(r"```(sh|python)\n(.*?)```", PAGE, re.DOTALL)


def test_the_page_s_commands_lead_to_a_champion(
    platform: Platform, mlflow_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for role in ("ingest", "train", "promote", "serve"):
        dsn = platform.settings(role).warehouse_dsn.get_secret_value()
        monkeypatch.setenv(f"MLCYCLE_DSN_{role.upper()}", dsn)
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", platform.settings().artifacts_url)
    monkeypatch.setenv("MLCYCLE_MLFLOW_URL", mlflow_url)
    monkeypatch.setenv("MLCYCLE_ALLOWED_SOURCES", "*")
    monkeypatch.setenv("MLCYCLE_STATE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(tmp_path / "projects"))
    (tmp_path / "projects").mkdir()
    monkeypatch.chdir(tmp_path)
    said = []
    for kind, text in BLOCKS:
        if kind == "python":
            exec(compile(text, "first-champion.md", "exec"), {})
            continue
        for line in text.strip().splitlines():
            program, *arguments = shlex.split(line)
            if program.endswith("python"):
                subprocess.run([sys.executable, *arguments], check=True)
                continue
            assert program == ".venv/bin/mlcycle"
            done = CliRunner().invoke(app, arguments)
            assert done.exit_code == 0, (line, done.output, done.exception)
            said.append(done.output)
    told = "\n".join(said)
    assert "promote version 1" in told
    assert re.search(r"adopted|added candidate extra_trees", told)
    assert "ok      airports: 1 tables, 4 candidates" in said[-1]
