"""Brings MLflow's database up to date before its server starts; refuses one that a newer MLflow has migrated.

``python /opt/mlcycle/launch.py mlflow_prepare``. The database is $MLFLOW_BACKEND_STORE_URI: MLflow's own
``mlflow db upgrade`` takes it from an argument alone, where everybody sees its password. Several at once wait
for one another.
"""

import os
import sys

import sqlalchemy
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from mlflow.store.db import utils
from mlflow.version import VERSION

LOCK = 0x6D6C66  # of MLflow's database: any number that nobody else uses


def main() -> None:
    """Initialise or upgrade; safe to run again."""
    engine = utils.create_sqlalchemy_engine_with_retry(os.environ["MLFLOW_BACKEND_STORE_URI"])
    scripts = ScriptDirectory.from_config(utils._get_alembic_config(db_url=""))
    with engine.connect() as holder:
        if engine.dialect.name == "postgresql":
            holder.execute(sqlalchemy.text("select pg_advisory_lock(:lock)"), {"lock": LOCK})
        found = MigrationContext.configure(holder).get_current_revision()
        holder.commit()  # the lock is the session's; what was read is not held
        if found is not None and found not in {script.revision for script in scripts.walk_revisions()}:
            sys.exit(
                f"MLflow's database has revision {found}, which MLflow {VERSION} does not know: a newer one "
                "has migrated it; take that image again, or restore a backup"
            )
        if found != scripts.get_current_head():
            (utils._upgrade_db if utils._all_tables_exist(engine) else utils._initialize_tables)(engine)
    print(f"MLflow's database is up to date{'' if found else ', made anew'}")


if __name__ == "__main__":
    main()
