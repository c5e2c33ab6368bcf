"""The torch side of :mod:`mlcycle.models.deep_cross`: the network, its training, its export."""

import io
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array
from mlcycle.errors import InputError
from mlcycle.models.base import Job
from mlcycle.models.checkpoint import Checkpoint
from mlcycle.models.deep_cross_params import DeepCrossParams
from mlcycle.models.encoder import Encoder

SAMPLE = 256


@dataclass(frozen=True)
class Fitted:
    """An exported network, and its own predictions for the first validation rows, to check it by."""

    graph: bytes
    sample: Array
    epoch: int  # whose weights these are


class Network(nn.Module):  # type: ignore[misc]
    """Logits (n,) out of codes (n, categorical) and standardised numbers (n, numeric)."""

    def __init__(self, categories: list[int], numeric: int, params: DeepCrossParams) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(
            nn.Embedding(count + 1, min(params.embedding, count + 1)) for count in categories
        )
        width = sum(e.embedding_dim for e in self.embeddings) + numeric
        self.crosses = nn.ModuleList(nn.Linear(width, width) for _ in range(params.cross_layers))
        deep: list[nn.Module] = []
        before = width
        for size in params.layers:
            deep += [nn.Linear(before, size), nn.ReLU(), nn.Dropout(params.dropout)]
            before = size
        self.deep = nn.Sequential(*deep)
        self.head = nn.Linear(width + before, 1)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Logits, or the value in units of the training labels' spread."""
        x0 = torch.cat([e(codes[:, i]) for i, e in enumerate(self.embeddings)] + [numbers], dim=1)
        crossed = x0
        for cross in self.crosses:
            crossed = x0 * cross(crossed) + crossed
        return self.head(torch.cat([crossed, self.deep(x0)], dim=1))[:, 0]


class Predictor(nn.Module):  # type: ignore[misc]
    """The network with its last step: a probability, or the label in its own unit."""

    def __init__(self, network: Network, mean: float, scale: float, *, probability: bool) -> None:
        super().__init__()
        self.network, self.mean, self.scale, self.probability = network, mean, scale, probability

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """What the model predicts."""
        out = self.network(codes, numbers)
        return torch.sigmoid(out) if self.probability else out * self.scale + self.mean


def train(job: Job, train: Rows, validation: Rows, params: DeepCrossParams, encoder: Encoder) -> Fitted:
    """Train for all epochs and keep the weights of the one with the least validation loss; or those of epoch
    ``job.rounds``, where that is given.

    Seeded: the same rows, parameters and threads give the same weights on the CPU, also where an
    attempt that died left a checkpoint and this one goes on from it.
    """
    torch.set_num_threads(job.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    device = torch.device(job.device)
    probability = job.task == "classification"
    mean, scale = (0.0, 1.0) if probability else _unit(train.labels)
    rows, labels = _tensors(encoder, train.frame, (train.labels - mean) / scale, device)
    later, later_labels = _tensors(encoder, validation.frame, (validation.labels - mean) / scale, device)
    loss_of = functional.binary_cross_entropy_with_logits if probability else functional.mse_loss

    torch.manual_seed(params.seed)
    order = torch.Generator().manual_seed(params.seed)
    network = Network([len(c) for c in encoder.categories.values()], encoder.width, params).to(device)
    with torch.no_grad():  # begin at the mean of the labels, so that no epoch is spent on finding it
        network.head.bias.fill_(float(np.log(_odds(train.labels))) if probability else 0.0)
    optimizer = torch.optim.AdamW(
        network.parameters(), lr=params.learning_rate, weight_decay=params.weight_decay
    )
    batches = -(-len(labels) // params.batch_size)
    schedule = torch.optim.lr_scheduler.OneCycleLR(
        optimizer, max_lr=params.learning_rate, total_steps=params.epochs * batches + 1
    )
    best, best_loss, done, kept_epoch = _state(network), float("inf"), 0, 0
    last = min(job.rounds or params.epochs, params.epochs)
    made_of = f"{params.model_dump_json()} {job.device} {len(labels)} {job.rounds}"
    checkpoint = Checkpoint(job.checkpoints, made_of)
    parts = {"network": network, "optimizer": optimizer, "schedule": schedule, "order": order}
    if (kept := checkpoint.restore(parts)) is not None:
        best, best_loss, done = kept["best"], kept["best_loss"], kept["epoch"]
        kept_epoch = kept["best_epoch"]
    for epoch in range(done + 1, last + 1):
        network.train()
        total = torch.zeros((), device=device)
        for chosen in torch.randperm(len(labels), generator=order).split(params.batch_size):
            batch = chosen.to(device)
            loss = loss_of(network(*(part[batch] for part in rows)), labels[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.detach() * len(batch)
        network.eval()
        with torch.no_grad():
            seen_later = float(loss_of(network(*later), later_labels))
        unit = scale * scale
        seen = float(total) / len(labels)
        losses = {"train_loss": seen * unit, "validation_loss": seen_later * unit}
        stop = job.report(epoch, last, losses)
        if not np.isfinite(seen) or not np.isfinite(seen_later):
            raise InputError(f"deep_cross diverged in epoch {epoch}: choose a smaller learning_rate")
        if seen_later < best_loss or job.rounds:
            best, best_loss, kept_epoch = _state(network), seen_later, epoch
        left = {"best": best, "best_loss": best_loss, "epoch": epoch, "best_epoch": kept_epoch}
        checkpoint.keep(parts, left)
        if stop:
            break
    network.load_state_dict(best)
    predictor = Predictor(network.cpu().eval(), mean, scale, probability=probability)
    sample = tuple(part[:SAMPLE].cpu() for part in later)
    with torch.no_grad():
        predicted = predictor(*sample).double().numpy()
    return Fitted(_export(predictor, sample), predicted, kept_epoch)


def _export(predictor: Predictor, sample: tuple[Tensor, ...]) -> bytes:
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


def _tensors(
    encoder: Encoder, frame: Any, labels: Array, device: torch.device
) -> tuple[tuple[Tensor, Tensor], Tensor]:
    codes = torch.from_numpy(encoder.codes(frame)).to(device)
    numbers = torch.from_numpy(encoder.standardised(frame)).to(device)
    return (codes, numbers), torch.from_numpy(labels.astype(np.float32)).to(device)


def _unit(labels: Array) -> tuple[float, float]:
    """Mean and scale of the labels, so that the network learns in units of one."""
    spread = float(labels.std())
    return float(labels.mean()), spread if spread > 0 else 1.0


def _odds(labels: Array) -> float:
    return float((labels.sum() + 1) / (len(labels) - labels.sum() + 1))


def _state(network: Network) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in network.state_dict().items()}
