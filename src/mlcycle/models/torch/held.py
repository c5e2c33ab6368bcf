"""How the processes of a training hold its network: each of them whole, or each a share (FSDP2).

With shares, the optimizer's state, the gradients and the weights are divided evenly; large tables of
embeddings are brought together one at a time while they are used, all else at once. Y. Zhao et al., "PyTorch
FSDP: Experiences on Scaling Fully Sharded Data Parallel", VLDB 2023.
"""

import copy
import math
from collections.abc import Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, Final, Protocol

import torch
from torch import Tensor, nn

from mlcycle.models.torch.gang import Gang

LARGE: Final = 1 << 16  # weights of a table that is worth messages of its own


class Held(Protocol):
    """The network as one process has it."""

    model: nn.Module  # what learns
    asked: nn.Module  # what is asked without learning

    def parts(self, optimizer: torch.optim.Optimizer) -> Mapping[str, Any]:
        """Network and optimizer for a checkpoint, each with ``state_dict`` and ``load_state_dict``."""

    def gather(self) -> None:
        """Bring together what a checkpoint takes of ``parts``; all processes do."""

    def together(self, *, last: bool) -> AbstractContextManager[Any]:
        """Around one piece of a batch: gradients are averaged over the processes in the ``last`` one."""

    def clipped(self, limit: float | None) -> Tensor:
        """The norm of the gradient (), which is ``limit`` at the most afterwards."""

    def weights(self) -> dict[str, Tensor]:
        """A copy of all weights, all processes asking; with shares only the first is given any."""

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """Put these weights into the network that the training was given."""


def hold(network: nn.Module, gang: Gang, *, shares: bool) -> Held:
    """The network, whole or in shares; one process alone has it whole either way."""
    return Shares(network, gang) if shares and gang.size > 1 else Whole(network, gang)


class Whole:
    """All of it in each process, gradients averaged."""

    def __init__(self, network: nn.Module, gang: Gang) -> None:
        self.asked = network
        self.model = gang.wrap(network)

    def parts(self, optimizer: torch.optim.Optimizer) -> Mapping[str, Any]:
        """As they are."""
        return {"network": self.asked, "optimizer": optimizer}

    def gather(self) -> None:
        """All is here."""

    def together(self, *, last: bool) -> AbstractContextManager[Any]:
        """Averaged once a batch."""
        found: AbstractContextManager[Any] = (
            nullcontext() if last or self.model is self.asked else self.model.no_sync()
        )
        return found

    def clipped(self, limit: float | None) -> Tensor:
        """By torch."""
        return nn.utils.clip_grad_norm_(self.asked.parameters(), limit or math.inf)

    def weights(self) -> dict[str, Tensor]:
        """In every process."""
        return {name: value.detach().clone() for name, value in self.asked.state_dict().items()}

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """In every process."""
        self.asked.load_state_dict(weights)


class Shares:
    """A share in each process."""

    def __init__(self, network: nn.Module, gang: Gang) -> None:
        from torch.distributed.device_mesh import init_device_mesh
        from torch.distributed.fsdp import fully_shard

        self.model = self.asked = copy.deepcopy(network)
        self._whole = network.cpu()
        mesh = init_device_mesh(gang.device.type, (gang.size,))
        for module in list(self.model.modules()):
            if isinstance(module, nn.Embedding) and module.weight.numel() >= LARGE:
                fully_shard(module, mesh=mesh)
        fully_shard(self.model, mesh=mesh)
        self._parts: tuple[_Gathered, ...] = ()

    def parts(self, optimizer: torch.optim.Optimizer) -> Mapping[str, Any]:
        """Brought together on ``gather`` in the first process's memory; each takes its share back."""
        from torch.distributed.checkpoint import state_dict as of

        whole, given = _options(cpu_offload=True), _options()
        model = self.model
        found = {
            "network": _Gathered(
                lambda: of.get_model_state_dict(model, options=whole),
                lambda state: of.set_model_state_dict(model, state, options=given),
            ),
            "optimizer": _Gathered(
                lambda: of.get_optimizer_state_dict(model, optimizer, options=whole),
                lambda state: of.set_optimizer_state_dict(model, optimizer, state, options=given),
            ),
        }
        self._parts = tuple(found.values())
        return found

    def gather(self) -> None:
        """A message for each tensor."""
        for part in self._parts:
            part.gather()

    @contextmanager
    def together(self, *, last: bool) -> Any:
        """Averaged once a batch."""
        self.model.set_requires_gradient_sync(last)
        yield

    def clipped(self, limit: float | None) -> Tensor:
        """Of all shares together."""
        return nn.utils.clip_grad_norm_(self.model.parameters(), limit or math.inf).full_tensor()

    def weights(self) -> dict[str, Tensor]:
        """In the first process's memory."""
        from torch.distributed.checkpoint.state_dict import get_model_state_dict

        return dict(get_model_state_dict(self.model, options=_options(cpu_offload=True)))

    def finish(self, weights: Mapping[str, Tensor]) -> None:
        """In the first process; that of the others stays as it was, and nobody asks it."""
        if weights:
            self._whole.load_state_dict(weights)


class _Gathered:
    """A part of a checkpoint that is brought together first."""

    def __init__(self, bring: Any, put: Any) -> None:
        self._bring, self._put = bring, put
        self._state: Any = None

    def gather(self) -> None:
        self._state = self._bring()

    def state_dict(self) -> Any:
        return self._state

    def load_state_dict(self, state: Any) -> None:
        self._put(state)


def _options(*, cpu_offload: bool = False) -> Any:
    from torch.distributed.checkpoint.state_dict import StateDictOptions

    return StateDictOptions(full_state_dict=True, cpu_offload=cpu_offload)
