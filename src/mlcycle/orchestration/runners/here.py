"""Steps through a runner, for whoever has no Airflow task around them: the command line."""

from collections.abc import Callable, Mapping

from mlcycle.contract import Request, Result
from mlcycle.cycle import ROLES
from mlcycle.orchestration.placement import place
from mlcycle.orchestration.runners.base import make_runner, run_to_end
from mlcycle.project import Project
from mlcycle.project.limits import FITS


def through_runner(env: Mapping[str, str], log: Callable[[str], None]) -> Callable[[Request], Result]:
    """Runs requests as tasks do: with the runner, the limits and the step servers that ``env`` names."""

    def execute(request: Request) -> Result:
        project = Project.model_validate(request.project)
        named = request.params.get("search") or request.params.get("candidate", "")
        candidate = str(named) if request.step in FITS else ""
        placement = place(env, project, request.step, candidate)
        runner = make_runner(placement.runner, env)
        return run_to_end(runner, request, placement, role=ROLES[request.step], log=log)

    return execute
