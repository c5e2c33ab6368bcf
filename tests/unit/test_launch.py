"""The launcher of services: secrets out of files into the program's environment."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import json, os
print(json.dumps({name: value for name, value in os.environ.items() if name.startswith(("MLCYCLE_", "AIRFLOW__", "T_"))}))
"""


def launched(folder: Path, **env: str) -> subprocess.CompletedProcess[str]:
    (folder / "program.py").write_text(PROGRAM)
    return subprocess.run(
        [sys.executable, "-m", "mlcycle.launch", "program"],
        cwd=folder,
        env={"PATH": os.environ["PATH"], "TMPDIR": str(folder), **env},
        capture_output=True,
        text=True,
        check=False,
    )


def test_secrets_come_from_every_folder_and_what_is_set_stays(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
    (first / "T_ONE").write_text("one\n")
    (first / "T_SET").write_text("of the file")
    (first / "lower").write_text("no variable")
    (second / "T_TWO").write_text("two  \n")
    folders = f"{first}:{second}:{tmp_path / 'absent'}"
    done = launched(tmp_path, MLCYCLE_SECRETS_FOLDER=folders, T_SET="given")
    found = json.loads(done.stdout)
    assert {name: found[name] for name in found if name.startswith("T_")} == {
        "T_ONE": "one",
        "T_TWO": "two  ",
        "T_SET": "given",
    }


def test_a_secret_that_cannot_be_read_ends_it_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "T_BAD").write_bytes(b"\xff")
    done = launched(tmp_path, MLCYCLE_SECRETS_FOLDER=str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith(f"secrets cannot be read from {tmp_path}")
    assert done.stderr.count("\n") == 1


def test_airflow_s_passwords_become_a_file_that_it_may_write(tmp_path: Path) -> None:
    (tmp_path / "MLCYCLE_AIRFLOW_PASSWORDS").write_text('{"admin": "p"}\n')
    found = json.loads(launched(tmp_path, MLCYCLE_SECRETS_FOLDER=str(tmp_path)).stdout)
    assert "MLCYCLE_AIRFLOW_PASSWORDS" not in found
    file = Path(found["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE"])
    assert json.loads(file.read_text()) == {"admin": "p"}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_airflow_s_passwords_become_the_file_that_its_own_setting_names(tmp_path: Path) -> None:
    named = tmp_path / "run" / "people.json"
    named.parent.mkdir()
    named.write_text("those of the process before")
    setting = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(named)}
    found = json.loads(launched(tmp_path, MLCYCLE_AIRFLOW_PASSWORDS='{"admin": "p"}', **setting).stdout)
    assert setting.items() <= found.items()
    assert json.loads(named.read_text()) == {"admin": "p"}
    assert stat.S_IMODE(named.stat().st_mode) == 0o600
    assert list(named.parent.iterdir()) == [named]


def test_passwords_that_cannot_be_written_end_it_in_one_line_without_them(tmp_path: Path) -> None:
    setting = {"AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(tmp_path / "absent" / "people.json")}
    done = launched(tmp_path, MLCYCLE_AIRFLOW_PASSWORDS='{"admin": "planted"}', **setting)
    assert done.returncode == 1
    assert done.stderr.startswith("MLCYCLE_AIRFLOW_PASSWORDS cannot be written")
    assert done.stderr.count("\n") == 1
    assert "planted" not in done.stderr
