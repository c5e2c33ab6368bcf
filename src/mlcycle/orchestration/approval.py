# mypy: allow-subclassing-any
"""A step that a person is asked about first: the task that asks is the task that acts.

Airflow parks the task, and when somebody has answered it resumes this very task with its own record
of the answer: the option, the user, the moment. No XCom, run conf or mark on another task leads here:
a task that somebody marks successful has run nothing, one that is cleared asks again, and the step
itself refuses a request without a decision. A retry after the answer does not ask a second time where
the ledger holds it already.

Seen with Airflow 3.3.2: a try that ends clears ``next_method``, so a retry begins at ``execute``; a
task may not read another task's question.
"""

from datetime import UTC, datetime
from typing import Any

from airflow.sdk import Param
from airflow.sdk.definitions.param import ParamsDict
from airflow.sdk.exceptions import AirflowFailException, TaskAwaitingInput
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from mlcycle.contract import Decision
from mlcycle.domain.durations import format_duration
from mlcycle.errors import MlcycleError
from mlcycle.orchestration.operator import StepFailed, StepOperator
from mlcycle.orchestration.presence import decided

OPTIONS = {"Approve": "approve", "Reject": "reject"}
FORM = ParamsDict({"reason": Param("", type="string", title="Reason", description="Kept in the ledger.")})


class ApprovedStepOperator(StepOperator):
    """Promotes, or not, as a person says; asks nobody where the gate said no."""

    def execute(self, context: Any) -> dict[str, Any]:
        """Ask and wait, unless there is nothing to decide or it was decided in an earlier try."""
        ti = context["ti"]
        compared = (ti.xcom_pull(task_ids="compare") or {}).get("values", {})
        try:
            answered = decided(self.work(ti))
        except MlcycleError as error:
            raise StepFailed(f"{self.step.name}: {error.message}") from None
        if answered or compared.get("verdict") != "promote":
            return self._execute(context, None)
        within = self.project.approval.within
        upsert_hitl_detail(
            ti_id=ti.id,
            options=list(OPTIONS),
            subject=f"{self.project.name}: promote challenger version {compared.get('challenger')}?",
            body=self._body(ti, compared),
            params={name: FORM.get_param(name).serialize() for name in FORM},
        )
        self.log.info("a person is asked, for %s at the most", format_duration(within))
        asked_about = {"comparison": compared.get("comparison_id")}
        raise TaskAwaitingInput(method_name="answered", kwargs=asked_about, timeout=within)

    def answered(self, context: Any, event: dict[str, Any], comparison: int | None) -> dict[str, Any]:
        """Run the step with Airflow's record of the answer to this very comparison."""
        if "error" in event:
            raise AirflowFailException(
                f"nobody answered within {format_duration(self.project.approval.within)}: "
                "the challenger is not promoted; clear the task to ask again"
            )
        now = (context["ti"].xcom_pull(task_ids="compare") or {}).get("values", {})
        if now.get("comparison_id") != comparison:
            raise AirflowFailException(
                f"the question was about comparison {comparison}, the task 'compare' now names "
                f"{now.get('comparison_id')}: clear the task to ask again"
            )
        return self._execute(context, _decision(event))

    def _body(self, ti: Any, compared: dict[str, Any]) -> str:
        page = ti.xcom_pull(task_ids="compare", key="link_comparison") or ""
        link = f"\n\n[Comparison with the champion]({page})" if page else ""
        return f"The gate said **promote**: {'; '.join(map(str, compared.get('reasons', [])))}{link}"


def _decision(event: dict[str, Any]) -> Decision:
    """The contract's decision out of Airflow's event."""
    user, at = event.get("responded_by_user"), event.get("responded_at")
    (option, *_) = event.get("chosen_options") or [""]
    if not user or option not in OPTIONS:
        raise AirflowFailException(
            "Airflow's record of the answer names no user: clear the task to ask again"
        )
    return Decision(
        choice=OPTIONS[option],
        user=str(user.get("name") or user["id"]),
        user_id=str(user.get("id") or ""),
        at=at if isinstance(at, datetime) else datetime.now(UTC),
        reason=str((event.get("params_input") or {}).get("reason") or "")[:500],
    )
