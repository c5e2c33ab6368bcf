"""From a job to an exported network: rows are encoded, the loop runs, the best weights become a graph."""

import io
import math
import os
import warnings
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn

from mlcycle.domain.examples import Examples, Rows
from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import of_labels
from mlcycle.models.base import Job
from mlcycle.models.encoder import Encoder
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.gang import Gang, joined
from mlcycle.models.torch.loop import Goal, Training
from mlcycle.models.torch.params import TrainingParams
from mlcycle.models.torch.rows import Resident, Streamed, fits, pack, resident, streamed
from mlcycle.models.torch.scan import Scan, scan
from mlcycle.models.torch.start import weights

if TYPE_CHECKING:
    from mlcycle.models.torch.family import TorchModel

SAMPLE: Final = 256
CATEGORIES: Final = 100_000  # the most of a column
WHOLE: Final = 1_000_000  # rows up to which decoding them once is worth to hold them for it


@dataclass(frozen=True)
class Fitted:
    """An exported network, and what it says itself of some validation rows, to check it by."""

    graph: bytes
    sample: Any  # frame
    said: Array
    epoch: int  # whose weights these are
    encoder: Encoder
    trained: tuple[
        nn.Module, tuple[Tensor, Tensor]
    ]  # the network with its last step, and inputs of the sample


class Predictor(nn.Module):  # type: ignore[misc]
    """The network with its last step: a probability or those of all classes, or the label in its own unit.

    Quantiles are sorted: crossed ones come no farther from the true ones by it (``domain.quantiles``).
    """

    def __init__(self, network: nn.Module, goal: Goal) -> None:
        super().__init__()
        self.network, self.goal = network, goal

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """What the model predicts."""
        out = self.network(codes, numbers)
        if self.goal.classes:
            return torch.softmax(out, dim=1)
        if count := len(self.goal.quantiles):
            out = torch.topk(out, count, dim=1, largest=False, sorted=True).values
        return torch.sigmoid(out) if self.goal.probability else out * self.goal.scale + self.goal.mean


def fit(family: "type[TorchModel]", job: Job, params: TrainingParams, name: str) -> Fitted:
    """Fit and export. In a gang each process returns the same; with ``shares`` only what the first returns
    is the model.

    Raises what the loop raises, InputError for columns that are not what they should be, Unavailable
    where another process of the gang was lost.
    """
    _settle(job)
    locks = None if job.checkpoints is None else job.checkpoints.parent
    with joined(job.device, locks) as gang:
        learnt, later = _parts(job.train), _parts(job.validation)
        found = scan(learnt, job.categorical, job.numeric, job.text, limit=CATEGORIES, rare=params.rare)
        # A start's weights are of its own codes: a category that it does not know counts as never seen.
        encoder = found.encoder if job.start is None else job.start.card.encoder
        columns = Columns(encoder, family.missing_apart)
        goal = replace(_goal(job, found), own=family.own_loss)
        train = _rows(learnt, job.train.count, columns, goal, params, gang)
        validation = _rows(later, job.validation.count, columns, goal, params, gang)
        torch.manual_seed(params.seed)
        network = family.build(columns, params, goal.outputs)
        family.furnish(network, columns, learnt)
        with torch.no_grad():  # begin at the mean of the labels, so that no epoch is spent on finding it
            network.head.bias.copy_(_start(goal, found, learnt))
        if isinstance(job.start, family):
            network.load_state_dict(weights(job.start.graph))
        best = Training(network.to(gang.device), goal, params, job, gang, name).run(train, validation)
        told = family.finish(network.cpu(), columns, job)
        if told and gang.leads:
            job.report(best.epoch, best.epoch, told)
    answers = network.served() if family.own_loss else network
    predictor = Predictor(answers.cpu(), goal).eval()
    first = next(iter(later)).frame.iloc[:SAMPLE]
    sample = torch.from_numpy(columns.codes(first)), torch.from_numpy(columns.numbers(first))
    with torch.no_grad():
        said = predictor(*sample).double().numpy()
    return Fitted(_export(predictor, sample), first, said, best.epoch, encoder, (predictor, sample))


def _settle(job: Job) -> None:
    """What makes the same seed give the same weights: a thread more or less changes the order of sums."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # torch's notes on reproducibility ask for it
    torch.set_num_threads(max(1, job.threads // int(os.environ.get("LOCAL_WORLD_SIZE", "1"))))
    torch.use_deterministic_algorithms(True, warn_only=True)


class _Again:
    """Parts of rows that are read anew each time."""

    def __init__(self, examples: Examples) -> None:
        self._examples = examples

    def __iter__(self) -> Any:
        return self._examples.parts()


def _parts(examples: Examples) -> Iterable[Rows]:
    return [examples.whole()] if examples.count <= WHOLE else _Again(examples)


def _goal(job: Job, found: Scan) -> Goal:
    if job.kind.many:
        return Goal(True, classes=len(job.classes))
    if job.kind.classifies:
        return Goal(True)
    return Goal(False, found.mean, found.scale, quantiles=job.quantiles)


def _start(goal: Goal, found: Scan, learnt: Iterable[Rows]) -> Tensor:
    """(outputs,) what the network says before it has learnt anything of the inputs."""
    if goal.quantiles:
        found_at = of_labels(_some_labels(learnt, found.rows), goal.quantiles)
        return torch.from_numpy((found_at - goal.mean) / goal.scale).float()
    if not goal.probability:
        return torch.zeros(1)
    if goal.classes:
        counts = torch.ones(goal.classes, dtype=torch.float64)
        for part in learnt:
            counts += torch.from_numpy(np.bincount(part.labels.astype(np.int64), minlength=goal.classes))
        return torch.log(counts / counts.sum()).float()
    positive = found.mean * found.rows
    return torch.tensor([math.log((positive + 1) / (found.rows - positive + 1))])


def _some_labels(learnt: Iterable[Rows], count: int) -> Array:
    """At most ``WHOLE`` labels, evenly: where quantiles begin need be known no better."""
    step = -(-count // WHOLE)
    return np.concatenate([part.labels[::step] for part in learnt])


def _rows(
    parts: Iterable[Rows], count: int, columns: Columns, goal: Goal, params: TrainingParams, gang: Gang
) -> Resident | Streamed:
    packed = (pack(columns, part, goal.mean, goal.scale) for part in parts)
    (away,) = gang.decided(not fits(count, columns, gang.device) if params.stream is None else params.stream)
    if away:
        return streamed(packed, columns, params.batch_size, gang.device)
    return resident(packed, columns, count, gang.device)


def _export(predictor: Predictor, sample: tuple[Tensor, Tensor]) -> bytes:
    """The predictor as ONNX, for any number of rows."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        # torch 2.13: the exporter by torch.export takes 4 s for this graph, the one by tracing 0.1 s.
        torch.onnx.export(
            predictor,
            sample,
            stream,
            dynamo=False,
            input_names=["codes", "numbers"],
            output_names=["prediction"],
            dynamic_axes={"codes": {0: "rows"}, "numbers": {0: "rows"}, "prediction": {0: "rows"}},
        )
    return stream.getvalue()
