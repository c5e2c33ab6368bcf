"""From measurements to what people are told: one alert for each monitor, and a wish for a retrain."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mlcycle.domain.monitors import Measurement

SEVERITY = {"info": "info", "warn": "warn", "page": "page", "error": "page"}
RISING = ["info", "warn", "page"]


def alerts(
    project: str, partition: str, found: Sequence[Measurement], link: str, titles: Mapping[str, str]
) -> list[dict[str, Any]]:
    """One alert for each monitor with a finding, and one for each that could not measure.

    ``titles`` says by monitor what is wrong where it finds something.

    Columns are listed in one alert's body: fourteen drifting columns are one matter, not fourteen.
    """
    told = []
    for (monitor, failing), items in _grouped(found).items():
        subjects = ", ".join(item.subject for item in items if item.subject)
        what = f"the {monitor} monitor failed" if failing else titles.get(monitor, monitor)
        level = max((SEVERITY[item.status] for item in items), key=RISING.index)
        lines = [f"{item.subject}: {item.message}" if item.subject else item.message for item in items]
        told.append(
            {
                "key": f"error:{monitor}" if failing else monitor,
                "severity": level,
                "title": f"{project} {partition}: {what}" + (f" ({subjects})" if subjects else ""),
                "body": "\n".join(lines),
                "link": link,
            }
        )
    return told


def settled(found: Sequence[Measurement]) -> list[str]:
    """Keys of alerts that may close: their monitor measured everything, and all of it was well."""
    bad = {key for key, items in _grouped(found).items() if items}
    settled = []
    for monitor in dict.fromkeys(item.monitor for item in found):
        if (monitor, True) not in bad:
            settled.append(f"error:{monitor}")
            if (monitor, False) not in bad:
                settled.append(monitor)
    return settled


def retrain(found: Iterable[Measurement], asking: Collection[str]) -> dict[str, Any]:
    """Whether a retrain is wanted, and why: what the ``asking`` monitors measured and found wrong."""
    reasons = [item.message for item in found if item.monitor in asking and item.status in ("warn", "page")]
    return {"wanted": bool(reasons), "reason": "; ".join(reasons)}


def _grouped(found: Iterable[Measurement]) -> dict[tuple[str, bool], list[Measurement]]:
    """Findings that are not ok by monitor and by whether it could measure."""
    groups: dict[tuple[str, bool], list[Measurement]] = {}
    for item in found:
        if item.status != "ok":
            groups.setdefault((item.monitor, item.status == "error"), []).append(item)
    return groups
