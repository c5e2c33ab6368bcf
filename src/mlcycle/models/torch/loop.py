"""The training loop: rows and network come from elsewhere, and what is told goes elsewhere.

Seeded: the same rows, parameters, threads and device give the same weights, also where an attempt that died
left a checkpoint and this one goes on from it. Several processes that share each batch end with what one
process would, up to the order of sums.
"""

import math
from dataclasses import dataclass, field
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcycle.errors import ConfigError, InputError
from mlcycle.models.base import Job
from mlcycle.models.checkpoint import Checkpoint
from mlcycle.models.torch.gang import TOGETHER, Gang
from mlcycle.models.torch.held import Held, hold
from mlcycle.models.torch.interrupt import Interrupt
from mlcycle.models.torch.meter import Meter
from mlcycle.models.torch.params import TrainingParams
from mlcycle.models.torch.rows import Batch, Order, Resident, Streamed

LOOKED_AT: Final = 1 << 16  # validation rows at a time


@dataclass(frozen=True)
class Goal:
    """What the network is to say: the log odds of a class, or a label in units of ``scale`` from ``mean``.

    Of many ``classes`` a score for each of them, of ``quantiles`` the label's at each level.
    """

    probability: bool
    mean: float = 0.0
    scale: float = 1.0
    classes: int = 0
    quantiles: tuple[float, ...] = ()
    own: bool = False  # the network says its losses itself

    @property
    def outputs(self) -> int:
        """Columns that the network says; 0: none, it says (n,)."""
        return self.classes or len(self.quantiles)

    def losses(self, said: Tensor, labels: Tensor) -> Tensor:
        """Cross entropy, squared error, or the mean pinball loss of the quantiles of each row (n,)."""
        if self.own:
            return said
        if self.quantiles:
            levels = torch.tensor(self.quantiles, dtype=said.dtype, device=said.device)
            short = labels[:, None] - said
            return torch.maximum(levels * short, (levels - 1) * short).mean(dim=1)
        if self.classes:
            return functional.cross_entropy(said, labels.long(), reduction="none")
        if self.probability:
            return functional.binary_cross_entropy_with_logits(said, labels, reduction="none")
        return (said - labels) ** 2

    @property
    def unit(self) -> float:
        """By which a loss is multiplied to be in the label's own unit, squared but of quantiles."""
        if self.own:
            return 1.0
        return self.scale if self.quantiles else self.scale * self.scale


@dataclass
class Best:
    """The weights that the fit ends with, so far."""

    state: dict[str, Tensor]
    loss: float = math.inf
    epoch: int = 0


