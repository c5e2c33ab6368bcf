"""Which code ran: the commit of a checkout, of a built package, or neither."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from mlcycle import contract, own_code
from mlcycle.revision import checked_out, revision

ROOT = Path(__file__).parents[2]
NOBODY = ("-c", "user.name=n", "-c", "user.email=n@example.org", "-c", "init.defaultBranch=main")


def git(folder: Path, *arguments: str) -> str:
    env = {"PATH": os.environ["PATH"], "HOME": str(folder)}
    command = ["git", *NOBODY, "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=env).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    root = tmp_path / "checkout"
    (root / "src" / "mlcycle").mkdir(parents=True)
    (root / "src" / "mlcycle" / "code.py").write_text("one = 1\n")
    (root / "project.yaml").write_text("name: mine\n")
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "one")
    return root


def of(root: Path) -> str:
    return revision(root / "src" / "mlcycle")


def test_a_checkout_is_named_by_its_commit(checkout: Path) -> None:
    commit = git(checkout, "rev-parse", "HEAD")
    assert checked_out(checkout) == commit
    assert of(checkout) == f"g{commit[:12]}"


@pytest.mark.parametrize(
    "keep",
    [
        pytest.param(["pack-refs", "--all"], id="packed"),
        pytest.param(["checkout", "--quiet", "--detach"], id="detached"),
        pytest.param(["checkout", "--quiet", "-b", "a/branch"], id="branch-in-a-folder"),
    ],
)
def test_however_git_keeps_the_commit_it_is_found(checkout: Path, keep: list[str]) -> None:
    git(checkout, *keep)
    assert checked_out(checkout) == git(checkout, "rev-parse", "HEAD")


@pytest.mark.parametrize("packed", [False, True], ids=["loose", "packed"])
def test_a_worktree_is_named_by_its_own_commit(checkout: Path, tmp_path: Path, packed: bool) -> None:
    other = tmp_path / "other"
    git(checkout, "worktree", "add", "--quiet", "-b", "other", str(other))
    (other / "src" / "mlcycle" / "code.py").write_text("two = 2\n")
    git(other, "commit", "--quiet", "--all", "--message", "two")
    if packed:
        git(checkout, "pack-refs", "--all")
    assert checked_out(other) == git(other, "rev-parse", "HEAD") != checked_out(checkout)


def test_code_that_is_not_the_commit_s_is_dirty(checkout: Path) -> None:
    clean = of(checkout)
    file = checkout / "src" / "mlcycle" / "code.py"
    file.write_text("one = 3\n")
    assert of(checkout) == f"{clean}.dirty"
    git(checkout, "add", ".")
    assert of(checkout) == f"{clean}.dirty"
    git(checkout, "commit", "--quiet", "--message", "three")
    assert of(checkout) == f"g{git(checkout, 'rev-parse', 'HEAD')[:12]}" != clean


def test_only_tracked_code_makes_it_dirty_and_a_mere_touch_does_not(checkout: Path) -> None:
    clean = of(checkout)
    (checkout / "project.yaml").write_text("name: yours\n")
    (checkout / "src" / "mlcycle" / "notes.txt").write_text("untracked\n")
    os.utime(checkout / "src" / "mlcycle" / "code.py", (1, 1))
    assert of(checkout) == clean


def test_another_repository_s_environment_changes_nothing(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = of(checkout)
    monkeypatch.setenv("GIT_DIR", str(ROOT / ".git"))  # as in a hook of another repository
    assert of(checkout) == clean


def test_without_the_git_program_the_commit_is_known_all_the_same(
    checkout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clean = of(checkout)
    monkeypatch.setenv("PATH", "/nowhere")
    (checkout / "src" / "mlcycle" / "code.py").write_text("one = 3\n")
    assert of(checkout) == clean


@pytest.mark.parametrize(
    "head",
    [None, "", "ref: refs/heads/none", "ref: refs/heads/.invalid", "nonsense"],
    ids=["no-checkout", "empty", "no-commit-yet", "reftable", "damaged"],
)
def test_what_is_no_commit_is_silence(tmp_path: Path, head: str | None) -> None:
    (tmp_path / "src" / "mlcycle").mkdir(parents=True)
    if head is not None:
        (tmp_path / ".git").mkdir()
        (tmp_path / ".git" / "HEAD").write_text(head)
    assert of(tmp_path) == ""


def test_a_package_inside_someone_s_repository_is_not_named_by_it(checkout: Path) -> None:
    installed = checkout / "vendored" / "mlcycle"
    installed.mkdir(parents=True)
    assert revision(installed) == ""


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A repository with what a package of mlcycle is built from."""
    root = tmp_path / "source"
    shutil.copytree(ROOT / "src", root / "src", ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "hatch_build.py", ".gitignore"):
        shutil.copy(ROOT / name, root)
    git(tmp_path, "init", "--quiet", str(root))
    git(root, "add", ".")
    git(root, "commit", "--quiet", "--message", "one")
    return root


