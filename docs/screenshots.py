"""Make the README's pictures from the running platform: ``make screenshots`` after ``make demo``.

Drives a Chromium that is installed (``chromium`` or ``google-chrome`` on the PATH) with Playwright, headless.
With arguments it takes one picture: ``python docs/screenshots.py URL FILE [seconds]``.
"""

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from mlcycle.adapters.warehouse.connection import select_read_only
from mlcycle.airflow_api import AirflowApi
from mlcycle.local.config import airflow_login, load, platform_env
from mlcycle.settings import Settings, step_env

SIZE = {"width": 1440, "height": 900}
IMAGES = Path(__file__).parent / "images"


@contextlib.contextmanager
def browser() -> Iterator[Page]:
    """An empty page of a Chromium of our own, ended afterwards."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("no Chromium on the PATH: install it (Debian: apt install chromium)")
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, chromium_sandbox=os.geteuid() != 0)
        yield chromium.new_page(viewport=SIZE)
        chromium.close()


def picture(page: Page, url: str, file: Path, seconds: float = 4.0) -> None:
    """Open a page, give it time to draw, and write what is seen."""
    page.goto(url, wait_until="commit")  # some pages never end loading
    page.wait_for_timeout(seconds * 1000)
    page.screenshot(path=file)
    print(f"{file}: {url}")


def log_in(page: Page, state: Path) -> None:
    """Give the browser the admin's token, as Airflow's login page would."""
    url = load(state).url("airflow")
    with AirflowApi.from_env(airflow_login(state)) as api:
        page.context.add_cookies([{"name": "_token", "value": api.token, "url": url}])


def all_pictures(state: Path) -> None:
    """The README's pictures."""
    platform = load(state)
    airflow, mlflow = platform.url("airflow"), platform.url("mlflow")
    runs = f"{mlflow}/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART"
    IMAGES.mkdir(exist_ok=True)
    with browser() as page:
        log_in(page, state)
        picture(page, f"{airflow}/dags/flights_ingest", IMAGES / "airflow-grid.png", 7)
        picture(page, runs, IMAGES / "mlflow-comparison.png", 12)
        picture(page, drift_report(state), IMAGES / "drift-report.png", 12)
        picture(page, f"{airflow}/mlcycle/", IMAGES / "projects.png", 4)


def drift_report(state: Path) -> str:
    """Where the newest drift report is shown."""
    settings = Settings.from_env(step_env(platform_env(state), "serve"))
    rows = select_read_only(
        settings,
        """select result->'links'->>'drift' as link from ledger.attempt
           where step = 'monitor' and result->'links' ? 'drift' order by token desc limit 1""",
    )
    if not rows:
        sys.exit("no drift report yet: run make demo first")
    return str(rows[0]["link"])


def one_picture(state: Path, url: str, file: Path, seconds: float) -> None:
    """Any page, logged in to Airflow where the platform runs."""
    with browser() as page:
        with contextlib.suppress(Exception):
            log_in(page, state)
        picture(page, url, file, seconds)


if __name__ == "__main__":
    folder = Path(os.environ.get("MLCYCLE_STATE", ".mlcycle")).absolute()
    if len(sys.argv) > 2:
        wait = float(sys.argv[3]) if len(sys.argv) > 3 else 4.0
        one_picture(folder, sys.argv[1], Path(sys.argv[2]), wait)
    else:
        all_pictures(folder)
