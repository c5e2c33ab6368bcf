"""Where a step runs and what it may use: one small function of (settings, project, step)."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlcycle.project import Limits, Project

DEFAULT = "process"


@dataclass(frozen=True)
class Placement:
    """Which runner starts a step, from which image where it starts containers, and within which limits."""

    runner: str
    image: str
    limits: Limits


def place(env: Mapping[str, str], project: Project, step: str, candidate: str = "") -> Placement:
    """The place of a step. ``MLCYCLE_RUNNER_<STEP>`` and ``MLCYCLE_IMAGE_<STEP>`` go above the same
    names without a step.
    """

    def chosen(name: str) -> str:
        return env.get(f"MLCYCLE_{name}_{step.upper()}") or env.get(f"MLCYCLE_{name}") or ""

    return Placement(
        runner=chosen("RUNNER") or DEFAULT, image=chosen("IMAGE"), limits=project.limits(step, candidate)
    )
