"""The cycle as data: which stages there are, their steps, what starts them and what they emit.

The DAG factory draws its DAGs from this and the command line runs a stage from it, so both agree.
It imports nothing heavy: Airflow's processes and the command line read it.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Literal, Protocol

from mlcycle.domain.closest import meant
from mlcycle.errors import ConfigError

#: What a monitor's wish emits: the asset ``shadow`` or ``retrain``, by the project's ``retrain.asks``.
WISH = "wish"
WISHES = {"shadow": "shadow", "page": "retrain"}

Each = Literal["", "table", "candidate", "search", "own"]
#: A step of a project's own: which one is its variant.
OWN: Final = "own"
RunsAfter = Literal["ok", "skipped", "anything", "a skip", "an ok"]


@dataclass(frozen=True)
class Step:
    """One step of a stage. ``each`` runs it once for each source table or candidate, or search: each
    candidate that has one. ``mapped`` runs each of them as many times side by side as the step before it
    says with its value ``workers``. ``variant`` is the one that a step of a project's own has.
    """

    name: str
    after: tuple[str, ...] = ()
    each: Each = ""
    emits: str = ""  # asset kind emitted when the step is ok
    runs_after: RunsAfter = "ok"  # the worst end of an upstream step that it runs after; or only such
    mapped: bool = False
    variant: str = ""


class Own(Protocol):
    """What :func:`with_own` asks of a project's own step."""

    @property
    def stage(self) -> str:
        """Of which it is a task."""

    @property
    def after(self) -> str:
        """The platform's step that it follows."""

    @property
    def holds(self) -> bool:
        """Whether what follows that step waits for it."""


@dataclass(frozen=True)
class Stage:
    """One DAG of a project: ``<project>_<name>``. ``starts_on`` names asset kinds, all of them.

    Best one alone: a run waits for ever where one of several is not emitted for its partition
    (no champion yet, so no predictions). ``raw`` is emitted once every table of the partition is
    settled, the label's among them.
    """

    name: str
    steps: tuple[Step, ...]
    starts_on: tuple[str, ...] = ()
    doc: str = ""
    params: dict[str, str] = field(default_factory=dict)  # form fields: name -> what it means

    def refusal(self, given: Iterable[str], *, also: Sequence[str] = ()) -> str:
        """``'frist': it takes first: did you mean 'first'?`` of the first parameter that it does not take.

        Empty where it takes all of them. ``also`` are fields of the form that no step reads.
        """
        takes = [*also, *self.params]
        unknown = sorted(set(given) - set(takes))
        if not unknown:
            return ""
        return f"{unknown[0]!r}: it takes {', '.join(takes) or 'none'}{meant(unknown[0], takes)}"


#: Parameters that the platform gives to steps by itself; a form and ``--param`` have none of them.
GIVEN: dict[str, str] = {
    "run_type": "backfill, of a run that fills the past",
    "source": "who asks for a retrain: schedule, monitor, person",
    "failed": "steps that failed for good, with why",
    "overdue": "the stage whose run did not end in time",
    "until": "the end of the rows that a dataset is made of; of a request that a person writes",
}


