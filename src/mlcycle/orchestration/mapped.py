# mypy: allow-subclassing-any
"""A step that Airflow maps: as many tasks side by side as the step before it says.

The step before hands its handover over once for each of them, and each of them is one work with tries of its
own. Airflow writes a mapped task's arguments into the DAG's serialized form, so that the project travels in a
wrapping whose text is its name alone.
"""

from collections.abc import Mapping
from typing import Any

from airflow.sdk import DAG

from mlcycle.cycle import Step
from mlcycle.orchestration.operator import MARGIN, RETRY, StepOperator
from mlcycle.project import Project


class Wrapped:
    """A project that Airflow does not write out with the DAG: a worker makes the DAG from the file."""

    def __init__(self, project: Project) -> None:
        self.project = project

    def __repr__(self) -> str:
        return f"project {self.project.name}"


class FanningStepOperator(StepOperator):
    """Runs a step whose handover says with its value ``workers`` how many tasks follow it."""

    def execute(self, context: Any) -> list[dict[str, Any]]:  # type: ignore[override]
        """Run the step and return its handover, once for each worker."""
        handover = super().execute(context)
        return [handover] * int(handover["values"]["workers"])


class MappedStepOperator(StepOperator):
    """One of the tasks of a mapped step; ``share`` is what the step before handed over to it."""

    def __init__(
        self, *, project: Wrapped, step: Mapping[str, Any], share: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(project=project.project, step=Step(**step), **kwargs)
        self.share = share


def mapped(dag: DAG, project: Project, step: Step, over: StepOperator, **arguments: Any) -> Any:
    """The mapped task of a step, over what ``over`` hands over; ``arguments`` are an operator's."""
    limits = project.limits(step.name, arguments["variant"])
    return MappedStepOperator.partial(
        dag=dag,
        project=Wrapped(project),
        step=vars(step),
        retries=limits.retries,
        execution_timeout=limits.time + MARGIN,
        **RETRY,
        **arguments,
    ).expand(share=over.output)
