"""Airflow finds plugins here; the code lives in the package."""

from mlcycle.console.plugin import MlcyclePlugin  # noqa: F401
from mlcycle.orchestration.deadlines import DeadlinePlugin  # noqa: F401
from mlcycle.orchestration.local_clock import LocalClockPlugin  # noqa: F401
from mlcycle.orchestration.wakeup import WakeupPlugin  # noqa: F401
