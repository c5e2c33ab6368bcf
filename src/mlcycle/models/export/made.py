"""Write what a candidate asks for beside its model, each form checked and measured; tell what came of it."""

import json
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import numpy as np

from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array
from mlcycle.models.base import Job, Model
from mlcycle.models.export import compress
from mlcycle.models.export.forms import network_of, onnx_of
from mlcycle.models.export.graphs import NotConverted
from mlcycle.models.export.program import program, said
from mlcycle.project.export import Export

FOLDER: Final = "export"
REPORT: Final = "export.json"
ROWS: Final = 20_000  # that forms are checked and timed on
CALIBRATED: Final = 2_000  # training rows that ranges of activations are measured on
BATCH: Final = 500
TIMES: Final = 3

Measure = Callable[[Array], Mapping[str, Any]]


@dataclass(frozen=True)
class Made:
    """What came of one form: facts where it was written, else why it was not."""

    name: str
    facts: Mapping[str, Any]
    reason: str = ""

    def __str__(self) -> str:
        if self.reason:
            return f"{self.name} was not made: {self.reason}"
        told = [f"differs by {self.facts['worst']:.1e} at the most"]
        told += [f"{self.facts['bytes'] / 1024:.0f} KiB", f"{self.facts['rows_per_second']:.0f} rows/s"]
        return f"{self.name}: {', '.join(told)}"


def write(
    model: Model, wanted: Export, frame: Any, measure: Measure, folder: Path, job: Job | None = None
) -> list[Made]:
    """Write the forms that are wanted into ``folder/export``, and ``export.json`` that tells of each.

    Args:
        model: as it was fitted.
        wanted: the candidate's ``export``.
        frame: rows to check and measure with; those of validation.
        measure: figures of predictions, as the model says them, for all of these rows.
        folder: the model's own.
        job: that it was fitted on: what forms that learn from training rows need.

    A form that cannot be made, or that is not the model's equal within its tolerance, is left out with the
    reason: the model itself is none the worse. Of compressed forms the figures are told.
    """
    shown = frame.iloc[np.unique(np.linspace(0, len(frame) - 1, min(len(frame), ROWS)).astype(int))]
    own = model.predict(shown)
    before = dict(measure(model.predict(frame)))
    found: list[Made] = []

    def attempt(name: str, make: Callable[[], Made]) -> None:
        try:
            found.append(make())
        except NotConverted as error:
            found.append(Made(name, {}, str(error)))
        except ImportError as error:
            found.append(Made(name, {}, f"{error}: install the extra onnx, or torch for networks"))

    def equal(name: str, file: str, data: bytes, predict: Callable[[], Array], tolerance: float) -> Made:
        worst = _worst(own, predict())
        if not worst <= tolerance * max(1.0, float(np.max(np.abs(own), initial=0.0))):
            raise NotConverted(f"it differs from the model by {worst:.1e}, more than {tolerance:.0e}")
        facts = {"worst": worst, "tolerance": tolerance, "rows": len(shown), **_speed(predict, len(shown))}
        return _written(folder, name, file, data, facts)

    def onnx() -> Made:
        form = onnx_of(model)
        made = equal("onnx", "model.onnx", form.graph, lambda: form.predict(shown), form.tolerance)
        return Made(made.name, {**made.facts, "reads": form.reads})

    def exported() -> Made:
        inputs, data = network_of(model).inputs(shown), program(model)
        return equal("exported_program", "model.pt2", data, lambda: said(data, **inputs), 1e-4)

    def smaller(name: str, file: str, make: Callable[[bytes], bytes]) -> Made:
        base = network_of(model)
        form = replace(base, bare=make(base.bare), tolerance=np.inf)
        facts = {
            "worst": _worst(own, form.predict(shown)),
            "rows": len(shown),
            **_speed(lambda: form.predict(shown), len(shown)),
            "network_bytes": len(base.graph),
            "network_deflated": len(zlib.compress(base.graph)),
            "network_rows_per_second": _speed(lambda: base.predict(shown), len(shown))["rows_per_second"],
            "figures": dict(measure(form.predict(frame))),
            "network_figures": before,
        }
        return _written(folder, name, file, form.graph, facts)

    def static() -> Made:
        rows = _learnt(job).frame.iloc[:CALIBRATED]
        base = network_of(model)
        batches = [base.inputs(rows.iloc[at : at + BATCH]) for at in range(0, len(rows), BATCH)]
        return smaller("int8_static", "int8_static.onnx", lambda graph: compress.int8_static(graph, batches))

    def distilled() -> Made:
        from mlcycle.models.export.student import student

        assert wanted.distil is not None
        if job is None:
            raise NotConverted("a student learns from training rows, which are not at hand here")
        form = student(model, job, wanted.distil)
        facts = {
            "worst": _worst(own, form.predict(shown)),
            "rows": len(shown),
            **_speed(lambda: form.predict(shown), len(shown)),
            "model_rows_per_second": _speed(lambda: model.predict(shown), len(shown))["rows_per_second"],
            "figures": dict(measure(form.predict(frame))),
            "model_figures": before,
            "reads": form.reads,
        }
        return _written(folder, "distilled", "distilled.onnx", form.graph, facts)

    if wanted.onnx:
        attempt("onnx", onnx)
    if wanted.exported_program:
        attempt("exported_program", exported)
    if wanted.int8:
        attempt("int8", lambda: smaller("int8", "int8.onnx", compress.int8))
    if wanted.prune is not None:
        share = wanted.prune
        attempt(
            "pruned", lambda: smaller("pruned", "pruned.onnx", lambda graph: compress.prune(graph, share))
        )
    if wanted.low_rank is not None:
        energy = wanted.low_rank
        attempt(
            "low_rank",
            lambda: smaller("low_rank", "low_rank.onnx", lambda graph: compress.low_rank(graph, energy)),
        )
    if wanted.int8_static:
        attempt("int8_static", static)
    if wanted.distil is not None:
        attempt("distilled", distilled)
    if found:
        _tell(folder, found)
    return found


