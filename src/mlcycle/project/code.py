"""The project's own Python files, and what they need beside the platform's packages."""

import re
from typing import Annotated, Final, Self

from pydantic import Field, JsonValue, model_validator

from mlcycle.project.part import Name, ParameterName, Part, Reference

MODULE: Final = re.compile(r"[a-z_][a-z0-9_]{0,59}\.py")
MOST_FILES: Final = 64
MOST_BYTES: Final = 256 * 1024
#: One package, pinned: what was tried is what runs next year.
REQUIREMENT: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]*(\[[A-Za-z0-9._,-]+\])?==[A-Za-z0-9.!+_-]+$"


class OwnStep(Part):
    """A function of the project's own as a task of a stage, behind one of the platform's steps.

    ``holds``: what comes after that step waits for it, and does not run where it fails. ``secrets`` are words
    as channels of alerts have them (docs/operations.md); ``params`` are handed to the function.
    """

    run: Reference
    stage: Name
    after: Name
    holds: bool = False
    secrets: list[Annotated[str, Field(pattern=r"^[A-Z][A-Z0-9_]{0,59}$")]] = []
    params: dict[ParameterName, JsonValue] = {}


class Code(Part):
    """``files`` are read from the project's folder, not written in its file; they travel with every request.

    ``requirements`` are further packages, each pinned: ``xgboost==3.1.2``.
    """

    files: dict[str, str] = {}
    steps: dict[Name, OwnStep] = {}
    requirements: list[Annotated[str, Field(pattern=REQUIREMENT)]] = []

    @model_validator(mode="after")
    def _files_are_few(self) -> Self:
        if len(self.files) > MOST_FILES:
            raise ValueError(f"{len(self.files)} files of Python beside the project's: {MOST_FILES} at most")
        if sum(len(text.encode()) for text in self.files.values()) > MOST_BYTES:
            raise ValueError(
                f"the Python files beside the project's are more than {MOST_BYTES // 1024} KiB together: "
                "make a package of them and name it in code.requirements"
            )
        for name in self.files:
            if not MODULE.fullmatch(name):
                raise ValueError(f"{name!r} is no module's name: small letters, digits and _ before .py")
        return self
