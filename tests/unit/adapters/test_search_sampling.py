"""Samplers by name, each ask with one of its own: they find what they look for, and repeat themselves."""

import pytest

pytest.importorskip("optuna")

from mlcycle.adapters.search.sampling import decoded, distributions, encoded, pruner, sampler
from mlcycle.adapters.search.storage import quiet
from mlcycle.domain.search import Dimension
from mlcycle.errors import ConfigError

SPACE = {
    "x": Dimension("float", 0.001, 10, log=True),
    "y": Dimension("float", -5, 5),
    "layers": Dimension("choice", choices=([64, 32], [128], None)),
}


def found(
    method: str, trials: int, seed: int = 17, *, higher: bool = False
) -> list[tuple[float, dict[str, object]]]:
    """A search of a bowl with its bottom at x = 0.1, y = 1, layers [128]."""
    import math

    import optuna

    quiet()
    study = optuna.create_study(direction="maximize" if higher else "minimize")
    told = []
    for asked in range(trials):
        study.sampler = sampler(method, seed, asked)
        trial = study.ask(distributions(SPACE))
        values = decoded(SPACE, trial.params)
        loss = math.log10(values["x"] / 0.1) ** 2 + (values["y"] - 1) ** 2 / 4 + (values["layers"] != [128])
        study.tell(trial, -loss if higher else loss)
        told.append((loss, values))
    return told


@pytest.mark.parametrize("method", ["random", "tpe", "cmaes", "nsga2"])
def test_a_method_repeats_itself_by_its_seed_and_tries_nothing_twice(method: str) -> None:
    first = found(method, 12)
    assert first == found(method, 12)
    assert first != found(method, 12, seed=18)
    assert len({values["y"] for _, values in first}) == 12
    assert all(SPACE[name].contains(value) for _, values in first for name, value in values.items())


@pytest.mark.parametrize("higher", [False, True], ids=["down", "up"])
def test_cma_es_closes_in_on_the_bottom_out_of_the_trials_alone(higher: bool) -> None:
    """Its strategy is told the generations once more at each ask: no state is kept anywhere."""
    told = found("cmaes", 90, higher=higher)

    def bowl(some: list[tuple[float, dict[str, object]]]) -> float:
        return sum(loss - (values["layers"] != [128]) for loss, values in some) / len(some)

    assert bowl(told[60:]) < 0.1 * bowl(told[:12])


def test_tpe_does_better_than_chance() -> None:
    def last(method: str) -> float:
        return sum(loss for loss, _ in found(method, 40)[20:])

    assert last("tpe") < 0.6 * last("random")


def test_choices_travel_as_text_and_come_back_as_they_were() -> None:
    values = {"x": 0.5, "y": 1.0, "layers": [64, 32]}
    kept = encoded(SPACE, values)
    assert kept == {"x": 0.5, "y": 1.0, "layers": "[64,32]"}
    assert decoded(SPACE, kept) == values


def test_what_is_not_there_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"method gp needs torch, .* or choose method tpe"):
        sampler("gp", 1, 0)
    with pytest.raises(ConfigError, match="no method 'magic'"):
        sampler("magic", 1, 0)
    with pytest.raises(ConfigError, match="no pruner 'axe'"):
        pruner("axe")
