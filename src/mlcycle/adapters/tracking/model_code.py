"""The code that a model needs to predict, in the model: who loads it elsewhere needs no package ``mlcycle``.

One archive and one module beside it, so that a model is not hundreds of files. They are files of the model
like its weights: in its manifest, and signed with it. The platform itself never runs them: it reads a
model's folder with its own code.
"""

import zipfile
from pathlib import Path
from typing import Final

from mlcycle import project_code

LOADER: Final = "mlcycle_model"  # the module that MLflow imports
ARCHIVE: Final = "mlcycle.zip"
NEEDS: Final = ("numpy", "pandas", "pydantic")  # of every family; a model says what else it needs
_PARTS: Final = (
    "__init__.py",
    "errors.py",
    "project_code.py",
    "kept_files.py",
    "domain",
    "models",
    "project",
)
_LEFT_OUT: Final = ("models/export/", "models/search_space.py")  # of training alone, and need a project
_MOMENT: Final = (1980, 1, 1, 0, 0, 0)  # the same code is the same bytes

_SOURCE: Final = '''"""Loads the model with the code that it was made with: the archive beside this file.

Where mlcycle is imported already, that one is used: a process has one of each module.
"""

import sys
from pathlib import Path


def _load_pyfunc(path):
    if "mlcycle" not in sys.modules:
        sys.path.insert(0, str(Path(__file__).with_name("mlcycle.zip")))
    from mlcycle.models.flavor import _load_pyfunc as load

    return load(path)
'''


def write(folder: Path) -> list[Path]:
    """Write loader and archive into a folder, made if it is not there; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    loader, archive = folder / f"{LOADER}.py", folder / ARCHIVE
    loader.write_text(_SOURCE, encoding="utf-8")
    root = Path(project_code.__file__).parent
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as written:
        for file in _files(root):
            entry = zipfile.ZipInfo(f"mlcycle/{file.relative_to(root).as_posix()}", _MOMENT)
            entry.compress_type = zipfile.ZIP_DEFLATED
            written.writestr(entry, file.read_bytes())
    return [loader, archive]


def _files(root: Path) -> list[Path]:
    found: list[Path] = []
    for part in _PARTS:
        place = root / part
        found += [place] if place.is_file() else sorted(place.rglob("*.py"))
    return [file for file in found if not file.relative_to(root).as_posix().startswith(_LEFT_OUT)]
