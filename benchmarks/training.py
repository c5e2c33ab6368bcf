"""Our training loop beside a DataLoader loop of the same network and batch, and beside scikit-learn's MLP.

Rows per second of an epoch, the sides in turn, medians; on a GPU, where there is one, with bf16 on and off.
``--compile`` adds torch.compile to each. ``--memory``: the most memory that a fit takes when its rows grow
tenfold, streamed and resident.
Run: python -m benchmarks.training [--rows 100000] [--runs 3] [--batch 2048] [--compile|--memory]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import torch
from tests.snapshots import flights
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from mlcycle.domain.examples import Rows
from mlcycle.models.base import Job
from mlcycle.models.registry import family, parse_params
from mlcycle.models.torch.blocks import Dropout
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.gang import Gang
from mlcycle.models.torch.loop import Goal, Training
from mlcycle.models.torch.rows import Resident, Streamed, pack, resident, streamed
from mlcycle.models.torch.scan import scan

CATEGORICAL = ["carrier", "origin", "dest"]
NUMERIC = ["sched_hour", "sched_minute_of_day", "weekday", "distance"]
EPOCHS = 3  # of which the first is not counted


@dataclass
class Given:
    """What every side trains on."""

    rows: Rows
    columns: Columns
    device: torch.device
    batch: int
    threads: int

    def network(self) -> nn.Module:
        """The same weights each time."""
        torch.manual_seed(17)
        made = family("mlp").network(self.columns, parse_params("mlp", {}))  # type: ignore[attr-defined]
        return made.to(self.device)

    def resident(self) -> Resident:
        """Rows on the device."""
        packed = pack(self.columns, self.rows, 0.0, 1.0)
        return resident([packed], self.columns, self.rows.count, self.device)

    def streamed(self) -> Streamed:
        """Rows in a file."""
        return streamed([pack(self.columns, self.rows, 0.0, 1.0)], self.columns, self.batch, self.device)


def main() -> None:
    """Print a line for each side."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--batch", type=int, default=2048)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--compile", action="store_true")
    parser.add_argument("--memory", action="store_true")
    parser.add_argument("--fit", default="", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.fit:
        print(memory_of_fit(asked.rows, asked.fit == "streamed"))
        return
    if asked.memory:
        memory(asked.rows)
        return
    torch.set_num_threads(asked.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    rows = some(asked.rows)
    encoder = scan([rows], CATEGORICAL, NUMERIC, limit=100_000, rare=100).encoder
    given = Given(rows, Columns(encoder), device, asked.batch, asked.threads)
    where = torch.cuda.get_device_name() if device.type == "cuda" else f"{asked.threads} CPU thread"
    print(f"{asked.rows} rows, batches of {asked.batch}, {where}, load {os.getloadavg()[0]:.1f}")
    told = {name: [] for name in sides(given, asked.compile)}
    for _ in range(asked.runs):
        for name, side in sides(given, asked.compile).items():
            told[name].append(side())
    peer = statistics.median(told["DataLoader loop"])
    for name, speeds in told.items():
        speed = statistics.median(speeds)
        print(f"{name:32} {speed:10,.0f} rows/s, {speed / peer:5.2f} x the DataLoader loop")


def sides(given: Given, compiles: bool) -> dict[str, Callable[[], float]]:
    """What is measured, each giving rows per second."""
    found: dict[str, Callable[[], float]] = {}
    lows = (False, True) if given.device.type == "cuda" else (False,)
    for low in lows:
        for compiled in (False, True) if compiles else (False,):
            options = {"precision": "bf16" if low else "fp32", "compile": compiled}
            name = "ours" + (", bf16" if low else "") + (", compiled" if compiled else "")
            found[name] = lambda options=options: ours(given, given.resident(), **options)
    found["ours, rows from the disk"] = lambda: ours(given, given.streamed(), precision="fp32")
    found["DataLoader loop"] = lambda: plain(given)
    found["scikit-learn's MLP"] = lambda: scikit(given)
    return found


def ours(given: Given, rows: Resident | Streamed, **options: Any) -> float:
    """Epochs of the loop as a fit runs them, the optimizer's and the sampler's work included."""
    speeds: list[float] = []
    job = Job(
        task="classification",
        categorical=CATEGORICAL,
        numeric=NUMERIC,
        train=given.rows,
        validation=given.rows,
        threads=given.threads,
        report=lambda _done, _of, told: speeds.append(told["rows_per_second"]),
    )
    params = parse_params("mlp", {"epochs": EPOCHS, "batch_size": given.batch, **options})
    few = Resident(given.resident().packed[:1000], len(CATEGORICAL))
    training = Training(given.network(), Goal(True), params, job, Gang(given.device), "mlp")  # type: ignore[arg-type]
    training.run(rows, few)
    return statistics.median(speeds[1:])


def plain(given: Given) -> float:
    """What a tutorial shows: a TensorDataset, a shuffling DataLoader, a loop."""
    frame = given.rows.frame
    data = TensorDataset(
        torch.from_numpy(given.columns.codes(frame)),
        torch.from_numpy(given.columns.numbers(frame)),
        torch.from_numpy(given.rows.labels.astype(np.float32)),
    )
    network = given.network()
    for number, layer in enumerate(network.hidden):
        if isinstance(layer, Dropout):
            network.hidden[number] = nn.Dropout(0.1)  # torch's own
    network.train()
    optimizer = torch.optim.AdamW(network.parameters(), lr=0.003)
    loss_of, speeds = nn.BCEWithLogitsLoss(), []
    for _ in range(EPOCHS):
        began = time.perf_counter()
        for batch in DataLoader(data, batch_size=given.batch, shuffle=True):
            codes, numbers, labels = (part.to(given.device) for part in batch)
            optimizer.zero_grad()
            loss = loss_of(network(codes, numbers), labels)
            loss.backward()
            optimizer.step()
        if given.device.type == "cuda":
            torch.cuda.synchronize()
        speeds.append(given.rows.count / (time.perf_counter() - began))
    return statistics.median(speeds[1:])


def scikit(given: Given) -> float:
    """The same layers and batch on one-hot categories: scikit-learn has no embeddings."""
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    frame = given.rows.frame
    codes = given.columns.codes(frame)
    hot = [np.eye(n, dtype=np.float32)[codes[:, i]] for i, n in enumerate(given.columns.rows)]
    matrix = np.concatenate([*hot, given.columns.numbers(frame)], axis=1)
    model = MLPClassifier((128, 64), batch_size=given.batch, max_iter=1, warm_start=True, random_state=17)
    speeds = []
    with threadpool_limits(limits=given.threads):
        for _ in range(EPOCHS):
            began = time.perf_counter()
            model.partial_fit(matrix, given.rows.labels, classes=[0.0, 1.0])
            speeds.append(given.rows.count / (time.perf_counter() - began))
    return statistics.median(speeds[1:])


def some(count: int) -> Rows:
    """So many flights, the first ones again where there are too few."""
    frame = flights()
    chosen = frame.iloc[np.arange(count) % len(frame)]
    return Rows(chosen[[*CATEGORICAL, *NUMERIC]].reset_index(drop=True), chosen["label"].to_numpy(float))


@dataclass(frozen=True)
class Parts:
    """Many rows that are nowhere together, as a snapshot's."""

    count: int

    def whole(self) -> Rows:
        """All at once."""
        return some(self.count)

    def parts(self) -> Iterator[Rows]:
        """A part at a time."""
        part = some(1 << 16)
        for start in range(0, self.count, 1 << 16):
            left = min(1 << 16, self.count - start)
            yield Rows(part.frame.iloc[:left], part.labels[:left])


def memory(rows: int) -> None:
    """Peak memory of whole fits, each in a process of its own."""
    for kind in ("resident", "streamed"):
        peaks = []
        for count in (rows, 10 * rows):
            command = [sys.executable, "-m", "benchmarks.training", f"--rows={count}", f"--fit={kind}"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            peaks.append(float(done.stdout.split()[-1]))
        few, many = peaks
        print(f"{kind}: {rows} rows {few:.0f} MiB, ten times as many {many:.0f} MiB, ratio {many / few:.2f}")


def memory_of_fit(rows: int, stream: bool) -> float:
    """MiB at the most."""
    from mlcycle.models.torch import fitting

    fitting.WHOLE = 0  # type: ignore[misc]
    pd.options.mode.copy_on_write = True
    few = some(1000)
    job = Job("classification", CATEGORICAL, NUMERIC, Parts(rows), few, 1, lambda *_: None)
    family("mlp").fit(job, parse_params("mlp", {"epochs": 1, "stream": stream}), "mlp")
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    main()
