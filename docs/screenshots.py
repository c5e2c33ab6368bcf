"""Make the README's pictures from the running platform: ``make screenshots`` after ``make demo``.

Drives a headless Chromium (``chromium`` or ``google-chrome`` on the PATH) over its debugging protocol.
With arguments it takes one picture: ``python docs/screenshots.py URL FILE [seconds]``.
"""

import asyncio
import base64
import contextlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import websockets

from mlcycle.adapters.warehouse.connection import select_read_only
from mlcycle.local.airflow_api import AirflowApi
from mlcycle.local.config import load, platform_env
from mlcycle.settings import Settings, step_env

WIDTH, HEIGHT = 1440, 900
IMAGES = Path(__file__).parent / "images"


class Page:
    """One browser tab."""

    def __init__(self, socket: Any) -> None:
        self._socket = socket
        self._ids = itertools.count(1)

    async def call(self, method: str, **params: Any) -> dict[str, Any]:
        """One command of the debugging protocol; its answer."""
        number = next(self._ids)
        await self._socket.send(json.dumps({"id": number, "method": method, "params": params}))
        while True:
            message = json.loads(await self._socket.recv())
            if message.get("id") == number:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']['message']}")
                return dict(message["result"])

    async def picture(self, url: str, file: Path, seconds: float = 4.0) -> None:
        """Open a page, give it time to draw, and write what is seen."""
        await self.call("Page.navigate", url=url)
        await asyncio.sleep(seconds)
        shot = await self.call("Page.captureScreenshot", format="png")
        file.write_bytes(base64.b64decode(shot["data"]))
        print(f"{file}: {url}")


@contextlib.asynccontextmanager
async def browser() -> AsyncIterator[Page]:
    """A Chromium of our own, ended afterwards."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        sys.exit("no Chromium on the PATH: install it (Debian: apt install chromium)")
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        flags = [
            *("--headless", "--disable-gpu", "--hide-scrollbars", "--no-first-run", "--disable-sync"),
            *("--disable-background-networking", "--disable-component-update", "--disable-quic"),
            *(f"--user-data-dir={profile}", "--remote-debugging-port=0", f"--window-size={WIDTH},{HEIGHT}"),
            *(["--no-sandbox"] if os.geteuid() == 0 else []),
        ]
        process = subprocess.Popen([program, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            port_file = Path(profile) / "DevToolsActivePort"
            deadline = time.monotonic() + 20
            while not (port_file.exists() and port_file.read_text().count("\n")):
                if time.monotonic() > deadline:
                    sys.exit("Chromium did not start")
                await asyncio.sleep(0.1)
            port = port_file.read_text().split()[0]
            tabs = httpx.get(f"http://127.0.0.1:{port}/json/list", trust_env=False).json()
            target = next(tab for tab in tabs if tab["type"] == "page")["webSocketDebuggerUrl"]
            async with websockets.connect(target, max_size=64_000_000, proxy=None) as socket:
                page = Page(socket)
                size = {"width": WIDTH, "height": HEIGHT, "deviceScaleFactor": 1, "mobile": False}
                await page.call("Emulation.setDeviceMetricsOverride", **size)
                yield page
        finally:
            process.terminate()
            process.wait(10)


async def log_in(page: Page, state: Path) -> None:
    """Give the browser the admin's token, as Airflow's login page would."""
    platform = load(state)
    with AirflowApi.of_platform(state) as api:
        await page.call("Network.setCookie", name="_token", value=api.token, url=platform.url("airflow"))


async def all_pictures(state: Path) -> None:
    """The README's pictures."""
    platform = load(state)
    airflow, mlflow = platform.url("airflow"), platform.url("mlflow")
    runs = f"{mlflow}/#/experiments/1/runs?workflowType=machine_learning&compareRunsMode=CHART"
    IMAGES.mkdir(exist_ok=True)
    async with browser() as page:
        await log_in(page, state)
        await page.picture(f"{airflow}/dags/flights_ingest", IMAGES / "airflow-grid.png", 7)
        await page.picture(runs, IMAGES / "mlflow-comparison.png", 12)
        await page.picture(drift_report(state), IMAGES / "drift-report.png", 12)
        await page.picture(f"{airflow}/mlcycle/", IMAGES / "projects.png", 4)


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


async def one_picture(state: Path, url: str, file: Path, seconds: float) -> None:
    """Any page, logged in to Airflow where the platform runs."""
    async with browser() as page:
        with contextlib.suppress(Exception):
            await log_in(page, state)
        await page.picture(url, file, seconds)


if __name__ == "__main__":
    folder = Path(os.environ.get("MLCYCLE_STATE", ".mlcycle")).absolute()
    if len(sys.argv) > 2:
        wait = float(sys.argv[3]) if len(sys.argv) > 3 else 4.0
        asyncio.run(one_picture(folder, sys.argv[1], Path(sys.argv[2]), wait))
    else:
        asyncio.run(all_pictures(folder))
