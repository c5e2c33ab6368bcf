"""What an epoch was like: its loss, the gradient, how fast, how long it waited for rows, how much memory."""

import resource
import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from mlcycle.models.torch.rows import Batch, Clock


class Meter:
    """Sums over the batches of an epoch; on the device, so that nothing waits for it."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.reset()

    def reset(self) -> None:
        """Begin an epoch."""
        self._sums = torch.zeros(2, dtype=torch.float64, device=self._device)  # of losses and of weights
        self._norm = torch.zeros((), device=self._device)
        self._rows, self._began, self.clock = 0, time.perf_counter(), Clock()
        self._seconds = 0.0

    def add(self, loss: Tensor, norm: Tensor, batch: Batch) -> None:
        """Take in a batch: its sum of losses, the norm of its gradient."""
        self._sums += torch.stack([loss, batch.weights.sum()])
        self._norm = norm.detach()
        self._rows += batch.count

    def loss(self, summed: Callable[[Tensor], Tensor]) -> float:
        """Mean loss of the epoch's rows while they were learnt, over all processes; its time is over."""
        total, weight = summed(self._sums.clone()).tolist()
        self._seconds = time.perf_counter() - self._began
        return float(total / weight)

    def told(self) -> dict[str, float]:
        """Figures by name. Rows and seconds are those since the epoch began, or was taken up again."""
        if self._device.type == "cuda":
            held = torch.cuda.max_memory_allocated(self._device)
        else:
            held = 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return {
            "gradient_norm": float(self._norm),  # of the epoch's last batch, before it was clipped
            "rows_per_second": self._rows / self._seconds,
            "waiting_share": self.clock.waited / self._seconds,
            "memory_mib": held / 2**20,
        }

    def state_dict(self) -> dict[str, Any]:
        """The sums."""
        return {"sums": self._sums, "norm": self._norm}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on with them."""
        self._sums, self._norm = (state[name].to(self._device) for name in ("sums", "norm"))
