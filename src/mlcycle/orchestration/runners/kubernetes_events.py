"""What the cluster says about a step's pods and their Job: its events, each told once."""

import time
import zlib
from collections.abc import Iterable

from mlcycle.orchestration.runners.kubernetes_api import Api, Object

#: Said of every pod, and nothing that anybody would miss.
USUAL = ("Created", "Started", "SuccessfulCreate", "Completed")
SOON, LATER = 1.0, 15.0  # seconds between two looks, before the step runs and while it does


class Events:
    """Asked for while a step is followed."""

    def __init__(self, api: Api, known: Iterable[str]) -> None:
        self._api = api
        self._known = dict.fromkeys(known)  # uid and message
        self._next = 0.0
        self.warning = ""  # the newest one

    def new(self, uids: Iterable[str], *, running: bool) -> list[str]:
        """Lines for what was said since, where it is time to look again. Raises Unavailable."""
        if time.monotonic() < self._next:
            return []
        self._next = time.monotonic() + (LATER if running else SOON)
        lines = []
        for uid in uids:
            found = self._api.get("events", "", fieldSelector=f"involvedObject.uid={uid}")["items"]
            for event in sorted(found, key=_when):
                text = " ".join(str(event.get("message", "")).split())[:500]
                key = f"{event['metadata']['uid']} {zlib.crc32(text.encode()):08x}"
                if event.get("type") == "Warning":
                    self.warning = f"{event.get('reason')}: {text}"
                if key in self._known or event.get("reason") in USUAL:
                    continue
                self._known[key] = None
                kind = str(event["involvedObject"].get("kind", "pod")).lower()
                lines.append(f"{kind}: {event.get('reason')}: {text}")
        return lines

    @property
    def known(self) -> list[str]:
        """What was told, for whoever follows next: the newest alone."""
        return list(self._known)[-50:]


def _when(event: Object) -> str:
    return str(event.get("lastTimestamp") or event.get("eventTime") or event.get("firstTimestamp") or "")
