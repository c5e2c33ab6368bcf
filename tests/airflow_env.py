"""Airflow's settings for tests; imported before anything of Airflow is.

Airflow reads its settings once, at its first import, and wants a home of its own.
"""

import atexit
import os
import shutil
import tempfile
from pathlib import Path

HOME = tempfile.mkdtemp(prefix="mlcycle-airflow-")
atexit.register(shutil.rmtree, HOME, ignore_errors=True)
os.environ.setdefault("AIRFLOW_HOME", HOME)
os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"
os.environ["AIRFLOW__CORE__UNIT_TEST_MODE"] = "False"
os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "WARNING"
#: Where timetables of our own are registered.
os.environ["AIRFLOW__CORE__PLUGINS_FOLDER"] = str(Path(__file__).parent.parent / "plugins")
