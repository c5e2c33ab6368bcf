"""A smaller network that learns what a model says: distillation.

G. Hinton, O. Vinyals and J. Dean, "Distilling the Knowledge in a Neural Network" (2015). The student learns a
mixture of the model's answers and the labels; of a class and of a number that is the loss of either, mixed.
"""

from dataclasses import replace
from typing import TYPE_CHECKING

from mlcycle.domain.examples import Rows
from mlcycle.models.base import Job, Model
from mlcycle.models.export.graphs import NotConverted
from mlcycle.project.export import Distil

if TYPE_CHECKING:
    from mlcycle.models.export.forms import Onnx


def student(model: Model, job: Job, wanted: Distil) -> "Onnx":
    """A multilayer perceptron fitted on the model's own training rows.

    Args:
        model: the teacher.
        job: that it was fitted on; the student's rounds are chosen on its validation rows, by their labels.
        wanted: the student's layers and rounds, and how much the teacher's answers weigh.

    Raises NotConverted for a label of many classes, of quantiles or of a ranking.
    """
    from mlcycle.models.export.forms import network_of
    from mlcycle.models.registry import family, parse_params

    if model.card.quantiles or job.kind.many or job.kind.lists:
        raise NotConverted("a student learns the probability of one class, or a number")
    rows = job.train.whole()
    said = model.predict(rows.frame)
    mixed = wanted.weight * said + (1 - wanted.weight) * rows.labels
    of = replace(
        job,
        train=Rows(rows.frame, mixed, rows.weights),
        report=lambda *_: False,
        checkpoints=None,
        rounds=None,
        member_rounds={},
        folds=None,
        start=None,
        started_from=0,
    )
    batch = min(2048, max(64, len(mixed) // 100))
    given = {"layers": wanted.layers, "epochs": wanted.epochs, "batch_size": batch}
    return network_of(family("mlp").fit(of, parse_params("mlp", given), "mlp"))
