"""One search, kept by Optuna: its trials taken, told and, where their process died, taken again.

What makes the number of trials told exact: a trial is taken under a lock of the study's, where it is counted
together with those that run elsewhere; the database takes its end once; one whose process died is told
failed by whoever comes next, and its parameters wait to be taken again.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.search.sampling import asked, decoded, encoded, pruner, sampler
from mlcycle.adapters.search.storage import locked
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.domain.search import Budget, Dimension, Tried, label
from mlcycle.errors import InputError

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.storages import RDBStorage
    from optuna.trial import FrozenTrial

AGAIN = 2  # times that the parameters of a trial whose process died are tried again
LOST, HELD, SECONDS, SPREAD = "mlcycle:lost", "held", "seconds", "spread"


@dataclass(frozen=True)
class Plan:
    """What a search is of; it never changes, so that its values can be compared. JSON."""

    project: str
    candidate: str
    family: str
    params: dict[str, Any]  # those of the project file, below what is tried
    space: dict[str, Dimension]
    metric: str
    higher: bool  # whether more of the metric is better
    method: str
    pruner: str
    seed: int
    dataset: dict[str, str]  # uri and digest of the snapshot's manifest
    run_id: str = ""  # in MLflow, the parent of the trials'
    measure: str = "validation"
    fidelity: str = "rounds"
    folds: dict[str, Any] = field(default_factory=dict)  # as the project says, where they are the measure

    def ended(self, at: int) -> str:
        """Where a pruner ended a trial, in words."""
        return f"{at} rows" if self.fidelity == "rows" else f"round {at}"

    @classmethod
    def read(cls, document: Mapping[str, Any]) -> "Plan":
        """A plan out of JSON."""
        space = {
            name: Dimension(
                **{
                    **each,
                    "choices": tuple(each["choices"]),
                    "needs": tuple(each["needs"]) if each.get("needs") else None,
                }
            )
            for name, each in document["space"].items()
        }
        return cls(**{**document, "space": space})


@dataclass
class Taken:
    """A trial that this process has taken."""

    trial: "Trial"
    number: int
    values: dict[str, Any]  # of the parameters that are searched
    root: int  # the trial whose parameters these were first


@dataclass(frozen=True)
class Over:
    """Why no trial is to begin; ``running`` are those of others where they alone are in the way, each with
    the seconds that its last sign of life told.
    """

    why: str
    running: dict[int, float] = field(default_factory=dict)


@dataclass
class SearchStudy:
    """A study by its name. ``lost`` gets the MLflow runs of trials that were found dead."""

    storage: "RDBStorage"
    warehouse: Warehouse
    name: str
    lost: list[str] = field(default_factory=list)

    def make(self, plan: Plan, first: Sequence[Mapping[str, Any]], budget: Budget) -> Plan:
        """Make the study, or find the one of this name; ``first`` are values to be tried before all others.

        Returns the study's own plan: the one that it was made with.
        """
        import optuna

        kinds = optuna.study.StudyDirection
        direction = kinds.MAXIMIZE if plan.higher else kinds.MINIMIZE
        study = optuna.create_study(
            study_name=self.name, storage=self.storage, direction=direction, load_if_exists=True
        )
        with locked(self.warehouse, self.name):
            known = {
                label(each.system_attrs.get("fixed_params") or each.params)
                for each in study.get_trials(deepcopy=False)
            }
            for values in first:
                params = encoded(plan.space, values)
                if label(params) not in known:
                    study.enqueue_trial(params)
            if "plan" not in study.user_attrs:
                study.set_user_attr("plan", asdict(plan))
            study.set_user_attr("budget", asdict(budget))
            study.set_user_attr("planned", datetime.now(UTC).replace(tzinfo=None).isoformat())  # its age
        return self.plan

    @property
    def study(self) -> "Study":
        """Optuna's study. Raises InputError where there is none of this name."""
        import optuna

        try:
            return optuna.load_study(study_name=self.name, storage=self.storage)
        except KeyError:
            raise InputError(f"no study {self.name!r}: leave it empty for a new search") from None

    @property
    def plan(self) -> Plan:
        """What the search is of. Raises InputError for a study that is no search of ours."""
        document = self.study.user_attrs.get("plan")
        if document is None:
            raise InputError(f"study {self.name!r} was never planned: leave it empty for a new search")
        return Plan.read(document)

    @property
    def budget(self) -> Budget:
        """What the search may spend, as its newest plan says."""
        return Budget(**self.study.user_attrs["budget"])

    def take(self, work: str, token: int, spent: "Spent", budget: Budget) -> Taken | Over:
        """The next trial to run, or why none is to begin.

        Args:
            work: who takes it: the step's work, and the fencing token of this attempt at it.
            token: trials that an attempt of this work with a lower one held are dead.
            spent: what the trials cost so far.
            budget: beyond which none begins.
        """
        study, plan = self.study, self.plan
        with locked(self.warehouse, self.name):
            self._bury(study, work, token)
            trials = study.get_trials(deepcopy=False)
            told = sum(each.state.name in ("COMPLETE", "PRUNED") for each in trials)
            running = {
                each.number: float(each.user_attrs.get(SECONDS, 0))
                for each in trials
                if each.state.name == "RUNNING"
            }
            if why := spent.over(budget, sum(float(each.user_attrs.get(SECONDS, 0)) for each in trials)):
                return Over(why)
            if told + len(running) >= budget.trials:
                return Over(f"{told} trials are told, {len(running)} under way elsewhere", running)
            begun = sum(each.state.name != "WAITING" for each in trials)
            study.sampler = sampler(plan.method, plan.seed, begun)
            study.pruner = pruner(plan.pruner)
            trial = asked(study, plan.space)
            # In this order: Optuna 5 takes no trial for dead that never gave a sign of life, and one that
            # somebody holds is not taken for dead here.
            self.storage.record_heartbeat(trial._trial_id)
            trial.set_user_attr(HELD, {"work": work, "token": token})
        before = self.storage.get_trial(trial._trial_id).system_attrs.get(LOST, [])
        root = int(before[0]) if before else trial.number
        return Taken(trial, trial.number, decoded(plan.space, trial.params), root)

    def say(self, taken: Taken, **said: Any) -> None:
        """Keep facts with a trial; nothing where it was taken for dead meanwhile."""
        from optuna.exceptions import UpdateFinishedTrialError

        with suppress(UpdateFinishedTrialError):
            for key, each in said.items():
                taken.trial.set_user_attr(key, each)

    def tell(
        self, taken: Taken, value: float | None, *, pruned: bool = False, said: Mapping[str, Any]
    ) -> bool:
        """Tell how a trial ended: its value, that it was pruned, or, without a value, that it failed.

        ``said`` is kept with it. False where it was taken for dead meanwhile: another one has its place.
        """
        from optuna.exceptions import UpdateFinishedTrialError
        from optuna.trial import TrialState

        state = TrialState.PRUNED if pruned else TrialState.COMPLETE if value is not None else TrialState.FAIL
        try:
            for key, each in said.items():
                taken.trial.set_user_attr(key, each)
            told = self.study.tell(
                taken.trial.number, None if pruned else value, state=state, skip_if_finished=True
            )
        except UpdateFinishedTrialError:
            return False
        return told.state is state

    def tried(self) -> list[Tried]:
        """Every trial, by its number."""
        space = self.plan.space
        return [_tried(space, each) for each in self.study.get_trials(deepcopy=False)]

    def _bury(self, study: "Study", work: str, token: int) -> None:
        """Tell the trials failed whose process is dead, under the study's lock: they are tried again.

        Dead is what an earlier attempt of this very work held; what nobody holds, as whoever takes a trial
        says so before the lock is free again; and what gave no sign of life for long.
        """
        import optuna
        from optuna.trial import TrialState

        for trial in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            held = trial.user_attrs.get(HELD)
            if held is None or (held["work"] == work and held["token"] < token):
                self._tell_dead(study, trial)
        self.storage.heartbeat_stale_trial_callback = self._note
        optuna.storages.fail_stale_trials(study)
        self._try_again(study)

    def _tell_dead(self, study: "Study", trial: "FrozenTrial") -> None:
        from optuna.trial import TrialState

        study.tell(trial.number, state=TrialState.FAIL, skip_if_finished=True)
        self._note(study, trial)

    def _note(self, _study: "Study", trial: "FrozenTrial") -> None:
        if run := trial.user_attrs.get("run_id"):
            self.lost.append(run)

    def _try_again(self, study: "Study") -> None:
        """Put the parameters of each dead trial in the queue once, unless they died too often.

        By what stands in the tables and not by who was just told dead: who told so may have been killed
        before it could queue them, and a point of a grid would be lost.
        """
        import optuna

        trials = study.get_trials(deepcopy=False)
        followed = {before[-1] for each in trials if (before := each.system_attrs.get(LOST))}
        for trial in trials:
            if trial.state.name != "FAIL" or "error" in trial.user_attrs or trial.number in followed:
                continue
            before = [*trial.system_attrs.get(LOST, []), trial.number]
            if len(before) > AGAIN:
                continue
            study.add_trial(
                optuna.create_trial(
                    state=optuna.trial.TrialState.WAITING,
                    params=trial.params,
                    distributions=trial.distributions,
                    system_attrs={**trial.system_attrs, LOST: before},
                )
            )


@dataclass(frozen=True)
class Spent:
    """How a second of a trial counts, and since when the clock runs."""

    minutes: float  # gone by since the plan
    gpu_hours: float  # that a second of a trial takes
    money: float
    currency: str = ""

    def over(self, budget: Budget, seconds: float) -> str:
        """Why no new trial may begin after so many seconds of trials; empty where one may."""
        return budget.over(
            minutes=self.minutes,
            gpu_hours=self.gpu_hours * seconds,
            money=self.money * seconds,
            currency=self.currency,
        )


def _tried(space: Mapping[str, Dimension], trial: "FrozenTrial") -> Tried:
    attrs = trial.user_attrs
    states = {"COMPLETE": "told", "PRUNED": "pruned", "RUNNING": "running", "WAITING": "waiting"}
    state: Any = states.get(trial.state.name) or ("failed" if "error" in attrs else "lost")
    return Tried(
        number=trial.number,
        state=state,
        values=decoded(space, trial.params),
        value=trial.value if state == "told" else None,
        seconds=float(attrs.get(SECONDS, 0)),
        rounds=int(attrs.get("rounds", 0)),
        error=str(attrs.get("error", "")),
        run_id=str(attrs.get("run_id", "")),
        spread=attrs.get(SPREAD),
    )
