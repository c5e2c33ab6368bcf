"""``mlcycle demo``: start the platform if it is not up, play the demo, print its story."""

from pathlib import Path

from rich.console import Console

from mlcycle.errors import Conflict
from mlcycle.local import commands
from mlcycle.local.airflow_api import AirflowApi
from mlcycle.local.config import load
from mlcycle.local.demo import PROJECT, Demo
from mlcycle.local.demo_report import print_report
from mlcycle.local.journal import Clock, Journal


def run_demo(state: Path) -> None:
    """Play the demo from where an earlier one stopped. Raises Unavailable where an act does not end."""
    state = state.absolute()
    clock = Clock()
    console = Console(highlight=False) if Console().is_terminal else Console(width=160, highlight=False)

    def say(text: str) -> None:
        console.print(f"[dim]{clock():6.1f} s[/dim]  {text}", soft_wrap=True)

    try:
        commands.up(state, say=say)
    except Conflict:
        say("the platform is up already")
    journal = Journal.load(state / "demo.json")
    with AirflowApi.of_platform(state) as api:
        api.wait_for_dag(f"{PROJECT}_ingest", seconds=60)
        Demo(state, api, journal, say, clock).play()
    print_report(state, journal, console)
    console.print(f"\n{commands.links(load(state))}")
    console.print(f"\nThe demo took {clock():.0f} s. The platform stays up: stop it with make down.")
