"""``mlcycle demo``: play the demo on a platform and print its story."""

from collections.abc import Callable, Mapping
from pathlib import Path

from rich.console import Console

from mlcycle.airflow_api import AirflowApi
from mlcycle.demo.journal import Clock, Journal
from mlcycle.demo.play import DAYS, PROJECT, Demo
from mlcycle.demo.report import print_report
from mlcycle.errors import ConfigError, Conflict

ELSEWHERE = ("MLCYCLE_DSN_SERVE", "MLCYCLE_ARTIFACTS_URL", "MLCYCLE_SOURCE_URL")


def run_demo(state: Path, until: str = DAYS[1]) -> None:
    """Play it on the local platform, started if it is not up, from where an earlier one stopped.

    Raises Unavailable where an act does not end.
    """
    from mlcycle.local import commands
    from mlcycle.local.config import airflow_login, load, platform_env

    state, clock, console = state.absolute(), Clock(), _console()
    say = _sayer(console, clock)
    try:
        commands.up(state, say=say)
    except Conflict:
        say("the platform is up already")
    _play({**platform_env(state), **airflow_login(state)}, state, until, console, clock)
    console.print(f"\n{commands.links(load(state))}")
    console.print(f"\nThe demo took {clock():.0f} s. The platform stays up: stop it with make down.")


def run_demo_elsewhere(env: Mapping[str, str], state: Path, until: str = DAYS[1]) -> None:
    """Play it on the platform that the environment names.

    Args:
        env: the Airflow (``AirflowApi.from_env``), the warehouse as the role ``serve`` reads it, and the
            source systems, all as they are reached from here.
        state: folder of the demo's journal; another folder is another demo.
        until: the last day that is lived.
    """
    if missing := [name for name in ELSEWHERE if not env.get(name)]:
        raise ConfigError(f"{', '.join(missing)}: not set; they say which platform the demo is played on")
    state.mkdir(parents=True, exist_ok=True)
    clock, console = Clock(), _console()
    _play(env, state, until, console, clock)
    console.print(f"\nThe demo took {clock():.0f} s.")


def _play(env: Mapping[str, str], state: Path, until: str, console: Console, clock: Clock) -> None:
    journal = Journal.load(state / "demo.json")
    with AirflowApi.from_env(env) as api:
        api.wait_for_dag(f"{PROJECT}_ingest", seconds=60)
        Demo(env, api, journal, _sayer(console, clock), clock, until).play()
    print_report(env, journal, console)


def _console() -> Console:
    return Console(highlight=False) if Console().is_terminal else Console(width=160, highlight=False)


def _sayer(console: Console, clock: Clock) -> Callable[[str], None]:
    def say(text: str) -> None:
        console.print(f"[dim]{clock():6.1f} s[/dim]  {text}", soft_wrap=True)

    return say
