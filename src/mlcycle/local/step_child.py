"""A step's process just after the fork: everything the server's is put off, the step's own put on."""

import atexit
import os
import random
import signal
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NoReturn

_pools: Any = None


@dataclass(frozen=True)
class Order:
    """What a client asks for: paths of the request and the result, the whole environment, the folder."""

    step: str
    request: str
    result: str
    env: dict[str, str]
    cwd: str

    def run(self) -> int:
        """Run the step as ``mlcycle step`` does, and return the exit code."""
        from mlcycle.steps.main import main

        return int(main(self.request, self.result, os.environ, self.step))


def become_step(order: Order, output: int) -> None:
    """Make this forked process the step's: session, signals, streams, environment, folder, compute."""
    os.setsid()
    atexit._clear()  # the server's: Feast's would remove a folder that the next child needs
    for signum in (signal.SIGINT, signal.SIGTERM, signal.SIGCHLD):
        signal.signal(signum, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for descriptor in {nothing, output} - {0, 1, 2}:
        os.close(descriptor)
    os.environ.clear()
    os.environ.update(order.env)
    os.chdir(order.cwd)
    sys.argv = ["mlcycle", "step", order.step, "--request", order.request, "--result", order.result]
    _name(f"mlcycle step {order.step}")
    use_threads(int(order.env.get("MLCYCLE_THREADS") or 0) or len(os.sched_getaffinity(0)))
    reseed()


def leave(code: int) -> NoReturn:
    """End the process as the interpreter would, but for taking apart every module: with all the
    libraries loaded that takes longer than most steps. ``multiprocessing`` ends its forks like this.
    """
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


def prepare_threads() -> None:
    """In the server: find the thread pools of the libraries once; looking takes 20 ms."""
    global _pools
    threadpoolctl: Any = sys.modules.get("threadpoolctl")
    _pools = threadpoolctl.ThreadpoolController() if threadpoolctl is not None else None


def use_threads(count: int) -> None:
    """Let the numeric libraries, loaded with one thread, use this many."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = str(count)  # for libraries loaded later and processes of the step's own
    if _pools is not None:
        _pools.limit(limits=count)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(count)
    if "pyarrow" in sys.modules:
        sys.modules["pyarrow"].set_cpu_count(count)


def reseed() -> None:
    """Seed the global generators anew: forks of one process would all draw the same numbers."""
    random.seed()
    numpy: Any = sys.modules.get("numpy")
    if numpy is not None:
        numpy.random.seed()
    torch: Any = sys.modules.get("torch")
    if torch is not None:
        torch.seed()


def _name(title: str) -> None:
    setproctitle: Any = sys.modules.get("setproctitle")
    if setproctitle is not None:
        setproctitle.setproctitle(title)
