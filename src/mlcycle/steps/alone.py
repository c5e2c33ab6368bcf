"""What a person asks for here and now, outside of any DAG: a context without an attempt in the ledger."""

import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager

from mlcycle import kept_files, packages
from mlcycle.adapters.datasets.snapshots import stored
from mlcycle.adapters.datasets.training_data import read_manifest
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Request
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.errors import InputError
from mlcycle.ledger import datasets
from mlcycle.project import Project
from mlcycle.project_code import using
from mlcycle.settings import Settings
from mlcycle.steps.context import StepContext


@contextmanager
def alone(project: Project, settings: Settings, name: str) -> Iterator[StepContext]:
    """A context that publishes nothing, with the project's own code; its scratch folder goes with it.

    Args:
        project: whose.
        settings: of the role that trains.
        name: what is done, a word: it names the work and the connection.
    """
    request = Request(step=name, work=f"{name}-{secrets.token_hex(6)}", project=project.document())
    context = StepContext(request, project, settings, 0, Warehouse(settings, name=f"mlcycle:{name}"))
    try:
        kept_files.use(settings.artifacts_url, settings.scratch)
        packages.use(project.code.requirements, settings.packages, project.name)
        with using(project.own_code):
            yield context
    finally:
        context.warehouse.close()
        if "scratch" in vars(context):
            shutil.rmtree(context.scratch, ignore_errors=True)


def snapshot(context: StepContext, digest: str = "") -> DatasetManifest:
    """A snapshot whose files are there: the newest, or the one whose digest begins so. Raises InputError."""
    project = context.project.name
    with context.warehouse.transaction() as cursor:
        found = datasets.find(cursor, project, digest) if digest else datasets.newest_kept(cursor, project)
    output = None if found is None else stored(context.artifacts, project, found)
    if output is None:
        which = f"no dataset {digest[:12]}" if digest else "no dataset"
        raise InputError(f"{project} has {which}: start {project}_train first, which takes a snapshot")
    return read_manifest(context.artifacts, output)
