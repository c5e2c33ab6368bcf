"""Feature values at prediction time, out of Feast's online store, with their age checked.

Feast answers with whatever value it holds, however old. Here a value counts only if it was known at
the moment of prediction and is not older than its view's ttl: exactly what training saw.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlcycle.errors import InputError, Unavailable
from mlcycle.project import Project

if TYPE_CHECKING:
    import feast


@dataclass(frozen=True)
class OnlineValues:
    """Feature values of some entities at one moment; lists have one entry for each entity row.

    ``values`` holds None where nothing usable is stored. ``known`` says when each view's value became
    known, None where there is none. ``stale`` and ``early`` name the features that were withheld: older
    than their ttl, or known only after the moment.
    """

    values: dict[str, list[Any]]
    known: dict[str, list[datetime | None]]
    stale: list[list[str]]
    early: list[list[str]]


def get_online(
    store: "feast.FeatureStore", project: Project, rows: Sequence[Mapping[str, Any]], at: datetime
) -> OnlineValues:
    """The model's feature values for some entities.

    Args:
        store: of :func:`mlcycle.adapters.features.store.store`; kept open between calls.
        project: whose features.
        rows: entity columns of every row, one mapping each.
        at: the moment of prediction, the rows' event time.

    Raises:
        InputError: a row lacks an entity column.
        Unavailable: the online store does not answer.
    """
    import psycopg

    wanted = {
        name: [column for column in view.columns if column in project.inputs.all]
        for name, view in project.features.items()
    }
    wanted = {name: columns for name, columns in wanted.items() if columns}
    keys = list(dict.fromkeys(key for name in wanted for key in project.features[name].entities))
    for number, row in enumerate(rows):
        if missing := [key for key in keys if row.get(key) is None]:
            raise InputError(f"row {number} lacks {', '.join(missing)}: features are looked up by it")
    if not rows or not wanted:
        return OnlineValues({}, {}, [[] for _ in rows], [[] for _ in rows])
    try:
        answer = store.get_online_features(
            # By name, not by the service: Feast reads a service from the registry on every call.
            features=[f"{name}:{column}" for name, columns in wanted.items() for column in columns],
            entity_rows=[{key: row[key] for key in keys} for row in rows],
        )
    except psycopg.OperationalError as error:
        reason = " ".join(str(error).split())
        raise Unavailable(f"the online store does not answer: {reason}") from None
    values = answer.to_dict()
    names = list(answer.proto.metadata.feature_names.val)
    moments = {
        name: vector.event_timestamps for name, vector in zip(names, answer.proto.results, strict=True)
    }
    stale: list[list[str]] = [[] for _ in rows]
    early: list[list[str]] = [[] for _ in rows]
    known: dict[str, list[datetime | None]] = {}
    for view, columns in wanted.items():
        ttl = project.features[view].ttl
        known[view] = [_moment(stamp) for stamp in moments[columns[0]]]
        for number, moment in enumerate(known[view]):
            withheld = None
            if moment is not None and moment > at:
                withheld = early
            elif moment is not None and at - moment > ttl:
                withheld = stale
            if withheld is not None:
                withheld[number] += columns
                for column in columns:
                    values[column][number] = None
    return OnlineValues({c: values[c] for columns in wanted.values() for c in columns}, known, stale, early)


def _moment(stamp: Any) -> datetime | None:
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds or stamp.nanos else None
