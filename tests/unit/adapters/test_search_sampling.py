"""Samplers by name, each ask with one of its own: they find what they look for, and repeat themselves."""

import pytest

pytest.importorskip("optuna")

from mlcycle.adapters.search.sampling import asked, decoded, distributions, encoded, pruner, sampler
from mlcycle.adapters.search.storage import quiet
from mlcycle.domain.architecture import built, dimensions
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
    for number in range(trials):
        study.sampler = sampler(method, seed, number)
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


LAYERED = {
    "rate": Dimension("float", 0.001, 1, log=True),
    **dimensions("layers", (1, 4), (8, 256), ("constant", "pyramid")),
}


@pytest.mark.parametrize("method", ["random", "tpe", "cmaes", "nsga2", "gp"])
def test_every_method_asks_for_architectures(method: str) -> None:
    """The best has three layers or more that get narrower; a shape is asked for two layers or more alone."""
    import optuna

    if method == "gp":
        pytest.importorskip("torch")
    quiet()

    def search() -> list[list[int]]:
        study, tried = optuna.create_study(), []
        for number in range(12 if method == "gp" else 24):
            study.sampler = sampler(method, 17, number)
            trial = asked(study, LAYERED)
            values = decoded(LAYERED, trial.params)
            assert ("layers.shape" in values) == (values["layers.depth"] > 1)
            widths = built(values)["layers"]
            study.tell(trial, abs(sum(widths) - 100) / 100 + abs(len(widths) - 3))
            tried.append(widths)
        return tried

    found = search()
    assert method == "gp" or found == search()
    assert {len(each) for each in found} > {1}
    assert any(len(set(each)) > 1 for each in found)
    assert all(8 <= each[0] <= 256 for each in found)


def test_a_list_that_waits_is_taken_as_it_is() -> None:
    import optuna

    quiet()
    study = optuna.create_study()
    waiting = {"rate": 0.1, "layers.depth": 2, "layers.width": 64, "layers.shape": "pyramid"}
    study.enqueue_trial(encoded(LAYERED, waiting))
    assert decoded(LAYERED, asked(study, LAYERED).params) == waiting


def test_the_rest_of_a_trial_that_died_amid_asking_is_asked_again() -> None:
    import optuna

    quiet()
    study = optuna.create_study()
    there = distributions({"layers.depth": LAYERED["layers.depth"]})
    waits = optuna.trial.TrialState.WAITING
    study.add_trial(optuna.create_trial(state=waits, params={"layers.depth": 3}, distributions=there))
    values = asked(study, LAYERED).params
    assert values["layers.depth"] == 3
    assert set(values) == set(LAYERED)
