"""The state of a torch fit after a round, in the folder of its work, so that a retry goes on from it."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import torch

EVERY: Final = 30.0  # seconds between two: a fit that is shorter than that is quicker done again
FILE: Final = "state.pt"


class Checkpoint:
    """One file, replaced whole. ``facts`` says what the fit is; a state of another one is not taken."""

    def __init__(self, folder: Path | None, facts: str) -> None:
        self._file = folder / FILE if folder is not None else None
        self._facts = facts
        self._kept = time.monotonic()

    def keep(self, parts: Mapping[str, Any], round_: Mapping[str, Any]) -> None:
        """Write the state, unless one was written within the last ``EVERY`` seconds.

        Args:
            parts: what has a ``state_dict`` (network, optimizer, schedule), or is a torch generator.
            round_: what else the next round needs: plain values and tensors.
        """
        if self._file is None or time.monotonic() - self._kept < EVERY:
            return
        state = {
            "facts": self._facts,
            "parts": {name: _state(part) for name, part in parts.items()},
            "random": torch.get_rng_state(),
            "random_gpu": torch.cuda.get_rng_state_all() if torch.cuda.is_initialized() else [],
            **round_,
        }
        staged = self._file.with_suffix(".part")
        torch.save(state, staged)
        staged.replace(self._file)
        self._kept = time.monotonic()

    def restore(self, parts: Mapping[str, Any]) -> dict[str, Any] | None:
        """Put the parts back into the kept state and return the rest of it; None where there is none.

        Nothing is unpickled but tensors and plain values. A file that cannot be read is taken for none: a
        fit from the seed ends the same, only later.
        """
        if self._file is None or not self._file.exists():
            return None
        try:
            state: dict[str, Any] = torch.load(self._file, map_location="cpu", weights_only=True)
        except Exception:  # noqa: BLE001 - torch, zip and pickle each raise their own kinds for a broken file
            return None
        if state.get("facts") != self._facts:
            return None
        for name, part in parts.items():
            _restore(part, state["parts"][name])
        torch.set_rng_state(state["random"])
        if state["random_gpu"]:
            torch.cuda.set_rng_state_all(state["random_gpu"])
        return state


def _state(part: Any) -> Any:
    return part.get_state() if isinstance(part, torch.Generator) else part.state_dict()


def _restore(part: Any, state: Any) -> None:
    if isinstance(part, torch.Generator):
        part.set_state(state)
    else:
        part.load_state_dict(state)
