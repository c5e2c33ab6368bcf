"""A project taken away wholly: what Airflow, MLflow and the warehouse hold of it. Every part by its name, so
that it can be run again after a kill, and where the project's file is gone.

Its files in the artifact store nothing leads to any more: housekeeping takes them as they get old.
"""

from collections.abc import Callable
from contextlib import closing

from mlcycle.adapters.features import removal as features
from mlcycle.adapters.tracking.old_runs import OldRuns
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.airflow_api import AirflowApi
from mlcycle.cycle import STAGES
from mlcycle.housekeeping.project.held import holding, refuse_at_work
from mlcycle.ledger import removal
from mlcycle.settings import Settings

Say = Callable[[str], None]


def found(warehouse: Warehouse, project: str, *, abandon: bool) -> list[str]:
    """What the warehouse holds of a project, for people. Raises Conflict where a step is at work."""
    with warehouse.transaction() as cursor:
        if not abandon:
            refuse_at_work(cursor, project)
        held = removal.held(cursor, project)
        raw = features.tables_of(cursor, "raw", project)
        views = features.tables_of(cursor, "features", project)
        logins = features.logins(cursor, project)
    lines = [
        f"{len(raw)} raw tables ({held.partitions:,} partitions, {held.rows:,} rows, {held.quarantined:,} in "
        f"quarantine), {len(views)} feature views, {len(logins)} logins of views",
        f"{held.labels:,} labels, {held.predictions:,} predictions, {held.datasets:,} data sets",
        f"{held.models:,} models, the champions' history of {held.champions:,} entries, alerts, "
        f"{held.attempts:,} attempts of steps",
    ]
    # A login alone is that of a copy of this warehouse, which keeps it.
    return lines if any((raw, views, *vars(held).values())) else []


def from_airflow(api: AirflowApi, project: str) -> int:
    """Take the project's DAGs with their runs out of Airflow; how many there were.

    Raises Conflict where a task of one is running. (A run alone is no reason: one whose file is gone stays
    queued for ever.)
    """
    dags = api.dags(project, STAGES)
    for dag in dags:
        api.delete_dag(dag)
    return len(dags)


def from_mlflow(settings: Settings, project: str, free: Callable[[list[str]], None]) -> int:
    """Take the experiment and the registered model out of MLflow; how many runs they had.

    Args:
        settings: with MLflow's address.
        project: name of the project.
        free: takes away what MLflow holds of deleted runs, where this can be done from here.
    """
    with OldRuns(settings, project) as runs:
        for run in runs.all():
            runs.delete(run)
        deleted = runs.deleted()
        free(deleted)
        runs.drop_experiment()
    return len(deleted)


def runs_in_mlflow(settings: Settings, project: str) -> int:
    """How many runs the project's experiment has, the deleted ones among them."""
    with OldRuns(settings, project) as runs:
        return len({*runs.all(), *runs.deleted()})


def from_warehouse(owner: Settings, project: str, *, abandon: bool = False) -> int:
    """Take tables, values, logins, registry entries and all rows of the ledger away, in one transaction.

    Returns how many rows of the ledger there were. Raises Conflict where a step is at work.
    """
    with (
        closing(Warehouse(owner, "mlcycle:drop")) as warehouse,
        holding(warehouse, project, abandon=abandon) as cursor,
    ):
        built = [(view, made) for view, made, building in removal.known_views(cursor, project) if building]
        features.drop_values(cursor, project, features.tables_of(cursor, "features", project), built)
        for schema in ("online", "raw"):
            for table in features.tables_of(cursor, schema, project):
                features.drop(cursor, schema, project, table)
        features.drop_logins(cursor, project)
        features.drop_registered(cursor, project)
        return removal.forget_all(cursor, project)
