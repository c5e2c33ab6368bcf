"""Whose token opens which project's queues: a bearer token a project, from the environment."""

import re
from collections.abc import Mapping
from hmac import compare_digest

from mlcycle.domain.step_secrets import secret_variable
from mlcycle.errors import ConfigError

WORD = "EVENTS"
SHORTEST = 16  # characters
_NAME = re.compile(r"[a-z][a-z0-9_]{0,29}")
_VARIABLE = re.compile(rf"MLCYCLE_SECRET_[A-Z0-9_]+__{WORD}")


class Tokens:
    """The tokens of all projects that take events, read once."""

    def __init__(self, env: Mapping[str, str]) -> None:
        """Raises ConfigError where there is none, or one is too short to be a secret."""
        self._known = {name: value.encode() for name, value in env.items() if _VARIABLE.fullmatch(name)}
        if not self._known:
            raise ConfigError(
                f"no project has a token: set MLCYCLE_SECRET_<PROJECT>__{WORD}, which its producers bear"
            )
        for name, value in self._known.items():
            if len(value) < SHORTEST:
                raise ConfigError(f"{name} has less than {SHORTEST} characters: make one by a generator")

    def opens(self, project: str, header: str) -> bool:
        """Whether an Authorization header bears the project's token. A project without one is never open."""
        kind, _, given = header.partition(" ")
        wanted = self._known.get(secret_variable(project, WORD)) if _NAME.fullmatch(project) else None
        # Compared in any case: how long an answer takes says nothing of which projects there are.
        same = compare_digest(given.strip().encode(), wanted or b"-" * SHORTEST)
        return same and wanted is not None and kind.lower() == "bearer"
