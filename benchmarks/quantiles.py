"""What predicted quantiles are worth: conformal shifts on made-up labels, and the weather's October.

Run: ``python -m benchmarks.quantiles simulate``, ``drifted`` (a minute each) and ``weather`` (ten); the
tables are docs/quantiles.md's.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mlcycle.domain.evaluation.conformal import choose, fit, shifted
from mlcycle.domain.metrics import Array
from mlcycle.domain.quantile_metrics import row_figures, row_pinball
from mlcycle.domain.quantiles import of_labels, paired

LEVELS = [0.1, 0.5, 0.9]
TIMES, OWN, LATER = 2000, 500, 2000
#: Noise of a row, whose spread the model takes as one for all rows.
NOISE: dict[str, Callable[[np.random.Generator, Array], Array]] = {
    "normal": lambda draw, x: draw.standard_normal(len(x)),
    "heavy tails (t, 2 degrees of freedom)": lambda draw, x: draw.standard_t(2, len(x)),
    "spread that grows with x": lambda draw, x: (0.2 + 2 * x) * draw.standard_normal(len(x)),
    "skewed (exponential)": lambda draw, x: draw.exponential(1.0, len(x)),
}
#: What a model says, in widths of an interval that holds .8 of standard normal noise.
MODELS = {"right for normal noise": 1.0, "too sure by half": 0.5, "twice too wide": 2.0}
WEATHER_LEVELS = [0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95]


def simulate() -> None:
    """Coverage of the interval of .8 before and after shifts, and after shifts that had to help."""
    print("| noise | the model is | coverage | shifted | sd of it over draws | kept | then |")
    print("|---|---|---|---|---|---|---|")
    for noise, make in NOISE.items():
        for model, width in MODELS.items():
            draw, found = np.random.default_rng(7), []
            for _ in range(TIMES):
                own, later = _made(draw, make, width, OWN), _made(draw, make, width, LATER)
                shifts, chosen = fit(*own), choose(*own, np.arange(OWN) * 20 // OWN).shifts
                after = shifted(shifts, later[1])
                kept = later[1] if chosen is None else shifted(chosen, later[1])
                held = [_held(later[0], each) for each in (later[1], after, kept)]
                found.append([*held, chosen is not None])
            before, after_, then, share = np.mean(found, axis=0)
            spread = np.std(np.array(found)[:, 1])
            cells = f"{before:.3f} | {after_:.3f} | {spread:.3f} | {share:.2f} | {then:.3f}"
            print(f"| {noise} | {model} | {cells} |", flush=True)


def drifted() -> None:
    """The same where later rows are of another time: the noise's spread grows by so much."""
    print("| later noise is wider by | coverage | shifted |\n|---|---|---|")
    for wider in (1.0, 1.25, 1.5, 2.0):
        draw, found = np.random.default_rng(8), []
        for _ in range(TIMES):
            own = _made(draw, NOISE["normal"], 0.5, OWN)
            later = _made(draw, lambda g, x, by=wider: by * g.standard_normal(len(x)), 0.5, LATER)
            found.append([_held(later[0], later[1]), _held(later[0], shifted(fit(*own), later[1]))])
        before, after = np.mean(found, axis=0)
        print(f"| {wider - 1:.0%} | {before:.3f} | {after:.3f} |")


def _made(
    draw: np.random.Generator, noise: Callable[[np.random.Generator, Array], Array], width: float, rows: int
) -> tuple[Array, Array]:
    x = draw.random(rows)
    labels = 3 * x + noise(draw, x)
    values = 3 * x[:, None] + width * np.array([-1.2815515655, 0.0, 1.2815515655])
    return labels, paired(LEVELS, values)


def _held(labels: Array, said: Array) -> float:
    return float(row_figures(labels, said)["coverage_80"].mean())


def weather() -> None:
    """Candidates on October of the weather, trained on January to August, shifted on September."""
    from benchmarks.common import postgres, warehouse
    from benchmarks.honest_numbers import SPLIT, prepared
    from benchmarks.october import BOOSTED, REACH
    from tests.conftest import ROOT

    from mlcycle import models
    from mlcycle.adapters.artifacts.store import ArtifactStore
    from mlcycle.adapters.datasets.training_data import columns_of, labels_of, read_split
    from mlcycle.domain.evaluation.of_quantiles import of_rows
    from mlcycle.models.quantile_models import said as said_by
    from mlcycle.project import Project
    from mlcycle.project.file import load_named
    from mlcycle.steps.opening import blocks_of

    document = load_named(ROOT / "projects", "weather").document()
    document["label"]["quantiles"] = WEATHER_LEVELS
    document["candidates"] |= {
        "lightgbm": {"family": "lightgbm", "params": {"num_iterations": 150, "learning_rate": 0.06}},
        "line": {"family": "linear", "params": {}},
        "mlp": {"family": "mlp", "params": {"epochs": 30, "batch_size": 256, "layers": [64, 32], "rare": 5}},
    }
    document["candidates"]["boosting"]["params"] = BOOSTED
    project = Project.model_validate({**document, "split": {**SPLIT, "min_rows": 10_000}})
    with postgres() as (server, folder):
        settings = warehouse(server, folder)
        job, _, manifest = prepared(project, settings, folder, 1, *REACH["weather"])
        store, columns = ArtifactStore(settings["train"].artifacts_url), [*columns_of(project), "event_time"]
        october = read_split(store, manifest, "holdout", columns, folder / "october")
        september = read_split(store, manifest, "validation", columns, folder / "september")
    labels, block = labels_of(october, "holdout", "regression"), project.gate.block
    blocks, earlier = (blocks_of(each["event_time"], block) for each in (october, september))
    job, known = (
        replace(job, quantiles=tuple(WEATHER_LEVELS)),
        labels_of(september, "validation", "regression"),
    )
    names = ("pinball", "coverage_80", "width_80", "interval_score_80", "coverage_90")
    print(f"| candidate | {' | '.join(names)} | mae | fit, CPU s |\n{8 * '|---'}|")

    def told(name: str, said: Array, seconds: float) -> None:
        found = of_rows(labels, said, blocks)
        cells = [f"{found[key].value:.3f} [{found[key].low:.3f}, {found[key].high:.3f}]" for key in names]
        off = np.abs(said[:, len(WEATHER_LEVELS) // 2, 0] - labels).mean()
        print(f"| {name} | {' | '.join(cells)} | {off:.3f} | {seconds:.0f} |", flush=True)

    zero = of_labels(job.train.whole().labels, WEATHER_LEVELS)
    told("zero rule", paired(WEATHER_LEVELS, np.tile(zero, (len(labels), 1))), 0)
    for name, candidate in project.candidates.items():
        if not models.family(candidate.family).learns_quantiles:
            continue
        began = time.process_time()
        params = models.parse_params(candidate.family, candidate.params)
        model = models.family(candidate.family).fit(job, params, candidate.family)
        seconds = time.process_time() - began
        said, before = (said_by(model, each, WEATHER_LEVELS) for each in (october, september))
        told(name, said, seconds)
        chosen = choose(known, before, earlier)
        assert chosen.asked is not None
        after = shifted(chosen.asked, said)
        told(f"{name}, shifted ({'kept' if chosen.shifts else 'not kept'})", after, 0)
        print(f"  {name}: pinball {row_pinball(labels, said).mean():.4f}, {chosen.why}", flush=True)


if __name__ == "__main__":
    {"simulate": simulate, "drifted": drifted, "weather": weather}[sys.argv[1]]()
