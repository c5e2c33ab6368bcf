"""The state of a torch fit amid its work, in the folder of that work, so that a retry goes on from it."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import torch
from torch import Tensor

EVERY: Final = 30.0  # seconds between two: a fit that is shorter than that is quicker done again
FILE: Final = "state.pt"


class Checkpoint:
    """One file, replaced whole. ``facts`` says what the fit is; a state of another one is not taken."""

    def __init__(self, folder: Path | None, facts: str, every: float | None = None) -> None:
        self._file = folder / FILE if folder is not None else None
        self._facts = facts
        self._every = every
        self._kept = time.monotonic()

    def due(self) -> bool:
        """Whether so many seconds have gone since the last one."""
        every = EVERY if self._every is None else self._every
        return self._file is not None and time.monotonic() - self._kept >= every

    def keep(
        self,
        parts: Mapping[str, Any],
        round_: Mapping[str, Any],
        *,
        force: bool = False,
        random: Sequence[Tensor] | None = None,
    ) -> None:
        """Write the state where it is due.

        Args:
            parts: what has a ``state_dict`` (network, optimizer, schedule), or is a torch generator.
            round_: what else the next round needs: plain values and tensors.
            force: also where it is not due.
            random: what ``random`` says in each process of the fit, of which one keeps the state.
        """
        if self._file is None or not (force or self.due()):
            return
        state = {
            "facts": self._facts,
            "parts": {name: _state(part) for name, part in parts.items()},
            "random": list(random) if random is not None else [self.random()],
            **round_,
        }
        staged = self._file.with_suffix(".part")
        torch.save(state, staged)
        staged.replace(self._file)
        self._kept = time.monotonic()

    def restore(self, parts: Mapping[str, Any]) -> dict[str, Any] | None:
        """Put the parts back into the kept state and return the rest of it; None where there is none."""
        state = self.read()
        if state is not None:
            self.apply(parts, state)
        return state

    def read(self) -> dict[str, Any] | None:
        """The kept state of this fit; None where there is none.

        Nothing is unpickled but tensors and plain values. A file that cannot be read is taken for none: a
        fit from the seed ends the same, only later.
        """
        if self._file is None or not self._file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        except Exception:  # noqa: BLE001 - torch, zip and pickle each raise their own kinds for a broken file
            return None
        return state if state.get("facts") == self._facts else None

    @staticmethod
    def apply(parts: Mapping[str, Any], state: Mapping[str, Any], rank: int = 0) -> None:
        """Put the parts, and the random numbers of the process of this rank, back into the state."""
        for name, part in parts.items():
            _restore(part, state["parts"][name])
        drawn = state["random"][rank]
        held = len(torch.get_rng_state())
        torch.set_rng_state(drawn[:held])
        if len(drawn) > held:
            torch.cuda.set_rng_state(drawn[held:])

    @staticmethod
    def random() -> Tensor:
        """Where this process's random numbers are, those of its GPU after those of the CPU (bytes,)."""
        states = [torch.get_rng_state()]
        if torch.cuda.is_initialized():
            states.append(torch.cuda.get_rng_state())
        return torch.cat(states)


def _state(part: Any) -> Any:
    return part.get_state() if isinstance(part, torch.Generator) else part.state_dict()


def _restore(part: Any, state: Any) -> None:
    if isinstance(part, torch.Generator):
        part.set_state(state)
    else:
        part.load_state_dict(state)
