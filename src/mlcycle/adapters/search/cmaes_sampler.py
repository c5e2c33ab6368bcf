"""CMA-ES that keeps nothing between trials but the trials themselves.

Optuna's own sampler keeps the strategy's state pickled in the study. Here it is told the generations that
have ended once more, which takes milliseconds: N. Hansen & A. Ostermeier, "Completely Derandomized
Self-Adaptation in Evolution Strategies", Evolutionary Computation 2001, by the library cmaes.
"""

from typing import TYPE_CHECKING, Any

from optuna.samplers import BaseSampler, RandomSampler

if TYPE_CHECKING:
    from cmaes import CMA
    from optuna import Study
    from optuna.distributions import BaseDistribution
    from optuna.trial import FrozenTrial

GENERATION = "mlcycle:generation"


class CmaesSampler(BaseSampler):
    """Numbers by CMA-ES, on a scale from nought to one (logarithmic where the range says so); choices at
    random. Until a generation has ended all its trials are drawn from one distribution, by any worker.
    """

    def __init__(self, seed: int, asked: int) -> None:
        own = (seed * 1_000_003 + asked) % 2**31
        self._seed, self._own = seed, own
        self._others = RandomSampler(seed=own)

    def infer_relative_search_space(
        self, study: "Study", trial: "FrozenTrial"
    ) -> "dict[str, BaseDistribution]":
        """The numbers that a trial before has drawn."""
        from optuna.distributions import CategoricalDistribution

        every = next(
            (each.distributions for each in study.get_trials(deepcopy=False) if each.distributions), {}
        )
        numbers = {
            name: one
            for name, one in sorted(every.items())
            if not isinstance(one, CategoricalDistribution) and not one.single()
        }
        return numbers if len(numbers) > 1 else {}

    def sample_relative(
        self, study: "Study", trial: "FrozenTrial", search_space: "dict[str, BaseDistribution]"
    ) -> dict[str, Any]:
        """The next point of the generation that goes on."""
        if not search_space:
            return {}
        import numpy as np
        from optuna._transform import _SearchSpaceTransform

        scale = _SearchSpaceTransform(search_space, transform_0_1=True)
        strategy = self._strategy(study, scale, len(search_space))
        study._storage.set_trial_system_attr(trial._trial_id, GENERATION, strategy.generation)
        # Drawn by its own number: the strategy's draws would be the same for every worker of a generation.
        strategy._rng = np.random.RandomState(self._own)
        return dict(scale.untransform(strategy.ask()))

    def sample_independent(
        self, study: "Study", trial: "FrozenTrial", param_name: str, param_distribution: "BaseDistribution"
    ) -> Any:
        """A choice, or the first trial's numbers: at random."""
        return self._others.sample_independent(study, trial, param_name, param_distribution)

    def _strategy(self, study: "Study", scale: Any, dimensions: int) -> "CMA":
        import numpy as np
        from cmaes import CMA
        from optuna.study import StudyDirection
        from optuna.trial import TrialState

        bounds = np.column_stack([np.zeros(dimensions), np.ones(dimensions)])
        strategy = CMA(mean=np.full(dimensions, 0.5), sigma=1 / 6, bounds=bounds, seed=self._seed)
        sign = -1.0 if study.direction == StudyDirection.MAXIMIZE else 1.0
        told = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        while True:
            generation = [each for each in told if each.system_attrs.get(GENERATION) == strategy.generation]
            if len(generation) < strategy.population_size:
                return strategy
            ended = sorted(generation, key=lambda each: each.number)[: strategy.population_size]
            names = scale._search_space
            strategy.tell(
                [
                    (scale.transform({n: each.params[n] for n in names}), sign * (each.value or 0.0))
                    for each in ended
                ]
            )
