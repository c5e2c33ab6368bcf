"""A project's own packages: installed once, beside the platform's, for its own process alone."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from mlcycle import packages
from mlcycle.errors import ConfigError


def wheel(folder: Path, name: str, version: str, text: str, needs: str = "") -> None:
    """A wheel of one module."""
    info = f"{name}-{version}.dist-info"
    meta = f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n" + (
        f"Requires-Dist: {needs}\n" if needs else ""
    )
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as file:
        file.writestr(f"{name}.py", text)
        file.writestr(f"{info}/METADATA", meta)
        file.writestr(
            f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        file.writestr(f"{info}/RECORD", "")


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "wheels"
    folder.mkdir()
    monkeypatch.setenv("UV_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    return folder


def test_packages_are_installed_once_and_seen_by_their_project_alone(index: Path, tmp_path: Path) -> None:
    wheel(index, "scientists_own", "1.2", "ANSWER = 42\n")
    wanted = ["scientists_own==1.2"]
    with pytest.raises(ConfigError, match=r"needs scientists_own==1\.2, which is not installed here: run"):
        packages.use(wanted, tmp_path / "packages", "bike")
    said: list[str] = []
    folder = packages.install(wanted, tmp_path / "packages", said.append)
    assert packages.install(wanted, tmp_path / "packages", said.append) == folder
    assert said == ["installing scientists_own==1.2", "installed already: scientists_own==1.2"]
    assert [each.name for each in (tmp_path / "packages").iterdir()] == [folder.name]
    code = (
        "import sys, importlib.util; from pathlib import Path; from mlcycle import packages\n"
        f"packages.use({wanted!r}, Path({str(tmp_path / 'packages')!r}), 'bike')\n"
        "import scientists_own; print(scientists_own.ANSWER)\n"
        "del sys.modules['scientists_own']; packages.use([], None, 'other')\n"
        "print(importlib.util.find_spec('scientists_own'))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["42", "None"]


def test_what_does_not_agree_with_the_platform_is_refused_in_one_line(index: Path, tmp_path: Path) -> None:
    wheel(index, "too_new", "1.0", "", needs="pydantic==99.0")
    with pytest.raises(ConfigError, match="cannot be installed beside the platform's") as caught:
        packages.install(["too_new==1.0"], tmp_path / "packages", lambda _: None)
    assert "\n" not in caught.value.message
    assert list((tmp_path / "packages").iterdir()) == []


def test_what_is_there_already_needs_no_folder() -> None:
    from importlib.metadata import version

    packages.use([f"pydantic=={version('pydantic')}"], None, "bike")
    assert packages.missing(["pydantic==0.0.1", "nothing-such==1"]) == ["pydantic==0.0.1", "nothing-such==1"]
