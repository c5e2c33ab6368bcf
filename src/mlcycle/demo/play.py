"""The demo: the reference project's life, on real data, every act of it a run that Airflow shows.

January to May 2013 arrive at once, a first champion is trained; then June comes day by day, with
one bad delivery planted and the thunderstorms from the 13th on, which make no alarm: days differ by as much.
In the end a person asks for a retrain with June's labels. Each act has a run id of its own, so that a demo
that was killed goes on where it stopped.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.airflow_api import AirflowApi
from mlcycle.demo.journal import Clock, Entry, Journal
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import Unavailable
from mlcycle.settings import Settings, step_env

PROJECT = "flights"
HISTORY = ("2013-01-01", "2013-05-31")
DAYS = ("2013-06-01", "2013-06-22")
BAD_DAY = "2013-06-05"
BAD_DELIVERY = {
    "project": PROJECT,
    "table": "flights",
    "partition": BAD_DAY,
    "kind": "bad_values",
    "column": "distance",
    "share": 0.3,
}


@dataclass
class Demo:
    """One run of the demo against a running platform."""

    env: Mapping[str, str]  # names the warehouse, as ``serve`` reads it, and the source systems
    api: AirflowApi
    journal: Journal
    say: Callable[[str], None]
    clock: Clock
    until: str = DAYS[1]

    def __post_init__(self) -> None:
        self._warehouse = Warehouse(Settings.from_env(step_env(self.env, "serve")), name="mlcycle:demo")
        self._world = self.env["MLCYCLE_SOURCE_URL"]

    def play(self) -> None:
        """Every act in its order. Raises Unavailable where one does not end."""
        self._history()
        self._train_first()
        for day in _days(DAYS[0], self.until):
            if day == BAD_DAY:
                self._bad_delivery(day)
            self._day(day)
            self._shadow_if_asked(day)
            self._retrain_if_asked(day)
        self._retrain_by_a_person(self.until)
        self._rollback_and_back()

    # --- acts -----------------------------------------------------------------------------------

    def _history(self) -> None:
        with self._act("history", f"ingest {HISTORY[0]} to {HISTORY[1]}, build features") as act:
            if act is None:
                return
            first, last = HISTORY
            begin = self._start("ingest", last, {"first": first})
            self._expect("ingest", begin, last, "success")
            self._follow("features", last, begin)
            act.rows = self._number(
                "select sum(rows) from ledger.batch where project = %s and current", PROJECT
            )
            days = self._number("select count(*) from ledger.batch where project = %s and current", PROJECT)
            act.verdict = f"{days} partitions published"

    def _train_first(self) -> None:
        with self._act("first champion", "train three candidates, register and promote the best") as act:
            if act is None:
                return
            last = HISTORY[1]
            begin = self._start("retrain", last, {"reason": "the project's first model"})
            self._expect("retrain", begin, last, "success")
            act.rows, act.verdict = self._trained(last, begin)

    def _day(self, day: str) -> None:
        with self._act(f"day {day}", "ingest, features, score, labels, monitor") as act:
            if act is None:
                return
            begin = self._start("ingest", day, {}, name="again" if day == BAD_DAY else "day")
            self._expect("ingest", begin, day, "success")
            self._follow("features", day, begin)
            self._follow("score", day, begin)
            self._follow("monitor", day, begin)
            act.rows = self._number(
                "select count(*) from serving.prediction where project = %s and partition = %s", PROJECT, day
            )
            act.verdict = self._monitored(day)

    def _bad_delivery(self, day: str) -> None:
        with self._act("bad delivery", f"{day}: 30 % of the rows carry no distance that is a number") as act:
            if act is None:
                return
            self._plant([BAD_DELIVERY])
            begin = self._start("ingest", day, {}, name="bad")
            self._expect("ingest", begin, day, "failed")
            act.rows = self._number(
                "select count(*) from raw.quarantine where project = %s and partition = %s", PROJECT, day
            )
            published = self._number(
                """select count(*) from ledger.batch
                   where project = %s and table_name = 'flights' and partition = %s and current""",
                PROJECT,
                day,
            )
            act.verdict = "stopped and quarantined" if not published else "PUBLISHED, it should not have been"
            self._plant([])

    def _shadow_if_asked(self, day: str) -> None:
        asked = self._asked(day, "shadow", "monitor", "period")
        if not asked:
            return
        with self._act(f"shadow {day}", f"the champion's recipe on fresh data: {asked[0][1]}") as act:
            if act is None:
                return
            self._follow("shadow", day, None, seconds=600)
            told = self._warehouse.query(
                """select reason, refused_because from ledger.retrain_request
                   where project = %s and source = 'shadow' and as_of = %s""",
                (PROJECT, Partition.parse(day, Unit.DAY).end),
            )
            act.verdict = "; ".join(filter(None, told[0])) if told else "not compared: the champion changed"

    def _retrain_if_asked(self, day: str) -> None:
        asked = self._asked(day, "retrain", "monitor", "shadow")
        if not asked:
            return
        source, reason = asked[0]
        with self._act(f"retrain {day}", f"the {source} asked: {reason}") as act:
            if act is None:
                return
            act.rows, act.verdict = self._trained(day, None)

    def _asked(self, day: str, wants: str, *sources: str) -> list[tuple[str, str]]:
        """Who was granted what they asked for on a day, and why."""
        return self._warehouse.query(
            """select source, reason from ledger.retrain_request
               where project = %s and wants = %s and source = any(%s) and accepted and as_of = %s""",
            (PROJECT, wants, list(sources), Partition.parse(day, Unit.DAY).end),
        )

    def _retrain_by_a_person(self, day: str) -> None:
        with self._act("retrain", "a person asks for a retrain with the newest labels") as act:
            if act is None:
                return
            begin = self._start("retrain", day, {"reason": "newer labels are in"}, name="person")
            self._expect("retrain", begin, day, "success")
            act.rows, act.verdict = self._trained(day, begin)

    def _rollback_and_back(self) -> None:
        for act_name in ("rollback", "and back"):
            with self._act(act_name, "make the champion before this one the champion again") as act:
                if act is None:
                    continue
                history = self._warehouse.query(
                    "select seq, version from ledger.champion where project = %s order by seq desc",
                    (PROJECT,),
                )
                earlier = [seq for seq, version in history if version != history[0][1]]
                if not earlier:
                    act.verdict = "not possible: there has been one champion only"
                    continue
                conf = {"to": earlier[0], "reason": f"demo: {act_name}"}
                begin = self._start("rollback", None, conf, name=act_name.replace(" ", "-"))
                self._expect("rollback", begin, None, "success")
                version = self._number(
                    "select version from ledger.champion where project = %s order by seq desc limit 1",
                    PROJECT,
                )
                act.verdict = f"version {version} is the champion"

    # --- how an act is played -------------------------------------------------------------------

    def _act(self, name: str, what: str) -> "_Act":
        return _Act(self, name, what)

    def _start(self, stage: str, partition: str | None, conf: dict[str, Any], *, name: str = "") -> str:
        """Start a stage's DAG under a run id of this demo; returns the id."""
        run_id = "__".join(part for part in ("demo", stage, name, partition) if part)
        return self.api.trigger(f"{PROJECT}_{stage}", partition=partition, conf=conf, run_id=run_id)

    def _expect(self, stage: str, run_id: str, partition: str | None, expected: str) -> None:
        dag_id = f"{PROJECT}_{stage}"
        state = self.api.wait(dag_id, run_id)
        if state != expected:
            raise Unavailable(
                f"{dag_id} of {partition or 'the demo'} ended {state}, expected {expected}: "
                f"look at {self.api.run_url(dag_id, run_id)}, clear it there, and run the demo again"
            )

    def _follow(self, stage: str, partition: str, after: str | None, *, seconds: float = 300) -> str:
        """Wait for the run that an asset starts; ``after`` is the ingest or retrain run it follows."""
        dag_id = f"{PROJECT}_{stage}"
        since = ""
        if after is not None:
            origin = "retrain" if "retrain" in after else "ingest"
            since = str(self.api.run(f"{PROJECT}_{origin}", after)["queued_at"])
        run_id = self.api.wait_for_run(dag_id, partition, since=since, seconds=seconds)
        self._expect(stage, run_id, partition, "success")
        return run_id

    def _trained(self, partition: str, after: str | None) -> tuple[int, str]:
        """Follow a retrain to the gate's verdict: rows trained on, and what became of the challenger."""
        self._follow("train", partition, after, seconds=600)
        self._follow("promote", partition, after)
        rows = self._warehouse.query(
            """select v.version, v.candidate, c.verdict, d.rows, v.metrics
               from ledger.comparison c join ledger.model_version v
                 on v.project = c.project and v.version = c.challenger
               join ledger.dataset d on d.project = v.project and d.digest = v.dataset_digest
               where c.project = %s order by c.comparison_id desc limit 1""",
            (PROJECT,),
        )
        version, candidate, verdict, count, _metrics = rows[0]
        done = "promoted" if verdict == "promote" else "refused by the gate"
        return int(count), f"version {version} ({candidate}) {done}"

    def _monitored(self, day: str) -> str:
        found = self._warehouse.query(
            """select monitor, subject, status, value from ledger.monitor_result
               where project = %s and partition = %s order by status, monitor""",
            (PROJECT, day),
        )
        loud = [f"{m}{f' {s}' if s else ''}: {status}" for m, s, status, _ in found if status != "ok"]
        return "; ".join(loud[:3]) + (f" and {len(loud) - 3} more" if len(loud) > 3 else "") or "ok"

    def _plant(self, faults: list[dict[str, Any]]) -> None:
        try:
            httpx.put(f"{self._world}/faults", json=faults, timeout=10, trust_env=False).raise_for_status()
        except httpx.HTTPError as error:
            raise Unavailable(f"the demo's source system does not answer: {error}") from None

    def _number(self, query: str, *params: Any) -> int:
        value = self._warehouse.query(query, params)[0][0]
        return int(value or 0)


@dataclass
class _Act:
    """One act: announced, played, noted. Entering gives None where an earlier demo has played it."""

    demo: Demo
    name: str
    what: str
    rows: int = 0
    verdict: str = "done"
    begin: float = 0.0

    def __enter__(self) -> "_Act | None":
        self.begin = self.demo.clock()
        return None if self.name in self.demo.journal else self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        demo = self.demo
        if kind is not None:
            return
        if self.name in demo.journal:
            demo.say(f"{self.name}: done before, {demo.journal.entries[self.name].verdict}")
            return
        seconds = round(demo.clock() - self.begin, 1)
        demo.journal.note(Entry(self.name, self.what, self.rows, seconds, self.verdict))
        demo.say(f"{self.name}: {self.rows} rows, {seconds} s, {self.verdict}")


def _days(first: str, last: str) -> Iterator[str]:
    for partition in Partition.parse(first, Unit.DAY).to(Partition.parse(last, Unit.DAY)):
        yield partition.key