def _learnt(job: Job | None) -> Rows:
    """Training rows. Raises NotConverted where there are none at hand."""
    if job is None:
        raise NotConverted("ranges are measured on training rows, which are not at hand here")
    return next(iter(job.train.parts()))


def metrics(found: list[Made]) -> list[tuple[str, float]]:
    """What MLflow is told, ``export_<form>_<figure>``; of compressed forms each figure of validation, too."""
    told = []
    for one in found:
        facts = {**one.facts, **{f"validation_{k}": v for k, v in one.facts.get("figures", {}).items()}}
        wanted = ("worst", "bytes", "deflated", "rows_per_second")
        told += [
            (f"export_{one.name}_{key}", float(value))
            for key, value in facts.items()
            if (key in wanted or key.startswith("validation_")) and isinstance(value, int | float)
        ]
    return told


def _worst(one: Array, other: Array) -> float:
    return float(np.max(np.abs(one - other), initial=0.0))


def _speed(predict: Callable[[], Array], rows: int) -> dict[str, float]:
    """Rows a second of a core, encoding and all: the median of a few."""
    seconds = []
    predict()  # what is made once, at the first call
    for _ in range(TIMES):
        began = time.process_time()
        predict()
        seconds.append(time.process_time() - began)
    return {"rows_per_second": round(rows / max(float(np.median(seconds)), 1e-9))}


def _written(folder: Path, name: str, file: str, data: bytes, facts: Mapping[str, Any]) -> Made:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    (folder / FOLDER / file).write_bytes(data)
    sizes = {"bytes": len(data), "deflated": len(zlib.compress(data))}
    return Made(name, {"file": f"{FOLDER}/{file}", **sizes, **facts})


def _tell(folder: Path, found: list[Made]) -> None:
    (folder / FOLDER).mkdir(parents=True, exist_ok=True)
    forms = {one.name: {"reason": one.reason} if one.reason else one.facts for one in found}
    text = json.dumps({"version": "mlcycle.export/1", "forms": forms}, indent=1, default=str)
    (folder / FOLDER / REPORT).write_text(text, encoding="utf-8")
