# mypy: allow-subclassing-any
"""What mlcycle adds to Airflow: its pages, and the way to them in the navigation."""

from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin

from mlcycle.console.app import app
from mlcycle.console.links import URL_PREFIX


class MlcyclePlugin(AirflowPlugin):
    """The console under ``/mlcycle``."""

    name = "mlcycle"
    fastapi_apps: ClassVar[list[Any]] = [{"app": app, "url_prefix": URL_PREFIX, "name": "mlcycle console"}]
    external_views: ClassVar[list[Any]] = [
        {
            "name": "Projects",
            "href": f"{URL_PREFIX}/",
            "destination": "nav",
            "url_route": "mlcycle",
            "nav_top_level": True,
        }
    ]
