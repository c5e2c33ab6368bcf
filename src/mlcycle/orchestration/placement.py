"""Where a step runs and what it may use: one small function of (settings, project, step)."""

from collections.abc import Mapping
from dataclasses import dataclass

from mlcycle.errors import ConfigError
from mlcycle.project import Limits, Project

DEFAULT = "process"
#: A step that runs where another does, unless it has settings of its own: all of them train models.
LIKE = {"refit": "train", "fit_shadow": "train", "tune_trial": "train"}


@dataclass(frozen=True)
class Placement:
    """Which runner starts a step, from which image where it starts containers, and within which limits."""

    runner: str
    image: str
    limits: Limits


def place(env: Mapping[str, str], project: Project, step: str, candidate: str = "") -> Placement:
    """The place of a step. ``MLCYCLE_RUNNER_<STEP>`` and ``MLCYCLE_IMAGE_<STEP>`` go above the same
    names without a step; above both, for a project with packages of its own, ``MLCYCLE_PROJECT_IMAGES``.
    Raises ConfigError as ``project_images`` does.
    """
    own = project_images(env).get(project.name) if project.code.requirements else None
    return Placement(
        runner=chosen(env, "RUNNER", step) or DEFAULT,
        image=own or chosen(env, "IMAGE", step),
        limits=project.limits(step, candidate),
    )


def project_images(env: Mapping[str, str]) -> dict[str, str]:
    """Images by project: ``MLCYCLE_PROJECT_IMAGES`` is ``NAME=IMAGE``, several parted by commas.

    One variable, for a compose file and a chart name each that they pass on. Raises ConfigError.
    """
    found = {}
    for said in filter(None, map(str.strip, env.get("MLCYCLE_PROJECT_IMAGES", "").split(","))):
        name, _, image = said.partition("=")
        if not name or not image:
            raise ConfigError(
                f"MLCYCLE_PROJECT_IMAGES: {said!r} is not NAME=IMAGE; several are parted by commas"
            )
        found[name] = image
    return found


def chosen(env: Mapping[str, str], name: str, step: str) -> str:
    """A setting that a step may have of its own: ``MLCYCLE_<NAME>_<STEP>``, else ``MLCYCLE_<NAME>``."""
    own = (env.get(f"MLCYCLE_{name}_{each.upper()}") for each in (step, LIKE.get(step, step)))
    return next(filter(None, own), None) or env.get(f"MLCYCLE_{name}") or ""