@dataclass
class Training:
    """One fit: everything that the loop changes."""

    network: nn.Module
    goal: Goal
    params: TrainingParams
    job: Job
    gang: Gang
    name: str
    held: Held = field(init=False)
    optimizer: torch.optim.Optimizer = field(init=False)
    schedule: torch.optim.lr_scheduler.LRScheduler = field(init=False)

    def run(self, rows: Resident | Streamed, later: Resident | Streamed) -> Best:
        """Train for all epochs, or until the loss on ``later`` rows has not fallen for ``patience`` of them,
        and leave the best weights in the network; or those of epoch ``job.rounds``, where that is given.
        Of a network in shares only the first process has the best weights then.

        Raises:
            InputError: if the loss is no number any more.
            ConfigError: if the network is to be compiled and cannot be.
        """
        params, job, gang = self.params, self.job, self.gang
        self.held = held = hold(self.network, gang, shares=params.shares)
        self._prepare(rows.count)
        model = self._model()
        order, meter, best = Order(params.seed), Meter(gang.device), Best(held.weights())
        last = min(job.rounds or params.epochs, params.epochs)
        checkpoint = Checkpoint(job.checkpoints, self._facts(rows), _seconds(params.checkpoint_minutes))
        parts = {**held.parts(self.optimizer), "schedule": self.schedule, "order": order, "meter": meter}
        first, over = 1, False
        if (kept := self._resumed(checkpoint, parts)) is not None:
            first, over, best = kept["epoch"], kept["over"], Best(**kept["best"])

        def keep(epoch: int, *, over: bool = False) -> None:
            left = {"best": dict(vars(best)), "epoch": epoch, "over": over}
            random = gang.gathered(checkpoint.random())
            held.gather()
            if gang.leads:
                checkpoint.keep(parts, left, force=True, random=random)

        with Interrupt() as interrupt:
            for epoch in range(first, last + 1):
                if over:
                    break
                for batch in rows.shuffled(order, params.batch_size, gang.share, meter.clock):
                    meter.add(*self._step(model, batch), batch)
                    order.done += 1
                    if order.done % (TOGETHER if gang.size > 1 else 1):
                        continue
                    due, ends = gang.any(gang.leads and checkpoint.due(), interrupt.asked)
                    if due or ends:
                        keep(epoch)
                    if ends:
                        gang.wait()
                        interrupt.go_on()
                order.done = 0
                learnt = meter.loss(gang.summed)
                seen = self._loss_on(later)
                if not (math.isfinite(learnt) and math.isfinite(seen)):
                    raise InputError(
                        f"{self.name} diverged in epoch {epoch}: choose a smaller learning_rate, or clip"
                    )
                losses = {"train_loss": learnt * self.goal.unit, "validation_loss": seen * self.goal.unit}
                figures = {**losses, "learning_rate": self.schedule.get_last_lr()[0], **meter.told()}
                stop = gang.leads and bool(job.report(epoch, last, figures))
                if seen < best.loss or job.rounds:
                    best = Best(held.weights(), seen, epoch)
                meter.reset()
                worse = params.patience is not None and epoch - best.epoch >= params.patience
                (stop,) = gang.decided(stop or (worse and not job.rounds))
                due, ends = gang.any(gang.leads and checkpoint.due(), interrupt.asked)
                if due or ends:
                    keep(epoch + 1, over=stop)
                if ends:
                    gang.wait()
                    interrupt.go_on()
                if stop:
                    break
        held.finish(best.state)
        return best

    def _prepare(self, rows: int) -> None:
        params = self.params
        self.optimizer = torch.optim.AdamW(
            self.held.model.parameters(),
            lr=params.learning_rate,
            weight_decay=params.weight_decay,
            fused=True,
        )
        # Half a cosine up, half a one down to nought: L. N. Smith and N. Topin, "Super-Convergence" (2019).
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(
            self.optimizer,
            max_lr=params.learning_rate,
            total_steps=params.epochs * -(-rows // params.batch_size) + 1,
            pct_start=params.warmup,
        )

    def _model(self) -> nn.Module:
        model = self.held.model
        if self.gang.rank:
            torch.manual_seed(self.params.seed + self.gang.rank)  # each process drops out values of its own
        return torch.compile(model) if self.params.compile else model

    def _step(self, model: nn.Module, batch: Batch) -> tuple[Tensor, Tensor]:
        """One step of the optimizer; returns the sum of its losses and the norm of its gradient."""
        self.held.asked.train()
        pieces = list(batch.pieces(self.params.accumulate, exactly=self.gang.size > 1))
        total = torch.zeros((), device=self.gang.device)
        for number, piece in enumerate(pieces, start=1):
            with self.held.together(last=number == len(pieces)):  # gradients are averaged once a batch
                loss = (self.goal.losses(self._said(model, piece), piece.labels) * piece.weights).sum()
                (loss * (self.gang.size / batch.count)).backward()
            total += loss.detach()
        norm = self.held.clipped(self.params.clip)
        self.optimizer.step()
        self.schedule.step()
        self.optimizer.zero_grad()
        return total, norm

    def _said(self, model: nn.Module, batch: Batch) -> Tensor:
        low = self.params.precision == "bf16" or (
            self.params.precision == "auto" and self.gang.device.type == "cuda"
        )
        try:
            with torch.autocast(self.gang.device.type, torch.bfloat16, enabled=low):
                return model(batch.codes, batch.numbers).float()
        except torch._dynamo.exc.BackendCompilerFailed as error:
            reason = " ".join(str(error).split())[:200]
            raise ConfigError(
                f"{self.name} cannot be compiled here, leave compile out or install a C++ compiler: {reason}"
            ) from None

    def _loss_on(self, later: Resident | Streamed) -> float:
        """Mean loss on all rows, each process looking at some of them."""
        self.held.asked.eval()
        sums = torch.zeros(2, dtype=torch.float64, device=self.gang.device)
        for batch in later.ordered(LOOKED_AT):
            mine = Batch(self.gang.share(batch.packed), batch.coded, batch.count)
            with torch.no_grad():
                losses = self.goal.losses(self._said(self.held.asked, mine), mine.labels)
            sums += torch.stack([(losses * mine.weights).sum(), mine.weights.sum()]).double()
        total, weight = self.gang.summed(sums).tolist()
        return float(total / weight)

    def _resumed(self, checkpoint: Checkpoint, parts: dict[str, Any]) -> dict[str, Any] | None:
        """What a dead attempt left; nothing, unless every process can read it."""
        kept = checkpoint.read()
        (lost,) = self.gang.any(kept is None)
        if kept is None or lost:
            return None
        checkpoint.apply(parts, kept, self.gang.rank)
        return kept

    def _facts(self, rows: Resident | Streamed) -> str:
        params = self.params.model_dump_json(exclude={"checkpoint_minutes"})
        where = f"{self.gang.device.type} {self.gang.size} {type(rows).__name__}"
        levels = f" {self.goal.quantiles}" if self.goal.quantiles else ""
        return f"{params} {where} {rows.count} {self.job.rounds}{levels}"


def _seconds(minutes: float | None) -> float | None:
    return None if minutes is None else 60 * minutes
