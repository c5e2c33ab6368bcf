"""Copies some distributions of this environment, and what they need, into a folder: some_packages.py FOLDER NAME..."""

import os
import re
import shutil
import sys
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path


def needed(names: list[str]) -> dict[str, Distribution]:
    """Distributions by name, with all that they need here; what is not installed is for another platform."""
    found: dict[str, Distribution] = {}
    left = list(names)
    while left:
        name = re.sub(r"[-_.]+", "-", left.pop()).lower()
        if name in found:
            continue
        try:
            found[name] = distribution(name)
        except PackageNotFoundError:
            continue
        for line in found[name].requires or []:
            if "extra ==" not in line:
                left.append(re.match(r"[\w.-]+", line)[0])  # type: ignore[index]
    return found


def main(folder: Path, names: list[str]) -> None:
    """Copy every file to the path it has here, and the environment itself."""
    root = Path(sys.prefix)
    for name in ("pyvenv.cfg", "bin/python", "bin/python3"):
        target = folder / root.relative_to("/") / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(root / name, target, follow_symlinks=False)
    for one in needed(names).values():
        for file in one.files or []:
            source = Path(os.path.normpath(one.locate_file(file)))
            if source.is_file() and source.is_relative_to(root) and "/tests/" not in str(file):
                target = folder / source.relative_to("/")
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target)
                compiled = source.parent / "__pycache__" / f"{source.stem}.cpython-311.pyc"
                if source.suffix == ".py" and compiled.exists():
                    (target.parent / "__pycache__").mkdir(exist_ok=True)
                    shutil.copy2(compiled, target.parent / "__pycache__")


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
