"""Which secrets a step gets: those that its own project names for it, the key that signs models where it
trains one, and no others.

A project file names a secret by a word; its value stands in ``MLCYCLE_SECRET_<PROJECT>__<WORD>`` of who
starts steps, or in a secret of that name where steps are containers. A project's name holds no double
underscore and a word begins with a letter, so no project can name another's.
"""

from collections.abc import Mapping
from typing import Any

PREFIX = "MLCYCLE_SECRET_"
#: The deployment's private key (``domain.model_signature``), and the steps that sign what they train.
SIGNING_KEY = "MLCYCLE_MODEL_SIGNING_KEY"
SIGNING_STEPS = frozenset({"train", "refit", "fit_shadow"})


def secret_variable(project: str, word: str) -> str:
    """Environment variable of a project's secret."""
    return f"{PREFIX}{project.upper()}__{word}"


def secret_names(project: Mapping[str, Any], step: str) -> list[str]:
    """Variables of the secrets that a step of a project gets.

    Args:
        project: the project's document, as a request holds it.
        step: which step; ``extract``, ``alert`` and steps of the project's own alone need any of the
            project's.
    """
    if step in SIGNING_STEPS:
        return [SIGNING_KEY]
    if step == "own":
        steps = project.get("code", {}).get("steps", {}).values()
        words = {word for each in steps for word in each.get("secrets", [])}
        return sorted(secret_variable(project["name"], word) for word in words)
    if step == "extract":
        word = project.get("source", {}).get("secret")
        return [secret_variable(project["name"], word)] if word else []
    if step != "alert":
        return []
    alerts = project.get("alerts", {})
    channels = [*alerts.get("channels", []), *(alerts.get("escalate") or {}).get("channels", [])]
    words = {channel.get("secret") for channel in channels}
    return sorted(secret_variable(project["name"], word) for word in words if word)
