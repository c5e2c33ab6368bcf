"""A project's own Python: found without a path, side by side under its digests, refused in one line."""

import sys
import threading

import pytest

from mlcycle.contract import code_version, platform_version
from mlcycle.errors import ConfigError
from mlcycle.project_code import NONE, ProjectCode, activate, current, is_reference, problems, resolve, using

ONE = ProjectCode(
    {"models.py": "from .numbers import N\n\ndef make():\n    return N\n", "numbers.py": "N = 1\n"}
)
TWO = ProjectCode({**ONE.files, "numbers.py": "N = 2\n"})


def test_two_versions_of_a_module_live_in_one_process() -> None:
    path = list(sys.path)
    with using(ONE):
        first = resolve("models:make")
        with using(TWO):
            second = resolve("models.make")
        assert resolve("models:make") is first
    assert (first(), second()) == (1, 2)
    assert sys.path == path
    assert "models" not in sys.modules


def test_the_digest_is_of_names_and_texts() -> None:
    assert ONE.digest != TWO.digest
    assert ProjectCode(dict(reversed(ONE.files.items()))).digest == ONE.digest
    assert ProjectCode({"m.py": "", "n.py": "x"}).digest != ProjectCode({"m.py": "x", "n.py": ""}).digest
    assert NONE.digest == ""


def test_a_thread_has_the_code_of_its_process() -> None:
    seen = []
    activate(ONE)
    try:
        thread = threading.Thread(target=lambda: seen.append(current().digest))
        thread.start()
        thread.join()
        assert seen == [ONE.digest]
        assert code_version() == f"{platform_version()}.project-{ONE.digest[:12]}"
    finally:
        activate(NONE)
    assert code_version() == platform_version()


def test_what_no_file_holds_is_of_an_installed_package() -> None:
    with using(ONE):
        assert resolve("json:dumps")({}) == "{}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("def make(:\n", "models:make: models.py:1: invalid syntax"),
        ("import numbers_of_ours\n", "No module named 'numbers_of_ours': no such package is installed"),
        ("import other\n", "of a file beside this one say `from . import other`"),
        ("\n\nraise ValueError('one\\ntwo')\n", "models:make: models.py:3: ValueError: one two"),
        ("def made(): ...\n", "module models has no 'make': there is made"),
    ],
    ids=["syntax", "no package", "sibling", "raises", "name"],
)
def test_what_is_wrong_is_one_line(text: str, expected: str) -> None:
    with using(ProjectCode({"models.py": text, "other.py": ""})), pytest.raises(ConfigError) as caught:
        resolve("models:make")
    assert expected in caught.value.message
    assert "\n" not in caught.value.message


def test_a_check_executes_nothing() -> None:
    files = {"models.py": "raise SystemExit\nclass Mine: ...\n", "bad.py": "x = (\n"}
    found = problems(files, ["models:Mine", "models:Yours", "sklearn.svm.SVC"])
    assert found == [
        "bad.py:1: '(' was never closed",
        "models:Yours: models.py defines no 'Yours': there is Mine",
    ]


@pytest.mark.parametrize("name", ["models:Mine", "sklearn.svm.SVC", "a.b:c"])
def test_references(name: str) -> None:
    assert is_reference(name)


@pytest.mark.parametrize("name", ["boosting", "", "a:", ":b", "a b:c", "../x:y", "a.b:c.d", "os.system('x')"])
def test_names_that_lead_nowhere(name: str) -> None:
    assert not is_reference(name)