STAGES: dict[str, Stage] = {
    stage.name: stage
    for stage in (
        Stage(
            "ingest",
            (
                Step("extract", each="table"),
                Step("validate", after=("extract",), each="table"),
                Step("publish", after=("validate",), each="table", emits="raw"),
                Step("alert", after=("extract",), runs_after="a skip"),  # a delivery that did not come
            ),
            doc="Fetch each table's file of the partition, check it, publish it in one transaction.",
            params={"first": "first partition of a range that ends with the run's; empty for it alone"},
        ),
        Stage(
            "absent",
            (Step("absent"),),
            doc="Say that partitions will never be delivered, so that nobody waits; or take it back.",
            params={
                "first": "first partition of a range that ends with the run's; empty for it alone",
                "table": "the table; empty for all of them",
                "reason": "why nothing will come, or why it will after all",
                "undo": "write yes to take an earlier declaration back",
            },
        ),
        Stage(
            "features",
            (Step("features"), Step("materialize", after=("features",), emits="features")),
            starts_on=("raw",),
            doc="Compute feature values that became known in the partition; bring the newest online.",
        ),
        Stage(
            "score",
            (Step("score", emits="predictions"),),
            starts_on=("features",),
            doc="Predict the partition's rows with the champion.",
        ),
        Stage(
            "monitor",
            (
                Step("labels"),
                Step("monitor", after=("labels",), runs_after="skipped"),
                Step("alert", after=("monitor",), runs_after="anything"),  # a monitor that died is an alert
                Step("request_retrain", after=("monitor",), emits=WISH),
            ),
            starts_on=("predictions",),
            doc="Join labels that became known, watch drift and performance, alert, ask for a shadow or a "
            "retrain.",
        ),
        Stage(
            "shadow",
            (
                Step("dataset"),
                Step("fit_shadow", after=("dataset",), each="candidate"),
                Step("shadow", after=("dataset", "fit_shadow")),
                Step("request_retrain", after=("shadow",), emits="retrain"),
            ),
            starts_on=("shadow",),
            doc="Train the champion's own recipe on all but the newest labelled rows, compare the two on "
            "those, and ask for a retrain if it is surely better. Nothing of it is registered or served.",
        ),
        Stage(
            "alerts",
            (Step("alert"),),
            doc="Tell what is due: pages nobody acknowledged, what was silenced, what a receiver missed.",
        ),
        Stage(
            "retrain",
            (Step("request_retrain", emits="retrain"),),
            doc="Ask for a retrain: by a person with a reason, or by the project's schedule.",
            params={"reason": "why the model should be trained again"},
        ),
        Stage(
            "train",
            (
                Step("dataset"),
                Step("train", after=("dataset",), each="candidate"),
                Step("evaluate", after=("dataset", "train")),
                Step("register", after=("evaluate",), emits="challenger"),
            ),
            starts_on=("retrain",),
            doc="Snapshot a dataset, train every candidate, measure them on the holdout, register the best.",
        ),
        Stage(
            "tune",
            (
                Step("dataset"),
                Step("tune_plan", after=("dataset",), each="search"),
                Step("tune_trial", after=("tune_plan",), each="search", mapped=True),
                # What was found is told, also where a worker died for good.
                Step("tune_conclude", after=("tune_plan", "tune_trial"), each="search", runs_after="an ok"),
            ),
            doc="Search a candidate's parameters: trials side by side, each trained on the train rows and "
            "chosen on the validation rows. The best is written as a candidate; nothing is registered.",
            params={
                "candidate": "whose parameters to search; empty for every candidate that has a search",
                "trials": "trials in all; empty as the project says",
                "minutes": "after which no new trial begins; empty as the project says",
                "gpu_hours": "hours of GPUs after which no new trial begins; empty as the project says",
                "money": "what may be spent until no new trial begins; empty as the project says",
                "method": "how to choose what is tried next; empty as the project says",
                "pruner": "how to end hopeless trials early; empty as the project says",
                "measure": "what a trial's value is of; empty as the project says",
                "fidelity": "what a pruner judges by; empty as the project says",
                "workers": "how many trials at once; empty as the project says",
                "study": "an earlier search to go on with, by its name; empty for a new one",
            },
        ),
        Stage(
            "promote",
            (
                Step("compare"),
                Step("refit", after=("compare",), each="candidate"),
                Step("promote", after=("compare", "refit"), emits="champion"),
                Step("reconcile", after=("promote",)),
            ),
            starts_on=("challenger",),
            doc="Compare the challenger with whoever is in place on the same fresh rows; train what passed "
            "again on all rows, and promote it.",
            params={"version": "registered version to compare; empty for the newest"},
        ),
        Stage(
            "rollback",
            (Step("rollback", emits="champion"), Step("reconcile", after=("rollback",))),
            doc="Make an earlier champion the champion again.",
            params={
                "to": "sequence number in the champion's history; empty for the one before",
                "reason": "why",
            },
        ),
    )
}

#: Database role of each step. ``promote`` alone may write the champion.
ROLES: dict[str, str] = {
    **dict.fromkeys(("extract", "validate", "publish", "absent"), "ingest"),
    **dict.fromkeys(
        (
            *("features", "materialize", "dataset", "train", "evaluate", "register", "compare", "refit"),
            *("score", "labels", "monitor", "alert", "request_retrain", "fit_shadow", "shadow"),
            *("tune_plan", "tune_trial", "tune_conclude", OWN),
        ),
        "train",
    ),
    **dict.fromkeys(("promote", "rollback", "reconcile"), "promote"),
}
ALL_ROLES = ("ingest", "train", "promote", "serve", "keep")  # keep: housekeeping

#: The step with which a stage has done its work.
LAST_STEP = {
    "ingest": "publish",
    "features": "materialize",
    "score": "score",
    "monitor": "monitor",
    "train": "register",
    "promote": "promote",
    "shadow": "shadow",
}
#: Steps whose every partition must go well; of the others the newest run alone counts.
BY_PARTITION = frozenset(
    {"extract", "validate", "publish", "features", "materialize", "score", "labels", "monitor"}
)


def with_own(stage: Stage, own: Mapping[str, Own]) -> Stage:
    """A stage with those of a project's own steps that are tasks of it.

    A step behind one that is followed by a step that ``holds`` waits for all of the project's own before it.
    Raises ConfigError as :func:`check_own` does.
    """
    check_own(own)
    mine = {name: step for name, step in own.items() if step.stage == stage.name}
    steps: list[Step] = []
    for step in stage.steps:
        held = any(each.holds and each.after in step.after for each in mine.values())
        steps.append(replace(step, after=(*step.after, OWN)) if held else step)
        steps += [
            Step(OWN, after=(step.name,), each=OWN, variant=name)
            for name, each in mine.items()
            if each.after == step.name
        ]
    return replace(stage, steps=tuple(steps))


def check_own(own: Mapping[str, Own]) -> None:
    """Raise ConfigError where one of a project's own steps cannot stand where it is said to."""
    for name, step in own.items():
        if step.stage not in STAGES:
            raise ConfigError(f"code.steps.{name}: no stage {step.stage!r}: there are {', '.join(STAGES)}")
        there = [each.name for each in STAGES[step.stage].steps]
        if step.after not in there:
            raise ConfigError(
                f"code.steps.{name}: stage {step.stage} has no step {step.after!r}: it has {', '.join(there)}"
            )
