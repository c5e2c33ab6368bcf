"""Which parameters a search's values depend on."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from optuna import Study

LEAST = 6  # trials without which nothing can be said


def importances(study: "Study", seed: int) -> dict[str, float]:
    """The share of the values' variance that each parameter explains by itself, the largest first.

    Functional analysis of variance over a forest (Hutter, Hoos & Leyton-Brown, ICML 2014). Empty where fewer
    than ``LEAST`` trials went to their end, or all with one value.
    """
    import optuna
    from optuna.trial import TrialState

    ended = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(ended) < LEAST or len({each.value for each in ended}) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=seed)
    found = optuna.importance.get_param_importances(study, evaluator=evaluator)
    return {name: float(value) for name, value in sorted(found.items(), key=lambda each: -each[1])}
