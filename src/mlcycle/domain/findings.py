"""From measurements to what people are told: an alert for each subject, and a wish for a retrain."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from mlcycle.domain.monitors import Measurement

SEVERITY = {"info": "info", "warn": "warn", "page": "page", "error": "page"}
RISING = ["info", "warn", "page"]


def alerts(
    project: str,
    partition: str,
    found: Sequence[Measurement],
    link: str,
    titles: Mapping[str, str],
    picture: str = "",
) -> list[dict[str, Any]]:
    """One alert for each subject that a monitor found wrong, and one for each that it could not measure.

    ``link`` leads to the report, ``picture`` is out of it; ``titles`` says by monitor what is wrong where it
    finds something. All of one ``matter``, a monitor or its failure, are told in one message: fourteen
    drifting columns are one, and the fifteenth is another.
    """
    told = []
    for (matter, subject), items in _grouped(found).items():
        failing, monitor = items[0].status == "error", items[0].monitor
        what = f"the {monitor} monitor failed" if failing else titles.get(monitor, monitor)
        level = max((SEVERITY[item.status] for item in items), key=RISING.index)
        lines = [f"{item.subject}: {item.message}" if item.subject else item.message for item in items]
        told.append(
            {
                "key": _key(matter, subject),
                "severity": level,
                "title": f"{project} {partition}: {what}" + (f" ({subject})" if subject else ""),
                "body": "\n".join(lines),
                "link": link,
                "matter": matter,
                "subject": subject,
                **({"picture": picture} if picture else {}),
            }
        )
    return told


def settled(found: Sequence[Measurement]) -> list[str]:
    """Matters that were measured: their open alerts may close, but for those that are ``held``."""
    lost = {item.monitor for item in found if item.status == "error" and not item.subject}
    monitors = dict.fromkeys(item.monitor for item in found)
    return [
        matter
        for monitor in monitors
        for matter in (_failure(monitor), *(() if monitor in lost else (monitor,)))
    ]


def held(found: Sequence[Measurement]) -> list[str]:
    """Keys of alerts that stay open: what was found wrong, and what could not be measured (``held``)."""
    keys = []
    for item in found:
        if item.status == "error":
            keys += [_key(_failure(item.monitor), item.subject), _key(item.monitor, item.subject)]
        elif item.status != "ok" or item.details.get("held"):
            keys.append(_key(item.monitor, item.subject))
    return list(dict.fromkeys(keys))


def retrain(found: Iterable[Measurement], asking: Collection[str]) -> dict[str, Any]:
    """Whether a retrain is wanted, and why: what the ``asking`` monitors measured and found wrong."""
    reasons = [item.message for item in found if item.monitor in asking and item.status in ("warn", "page")]
    return {"wanted": bool(reasons), "reason": "; ".join(reasons)}


def _failure(monitor: str) -> str:
    return f"error:{monitor}"


def _key(matter: str, subject: str) -> str:
    return f"{matter}:{subject}" if subject else matter


def _grouped(found: Iterable[Measurement]) -> dict[tuple[str, str], list[Measurement]]:
    """Findings that are not ok by matter and subject."""
    groups: dict[tuple[str, str], list[Measurement]] = {}
    for item in found:
        if item.status != "ok":
            matter = _failure(item.monitor) if item.status == "error" else item.monitor
            groups.setdefault((matter, item.subject), []).append(item)
    return groups
