"""Made-up sales of shops, one row a shop and partition, by the clock of a zone; always the same."""

import io
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Output, Result
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Project
from tests.contract.ingest import FLIGHTS

SHOPS = 30
NEXT = {"day": "1 day", "week": "1 week", "month": "1 month"}
LENGTHS = {"day": "3 days", "week": "3 weeks", "month": "3 months"}
#: What a shop sold in its last partition, known when that is over.
SQL = """
select shop, ((date_trunc('{unit}', at, '{zone}') at time zone '{zone}') + interval '1 {unit}')
    at time zone '{zone}' as event_timestamp, sold as sold_before
from {{sales}}
where at >= %(start)s - interval '40 days' and at < %(end)s
"""


def project(unit: str, zone: str, start: str, **more: Any) -> Project:
    """What a shop sells in its next partition, out of what it sold in the last one."""
    length, own = LENGTHS[unit], SQL.format(unit=unit, zone=zone)
    sql = f"select * from ({own}) v where event_timestamp > %(start)s and event_timestamp <= %(end)s"
    return Project.model_validate(
        {
            "version": 1,
            "name": "shops",
            "scope": FLIGHTS.scope.model_dump(),
            "value": {"currency": "EUR", "per_unit_error": -1},
            "source": {
                "url": "{source}/shops",
                "partition": unit,
                "zone": zone,
                "start": start,
                "live": False,
                "tables": {
                    "sales": {
                        "file": "sales.csv",
                        "columns": {"shop": "text", "at": "timestamp", "size": "double", "sold": "double"},
                        "key": ["shop"],
                        "event_time": "at",
                        "times": {"format": "%Y-%m-%d %H:%M", "zone": zone},
                    }
                },
            },
            "entity": {"table": "sales"},
            "label": {
                "name": "next",
                "task": "regression",
                "table": "sales",
                "column": "sold",
                "ahead": NEXT[unit],
                "delay": "0 hours",
            },
            "features": {
                "before": {
                    "entities": ["shop"],
                    "columns": {"sold_before": "double"},
                    "reads": ["sales"],
                    "ttl": "70 days",
                    "lookback": "40 days",
                    "sql": sql,
                }
            },
            "inputs": {"categorical": ["shop"], "numeric": ["size", "sold_before"]},
            "split": {"holdout": length, "validation": length, "history": NEXT[unit].replace("1 ", "60 ")
                      + "s", "min_rows": 100},
            "candidates": {
                "by_shop": {"family": "rate_table", "params": {"by": ["shop"], "smoothing": 2}},
                "boosting": {"family": "hist_gradient_boosting", "params": {"max_iter": 20}},
            },
            "evaluation": {"metric": "rmse", "heuristic": "by_shop"},
            "gate": {"min_rows": 50},
            "monitors": {"window": length},
            "retrain": {"cooldown": "14 days", "budget": 2, "per": "30 days"},
            **more,
        }
    )  # fmt: skip


@cache
def _drawn(number: int) -> tuple[list[float], list[float]]:
    draw = np.random.default_rng([20, number + 10_000])
    return draw.gamma(3, 2, SHOPS).round(3).tolist(), draw.normal(0, 3, SHOPS).round(3).tolist()


def sold(shop: int, number: int) -> float:
    """What a shop sold in a partition: more the greater it is, a trend of its own, and chance."""
    return round(100 + 8 * shop + _drawn(number)[1][shop], 3)


def size(shop: int, number: int) -> float:
    """A number that says nothing."""
    return _drawn(number)[0][shop]


def at(partition: Partition) -> datetime:
    """When a partition's rows are, by the zone's clock: at noon of its first day; of months at midnight."""
    noon = timedelta(hours=0 if partition.unit.kind == "month" else 12)
    return partition.local.replace(tzinfo=None) + noon


def delivery(unit: Unit, first: str, count: int) -> bytes:
    """One large file of so many partitions."""
    lines = ["shop,at,size,sold"]
    for partition in Partition.parse(first, unit).to(Partition.parse(first, unit).shift(count - 1)):
        number = unit.number(partition.start)
        lines += [
            f"s{shop:02},{at(partition):%Y-%m-%d %H:%M},{size(shop, number)},{sold(shop, number)}"
            for shop in range(SHOPS)
        ]
    return "\n".join([*lines, ""]).encode()


def rows_of(store: ArtifactStore, made: Result) -> dict[str, list[dict[str, Any]]]:
    """A data set's rows by split."""
    manifest = DatasetManifest.model_validate_json(store.get(made.outputs["manifest"]))
    found: dict[str, list[dict[str, Any]]] = {}
    for part in manifest.parts:
        uri = store.uri(f"datasets/{manifest.project}/{manifest.digest}/{part.path}")
        data = store.get(Output(uri=uri, digest=part.digest))
        found.setdefault(part.split, []).extend(pq.read_table(io.BytesIO(data)).to_pylist())
    return found
