"""Encoded training rows: on the device where they fit, else on the disk and read ahead a window at a time.

A row is one line of a float32 matrix: its codes and ids (the bits of int32), numbers, label, weight; so
that a batch is one gather. The order of rows is drawn anew in each round and can be taken up amid one.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from io import BufferedRandom
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from torch import Tensor

from mlcycle.domain.examples import Rows
from mlcycle.models.torch.columns import Columns

BLOCK: Final = 1 << 16  # rows that lie together on the disk, at the least
WINDOW: Final = 4  # blocks that are mixed with each other; so many more are read ahead


@dataclass(frozen=True)
class Batch:
    """Some rows (n, width) of a step of the optimizer that takes ``count`` in all processes together."""

    packed: Tensor
    coded: int
    count: int

    @property
    def codes(self) -> Tensor:
        """int32 (n, coded)."""
        return self.packed[:, : self.coded].view(torch.int32)

    @property
    def numbers(self) -> Tensor:
        """float32 (n, numeric)."""
        return self.packed[:, self.coded : -2]

    @property
    def labels(self) -> Tensor:
        """float32 (n,), in the unit that the network learns in."""
        return self.packed[:, -2]

    @property
    def weights(self) -> Tensor:
        """float32 (n,), one on average over all rows."""
        return self.packed[:, -1]

    def pieces(self, number: int, *, exactly: bool = False) -> Iterator["Batch"]:
        """The same rows, in so many pieces at the most.

        ``exactly`` so many, the last ones without rows, where processes wait for one another in each.
        """
        found = list(self.packed.chunk(number))
        if exactly:
            found += [self.packed[:0]] * (number - len(found))
        for packed in found:
            yield Batch(packed, self.coded, self.count)


class Order:
    """The sampler: which row comes when. Its state says where in which round it is."""

    def __init__(self, seed: int) -> None:
        self.generator = torch.Generator().manual_seed(seed)
        self._began = self.generator.get_state()
        self.done = 0  # batches of this round

    def begin(self) -> None:
        """Begin a round; again, where it was taken up amid one."""
        if self.done:
            self.generator.set_state(self._began)
        else:
            self._began = self.generator.get_state()

    def state_dict(self) -> dict[str, Any]:
        """Where it is."""
        return {"began": self._began, "now": self.generator.get_state(), "done": self.done}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from there."""
        self._began, self.done = state["began"], state["done"]
        self.generator.set_state(state["now"])


@dataclass
class Clock:
    """Seconds that training has waited for rows."""

    waited: float = 0.0

    def wait(self, coming: "Future[Tensor]") -> Tensor:
        """What is coming, when it is there."""
        began = time.perf_counter()
        found = coming.result()
        self.waited += time.perf_counter() - began
        return found


@dataclass
class Resident:
    """All rows (n, width) on the device."""

    packed: Tensor
    coded: int

    @property
    def count(self) -> int:
        """How many rows there are."""
        return len(self.packed)

    def shuffled(
        self, order: Order, size: int, share: Callable[[Tensor], Tensor], clock: Clock
    ) -> Iterator[Batch]:
        """The batches of a round that are still to come, of ``size`` rows; of each this process's share."""
        order.begin()
        chosen = torch.randperm(self.count, generator=order.generator).to(self.packed.device)
        for indices in chosen.split(size)[order.done :]:
            yield Batch(self.packed.index_select(0, share(indices)), self.coded, len(indices))

    def ordered(self, size: int) -> Iterator[Batch]:
        """All rows in their own order."""
        for packed in self.packed.split(size):
            yield Batch(packed, self.coded, len(packed))