def build(source: Path, target: str, into: Path) -> Path:
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(into)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (built,) = into.iterdir()
    return built


def baked(wheel: Path, into: Path) -> str:
    with zipfile.ZipFile(wheel) as archive:
        assert len(archive.namelist()) == len(set(archive.namelist()))
        archive.extractall(into)
    return revision(into / "mlcycle")


@pytest.mark.parametrize("by_sdist", [False, True], ids=["wheel", "wheel-of-an-sdist"])
def test_a_built_package_names_the_commit_it_was_built_from(
    source: Path, tmp_path: Path, by_sdist: bool
) -> None:
    expected, tree = of(source), source
    assert expected
    if by_sdist:
        with tarfile.open(build(source, "sdist", tmp_path / "sdist")) as archive:
            archive.extractall(tmp_path / "unpacked", filter="data")
        (tree,) = (tmp_path / "unpacked").iterdir()
    assert baked(build(tree, "wheel", tmp_path / "wheel"), tmp_path / "installed") == expected
    assert of(source) == expected  # the build left nothing in the tree


def test_a_package_built_without_a_commit_has_its_version_alone(source: Path, tmp_path: Path) -> None:
    shutil.rmtree(source / ".git")
    assert baked(build(source, "wheel", tmp_path / "wheel"), tmp_path / "installed") == ""


@pytest.mark.parametrize(
    ("commit", "expected"),
    [("", "=="), ("g1a2b3c4d5e6f", "+g1a2b3c4d5e6f"), ("g1a2b3c4d5e6f.dirty", "+g1a2b3c4d5e6f.dirty")],
    ids=["neither", "commit", "dirty"],
)
def test_the_version_of_code_is_a_version_to_pip(
    commit: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(contract, "revision", lambda: commit)
    contract.platform_version.cache_clear()
    wanted = f"mlcycle=={contract.code_version()}"
    contract.platform_version.cache_clear()
    assert expected in wanted
    assert str(Requirement(wanted)) == wanted


def test_a_step_server_s_child_names_the_commit_made_since(monkeypatch: pytest.MonkeyPatch) -> None:
    names = iter(["gaaaaaaaaaaaa.dirty", "gbbbbbbbbbbbb"])
    commits = iter(["a" * 40, "a" * 40, "b" * 40])
    monkeypatch.setattr(contract, "revision", lambda: next(names))
    monkeypatch.setattr(own_code, "checked_out", lambda: next(commits))
    contract.platform_version.cache_clear()
    own = own_code.OwnCode(("mlcycle.domain",))
    own.load()
    before = contract.code_version()
    assert not own.forget_if_changed()
    assert contract.code_version() == before
    assert not own.forget_if_changed()  # the same files, now committed
    assert contract.code_version().endswith("gbbbbbbbbbbbb")
    contract.platform_version.cache_clear()
