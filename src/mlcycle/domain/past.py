"""What a run for the past is: it measures and stores, and asks nobody for anything."""

from datetime import timedelta

from mlcycle.domain.partitions import Partition


def why_past(
    last: Partition,
    *,
    monitored: Partition | None,
    published: Partition | None,
    window: timedelta,
    backfill: bool = False,
) -> str:
    """Why a run whose last partition is ``last`` speaks of the past; empty where it does not.

    Args:
        last: the run's last partition.
        monitored: the newest partition that was monitored.
        published: the newest partition of the entity table that was published.
        window: what a monitor looks back on. Monitoring may lag behind ingest by so much without
            falling silent; data older than that is history, monitored before or not.
        backfill: whether Airflow runs it as one.
    """
    if backfill:
        return "the run is a backfill"
    if monitored is not None and monitored > last:
        return f"{monitored.key} was monitored already"
    if published is not None and published.start - last.start > window:
        return f"{published.key} is published already"
    return ""