@dataclass
class Streamed:
    """All rows in a file, blocks of ``block`` rows one after the other; memory holds two windows."""

    file: BufferedRandom
    width: int
    coded: int
    count: int
    block: int  # a multiple of the batch's rows, so that no batch lies across two windows
    device: torch.device
    window: int = WINDOW
    _reader: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1), repr=False)

    def shuffled(
        self, order: Order, size: int, share: Callable[[Tensor], Tensor], clock: Clock
    ) -> Iterator[Batch]:
        """As :meth:`Resident.shuffled`: blocks in random order, the rows of a window mixed."""
        order.begin()
        blocks = torch.randperm(-(-self.count // self.block), generator=order.generator).tolist()
        windows = [blocks[i : i + self.window] for i in range(0, len(blocks), self.window)]
        seeds = torch.randint(2**62, (len(windows),), generator=order.generator).tolist()
        skipped, left = order.done, []
        for window, seed in zip(windows, seeds, strict=True):
            batches = -(-sum(self._rows(block) for block in window) // size)
            if skipped < batches:
                left.append((window, seed, skipped))
            skipped = max(0, skipped - batches)
        for packed, (_, seed, first) in zip(self._ahead([w for w, _, _ in left], clock), left, strict=True):
            mixed = torch.randperm(len(packed), generator=torch.Generator().manual_seed(seed))
            for indices in mixed.to(packed.device).split(size)[first:]:
                yield Batch(packed.index_select(0, share(indices)), self.coded, len(indices))

    def ordered(self, size: int) -> Iterator[Batch]:
        """All rows in their own order."""
        blocks = [[block] for block in range(-(-self.count // self.block))]
        for block in self._ahead(blocks, Clock()):
            for packed in block.split(size):
                yield Batch(packed, self.coded, len(packed))

    def _rows(self, block: int) -> int:
        return min(self.block, self.count - block * self.block)

    def _ahead(self, windows: list[list[int]], clock: Clock) -> Iterator[Tensor]:
        """Each window's rows on the device; the next one is read meanwhile."""
        coming = self._reader.submit(self._read, windows[0]) if windows else None
        for number in range(len(windows)):
            assert coming is not None
            packed = clock.wait(coming)
            following = windows[number + 1 : number + 2]
            coming = self._reader.submit(self._read, following[0]) if following else None
            yield packed.to(self.device, non_blocking=True)

    def _read(self, blocks: list[int]) -> Tensor:
        found = np.empty((sum(self._rows(block) for block in blocks), self.width), dtype=np.float32)
        at = 0
        for block in blocks:
            part = found[at : at + self._rows(block)]
            self.file.seek(block * self.block * self.width * 4)
            view = memoryview(part).cast("B")  # type: ignore[arg-type]
            if self.file.readinto(view) != part.nbytes:
                raise OSError("the file of encoded rows ends early")
            at += len(part)
        tensor = torch.from_numpy(found)
        return tensor.pin_memory() if self.device.type == "cuda" else tensor


def width_of(columns: Columns) -> int:
    """Values of a packed row."""
    return columns.coded + columns.numeric + 2


def pack(columns: Columns, rows: Rows, mean: float, scale: float) -> np.ndarray[Any, Any]:
    """Encoded rows (n, width); labels less ``mean`` in units of ``scale``."""
    codes = columns.codes(rows.frame).astype(np.int32).view(np.float32)
    labels = ((rows.labels - mean) / scale).astype(np.float32)[:, None]
    weights = np.ones_like(labels) if rows.weights is None else rows.weights.astype(np.float32)[:, None]
    return np.concatenate([codes, columns.numbers(rows.frame), labels, weights], axis=1)


def resident(
    packed: Iterable[np.ndarray[Any, Any]], columns: Columns, count: int, device: torch.device
) -> Resident:
    """All rows on the device; of each part only one copy is held at a time."""
    found = np.empty((count, width_of(columns)), dtype=np.float32)
    at = 0
    for part in packed:
        found[at : at + len(part)] = part
        at += len(part)
    return Resident(torch.from_numpy(found[:at]).to(device), columns.coded)


def streamed(
    packed: Iterable[np.ndarray[Any, Any]], columns: Columns, batch: int, device: torch.device
) -> Streamed:
    """All rows in a file of the temporary folder, which is gone as soon as nobody has it open."""
    file: Any = tempfile.TemporaryFile(prefix="mlcycle-rows-")  # noqa: SIM115 - open as long as rows are read
    count = 0
    for part in packed:
        file.write(np.ascontiguousarray(part).data)
        count += len(part)
    block = batch * -(-BLOCK // batch)
    return Streamed(file, width_of(columns), columns.coded, count, block, device)


def fits(count: int, columns: Columns, device: torch.device) -> bool:
    """Whether the rows take less than half of the memory that is free on the device."""
    free = int(torch.cuda.mem_get_info(device)[0]) if device.type == "cuda" else _available()
    return count * width_of(columns) * 4 < free / 2


def _available() -> int:
    """Bytes of memory that this process may still take: of the machine, and of its control group."""
    with Path("/proc/meminfo").open() as file:
        found = {line.split(":")[0]: int(line.split()[1]) * 1024 for line in file}
    free = found["MemAvailable"]
    group = Path("/sys/fs/cgroup")
    try:
        limit = int((group / "memory.max").read_text())
        used = int((group / "memory.current").read_text())
        reclaimed = dict(line.split() for line in (group / "memory.stat").read_text().splitlines())
        return min(free, limit - used + int(reclaimed.get("inactive_file", 0)))
    except (OSError, ValueError):  # no group, or one without a limit
        return free
