"""What mlcycle adds to Airflow: its pages, and the way to them in the navigation."""

from airflow.plugins_manager import AirflowPlugin

from mlcycle.console.app import app
from mlcycle.console.links import URL_PREFIX


class MlcyclePlugin(AirflowPlugin):
    """The console under ``/mlcycle``."""

    name = "mlcycle"
    fastapi_apps = [{"app": app, "url_prefix": URL_PREFIX, "name": "mlcycle console"}]
    external_views = [
        {
            "name": "Projects",
            "href": f"{URL_PREFIX}/",
            "destination": "nav",
            "url_route": "mlcycle",
            "category": "browse",
        }
    ]
