"""The processes of one training: one, or several that torchrun has started, each with a part of every batch.

torchrun says by its variables which of them a process is (``RANK``, ``WORLD_SIZE``, ``LOCAL_RANK``). The
first, the leader, tells people, keeps the checkpoints and decides; the others do as it says.
"""

import fcntl
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor, nn

from mlcycle.errors import ConfigError, Unavailable

PATIENCE: Final = timedelta(days=1)  # of who waits while the leader publishes; a loss is seen at once
TOGETHER: Final = 16  # steps between two agreements of several processes: each is a message of its own


@dataclass(frozen=True)
class Gang:
    """One process among those of its training."""

    device: torch.device
    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether it is the one that tells, keeps and decides."""
        return self.rank == 0

    def wrap(self, network: nn.Module) -> nn.Module:
        """The network, its gradients averaged over all processes in each backward pass."""
        if self.size == 1:
            return network
        from torch.nn.parallel import DistributedDataParallel

        return DistributedDataParallel(network)

    def share(self, rows: Tensor) -> Tensor:
        """The rows of a batch that are this process's."""
        return rows[self.rank :: self.size] if self.size > 1 else rows

    def summed(self, values: Tensor) -> Tensor:
        """The values added up over all processes, in each of them."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def decided(self, *flags: bool) -> tuple[bool, ...]:
        """What the leader says, in all processes."""
        if self.size == 1:
            return flags
        said = torch.tensor([*map(float, flags)], device=self.device)
        torch.distributed.broadcast(said, 0)
        return tuple(bool(flag) for flag in said.tolist())

    def any(self, *flags: bool) -> tuple[bool, ...]:
        """For each flag whether some process says so, in all of them."""
        if self.size == 1:
            return flags
        said = self.summed(torch.tensor([*map(float, flags)], device=self.device))
        return tuple(flag > 0 for flag in said.tolist())

    def gathered(self, state: Tensor) -> list[Tensor]:
        """A tensor of each process, all of one shape, by rank."""
        if self.size == 1:
            return [state]
        mine = state.to(self.device)
        found = [torch.empty_like(mine) for _ in range(self.size)]
        torch.distributed.all_gather(found, mine)
        return [tensor.cpu() for tensor in found]

    def wait(self) -> None:
        """Return when all have come here."""
        self.any(False)


@contextmanager
def joined(device: str, locks: Path | None, env: Mapping[str, str] = os.environ) -> Iterator[Gang]:
    """The gang of this process, its own device taken.

    Args:
        device: ``cpu`` or ``cuda``.
        locks: a folder that the trainings of this machine share; None where nobody else trains here.
        env: torchrun's variables.

    Raises:
        ConfigError: if there are fewer GPUs than processes on this machine.
        Unavailable: if another process of the gang was lost.
    """
    size = size_of(env) if _Announced.together() else 1
    with ExitStack() as held:
        if device != "cuda":
            mine = torch.device("cpu")
        elif "LOCAL_RANK" in env:
            mine = torch.device("cuda", _of_rank(int(env["LOCAL_RANK"]), torch.cuda.device_count()))
        else:
            names = [str(torch.cuda.get_device_properties(i).uuid) for i in range(torch.cuda.device_count())]
            mine = torch.device("cuda", held.enter_context(taken(locks, names)))
        if mine.type == "cuda":
            torch.cuda.set_device(mine)
        if size == 1:
            yield Gang(mine)
            return
        with assembled():
            yield Gang(mine, int(env["RANK"]), size)


def size_of(env: Mapping[str, str]) -> int:
    """How many processes torchrun has started; one without it."""
    return int(env.get("WORLD_SIZE", "1"))


@contextmanager
def assembled() -> Iterator[None]:
    """Meet the other processes that torchrun has started, unless that is done. Raises Unavailable."""
    from torch import distributed

    ours = not distributed.is_initialized()
    try:
        if ours:
            backends = "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"
            distributed.init_process_group(backends, timeout=PATIENCE)
        yield
    except RuntimeError as error:  # gloo has no kind of its own
        if isinstance(error, distributed.DistError) or "gloo" in str(error):
            reason = " ".join(str(error).split())[:200]
            raise Unavailable(f"another process of this training was lost: {reason}") from None
        raise
    finally:
        if ours and distributed.is_initialized():
            distributed.destroy_process_group()


class _Announced:
    """Which fits are done together. In a step the announced ones: the leader may do others, for folds of a
    cross-validation say, of which the other processes know nothing.
    """

    only = False  # whether fits are announced here at all
    next = False  # whether the next one is

    @classmethod
    def together(cls) -> bool:
        found, cls.next = cls.next or not cls.only, False
        return found


def announce(document: Mapping[str, Any] | None) -> None:
    """Tell the other processes which fit comes next, as JSON; None: no more."""
    _Announced.only, _Announced.next = True, document is not None
    data = torch.frombuffer(bytearray(json.dumps(document).encode()), dtype=torch.uint8)
    torch.distributed.broadcast(torch.tensor([len(data)]), 0)
    torch.distributed.broadcast(data, 0)


def heard() -> dict[str, Any] | None:
    """What the leader announces, when it does."""
    size = torch.zeros(1, dtype=torch.int64)
    torch.distributed.broadcast(size, 0)
    data = torch.empty(int(size), dtype=torch.uint8)
    torch.distributed.broadcast(data, 0)
    document: dict[str, Any] | None = json.loads(data.numpy().tobytes())
    _Announced.only, _Announced.next = True, document is not None
    return document


@contextmanager
def taken(locks: Path | None, names: Sequence[str]) -> Iterator[int]:
    """The number of a GPU that no other training of this machine has, until left or until the process ends.

    Args:
        locks: where a file for each GPU is locked; None takes the first.
        names: what identifies each visible GPU, in the order of their numbers.

    Where all are taken the first is shared: it may have room for two, and else says so itself.
    """
    if locks is None or len(names) < 2:
        yield 0
        return
    for number, name in enumerate(names):
        with (locks / f"gpu-{''.join(c for c in name if c.isalnum())}.lock").open("ab") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            yield number
            return
    yield 0


def _of_rank(local: int, visible: int) -> int:
    if local < visible:
        return local
    raise ConfigError(
        f"process {local + 1} of this machine has no GPU of its own, {visible} can be seen: "
        "start one process for each"
    )
