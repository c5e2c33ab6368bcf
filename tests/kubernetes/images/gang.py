#!/opt/mlcycle/bin/python
"""Stands in the place of ``mlcycle`` in the gang's image: one process of several that torchrun started.

They add up their ranks, again and again for so many seconds as the request's ``params`` say. The first
process keeps what round it is, where checkpoints are kept, and writes the result.
"""

import hashlib
import os
import sys
import time
from datetime import UTC, datetime

import torch
from torch import distributed

from mlcycle.adapters.checkpoints import folder_of
from mlcycle.contract import Result, Status, code_version
from mlcycle.models import checkpoint
from mlcycle.settings import Settings
from mlcycle.steps.main import read_request, take_secrets, write_result


def main() -> None:
    """``mlcycle step NAME --request URL --result URL``."""
    settings = Settings.from_env(take_secrets(os.environ))
    request, began = read_request(sys.argv[4]), datetime.now(UTC)
    distributed.init_process_group("gloo")
    rank, world = distributed.get_rank(), distributed.get_world_size()
    until = time.monotonic() + float(str(request.params.get("seconds", 0)))
    checkpoint.EVERY = 0.2  # type: ignore[misc]
    work = hashlib.sha256(request.work.encode()).hexdigest()
    kept = checkpoint.Checkpoint(
        folder_of(settings, work) if settings.checkpoints else None, f"{world} processes"
    )
    first = rounds = (kept.restore({}) or {"rounds": 0})["rounds"]
    going_on = True
    while going_on:
        total = torch.tensor([float(rank), 1.0 if rank == 0 and time.monotonic() > until else 0.0])
        distributed.all_reduce(total)
        rounds, going_on = rounds + 1, not total[1].item()
        if rank == 0:
            kept.keep({}, {"rounds": rounds})
        if rounds == first + 1:
            gpus = os.environ.get("NVIDIA_VISIBLE_DEVICES", "")
            where = f"{os.uname().nodename}, gpus {gpus}, after round {first}"
            print(f"rank {rank} of {world} on {where}: {total[0]:g}", flush=True)
        if rounds % 20 == 0:
            print(f"round {rounds} in rank {rank}", flush=True)
        time.sleep(0.05)
    if rank == 0:
        result = Result(
            step=request.step,
            work=request.work,
            status=Status.OK,
            values={"sum": total[0].item(), "world": world, "first": first},
            started_at=began,
            seconds=(datetime.now(UTC) - began).total_seconds(),
            code_version=code_version(),
        )
        write_result(result, sys.argv[6])
    distributed.destroy_process_group()


if __name__ == "__main__":
    main()
