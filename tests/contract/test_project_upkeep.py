"""A project mended, emptied and taken away: what is there before and after, as the owner reads it."""

import json
import re
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from psycopg2 import sql

from mlcycle.adapters.features import removal as features
from mlcycle.adapters.warehouse import raw_changes, raw_tables
from mlcycle.adapters.warehouse.connection import Warehouse, raw_table
from mlcycle.cli import main
from mlcycle.contract import Result, Status
from mlcycle.cycle import ALL_ROLES
from mlcycle.demo.world_data import day_file
from mlcycle.errors import Conflict, InputError, Superseded, Unavailable
from mlcycle.housekeeping.project import drop, held
from mlcycle.housekeeping.project.migrate import differences, migrate, renames
from mlcycle.housekeeping.project.reset import look, reset
from mlcycle.ledger import attempts, removal
from mlcycle.project import Project, Table
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.ingest import Ingest, days
from tests.raw_data import request, short_flights

FIRST, LAST = "2013-01-01", "2013-01-03"
PROJECT = Project.model_validate(short_flights())


def with_column(name: str, kind: str) -> Project:
    """The project with a column of another type."""
    document = PROJECT.document()
    document["source"]["tables"]["flights"]["columns"][name] = kind
    return Project.model_validate(document)


def ingest(platform: Platform, project: Project, days_: list[str], work: str = "") -> list[Result]:
    """Deliver and publish days of both tables; ``work`` is what a cleared run of Airflow's would say."""
    found = []
    for table in ("flights", "arrivals"):
        one = Ingest(platform, project, table)
        for day in days_:
            one.deliver(day, day_file("flights", table, day))
            results: dict[str, Result] = {}
            for name in ("extract", "validate", "publish"):
                named = f"{work}/{day}/{table}.{name}" if work else ""
                results[name] = one.step(name, day, before=results, work=named)
            found.append(results["publish"])
    return found


def compute(platform: Platform, project: Project, work: str, *steps: str) -> None:
    for step in steps or ("features", "materialize", "labels"):
        result = run_step(
            request(step, project, FIRST, LAST, work=f"{work}/{step}"), platform.settings("train")
        )
        assert result.exit_code == 0, result.message


def everything(platform: Platform, project: str = PROJECT.name) -> dict[str, Any]:
    """What a new ingest is to bring back, without the numbers and moments that it is given anew."""
    owner, found = platform.owner(), {}
    statements = {
        "flights": f'select sched_dep, carrier, flight, distance::text from raw."{project}__flights"',
        "arrivals": f'select count(*), sum(arr_delay) from raw."{project}__arrivals"',
        "carrier_recent": f'select carrier, event_timestamp, carrier_late_7d from features."{project}__carrier_recent"',
        "online": f'select feature_name, entity_key, value, event_ts from online."{project}__carrier_hour"',
        "labels": f"select partition, entity_key, label from serving.label where project = '{project}'",
        "batches": f"""select table_name, partition, status, digest, rows from ledger.batch
                       where project = '{project}' and current""",
        "views": f"select view, building, covered_to from ledger.feature_view where project = '{project}'",
    }
    for name, statement in statements.items():
        found[name] = sorted(
            tuple(bytes(cell) if isinstance(cell, memoryview) else cell for cell in row)
            for row in owner.query(statement)
        )
        assert found[name], name
    owner.close()
    return found


def there(platform: Platform, project: str) -> set[str]:
    """Every table with rows of the project, and every table and login that bears its name."""
    owner = platform.owner()
    found = {
        f"{schema}.{name}"
        for schema, name in owner.query(
            "select schemaname, tablename from pg_tables where starts_with(tablename, %s || '__')", (project,)
        )
    }
    for schema, table in owner.query(
        """select table_schema, table_name from information_schema.columns
           where column_name = 'project' and table_schema in ('ledger', 'serving', 'raw')"""
    ):
        counted = sql.SQL("select count(*) from {} where project = %s").format(sql.Identifier(schema, table))
        if owner.query(counted, (project,)) != [(0,)]:
            found.add(f"{schema}.{table}")
    for (table,) in owner.query(
        """select table_name from information_schema.columns
           where table_schema = 'features' and column_name = 'project_id'"""
    ):
        counted = sql.SQL("select count(*) from features.{} where project_id = %s").format(
            sql.Identifier(table)
        )
        if owner.query(counted, (f"{project}_",)) != [(0,)]:
            found.add(f"registry {table}")
    found |= {
        f"work {work}"
        for (work,) in owner.query(
            "select work from ledger.publication where strpos(work, %s) > 0", (project,)
        )
    }
    with owner.transaction() as cursor:
        found |= set(features.logins(cursor, project))
    owner.close()
    return found


TABLE = {
    "event_time": "at",
    "key": ["id"],
    "columns": {"at": "timestamp", "id": "text", "value": "text"},
}


def made(
    platform: Platform, name: str, kind: str, values: list[Any]
) -> Callable[[str], list[raw_changes.Change]]:
    """A raw table with values; says what differs once its column is of another type."""
    table = Table.model_validate({**TABLE, "columns": {**TABLE["columns"], "value": kind}})  # type: ignore[dict-item]
    with closing(platform.owner()) as owner, owner.transaction() as cursor:
        raw_tables.ensure(cursor, "shop", name, table)
        for number, value in enumerate(values):
            cursor.execute(
                sql.SQL("insert into {} (at, id, value, _batch_id) values ('2024-01-01', %s, %s, 1)").format(
                    raw_table("shop", name)
                ),
                (str(number), value),
            )

    def compare(wanted: str) -> list[raw_changes.Change]:
        other = Table.model_validate({**TABLE, "columns": {**TABLE["columns"], "value": wanted}})  # type: ignore[dict-item]
        with closing(platform.owner()) as owner, owner.transaction() as cursor:
            found = raw_changes.changes(cursor, "shop", name, other)
            for change in found:
                if change.action is not None:
                    cursor.execute(change.action)
            return found

    return compare


@pytest.mark.parametrize(
    ("held_as", "values", "wanted", "after"),
    [
        pytest.param("integer", [1, None, -3], "double", [1.0, None, -3.0], id="integer to double"),
        pytest.param("integer", [2**53 + 1, 7], "double", "1 of 2 values", id="an integer that no double is"),
        pytest.param("double", [1.0, None, 2.0**53], "integer", [1, None, 2**53], id="whole doubles"),
        pytest.param("double", [1.5, 2.0], "integer", "1 of 2 values are no integer, like '1.5'", id="1.5"),
        pytest.param("double", [float("nan")], "integer", "1 of 1 values", id="not a number"),
        pytest.param("double", [float("-inf")], "integer", "1 of 1 values", id="infinity"),
        pytest.param("integer", [0, 1, None], "boolean", [False, True, None], id="0 and 1"),
        pytest.param("integer", [0, 2], "boolean", "1 of 2 values", id="2 is no boolean"),
        pytest.param("boolean", [True, None], "integer", [1, None], id="boolean to integer"),
        pytest.param("boolean", [True, None], "double", [1.0, None], id="boolean to double"),
        pytest.param("integer", [7], "text", ["7"], id="integer to text"),
        pytest.param("text", ["7", "-0012", None], "integer", [7, -12, None], id="text to integer"),
        pytest.param("text", ["7", "", "x"], "integer", "2 of 3 values", id="text that is no integer"),
        pytest.param("text", [".5", "1e3"], "double", [0.5, 1000.0], id="text to double"),
        pytest.param("text", ["NaN", "0x1", "1e999"], "double", "3 of 3 values", id="what ingest refuses"),
        pytest.param("text", ["True", "0"], "boolean", [True, False], id="text to boolean"),
        pytest.param("text", ["yes"], "boolean", "1 of 1 values", id="yes is no boolean"),
        pytest.param("text", ["01/02/2013", "now"], "timestamp", "2 of 2 values", id="dates of no one order"),
        pytest.param("text", ["2013-02-30"], "timestamp", "no timestamp", id="30 February"),
        pytest.param("double", [1.0], "timestamp", "no value of type double is", id="never"),
    ],
)  # fmt: skip
def test_a_type_changes_where_every_value_casts_and_else_the_table_stays(
    module_platform: Platform, request: pytest.FixtureRequest, held_as: str, values: list[Any], wanted: str,
    after: list[Any] | str,
) -> None:  # fmt: skip
    name = re.sub("[^a-z0-9]", "_", f"t_{request.node.callspec.id}")
    (change,) = made(module_platform, name, held_as, values)(wanted)
    with closing(module_platform.owner()) as owner:
        now = owner.query(f'select value from raw."shop__{name}" order by id')
    if isinstance(after, str):
        assert change.action is None
        assert after in change.loss
        assert [str(value) for (value,) in now] == [str(value) for value in values]
    else:
        assert change.loss == ""
        assert [value for (value,) in now] == after


def test_times_as_text_become_times_in_utc(module_platform: Platform) -> None:
    compare = made(module_platform, "times", "text", ["2013-06-01T12:00:00Z", "2013-06-01 12:00+02:00"])
    assert [change.loss for change in compare("timestamp")] == [""]
    with closing(module_platform.owner()) as owner:
        found = owner.query("select to_char(value, 'HH24:MI') from raw.shop__times order by id")
    assert found == [("12:00",), ("10:00",)]


def test_a_change_of_type_is_mended_by_migrate_and_everything_goes_on(platform: Platform) -> None:
    ingest(platform, PROJECT, days(FIRST, LAST)[:2])
    compute(platform, PROJECT, "first", "features", "labels")
    other = with_column("distance", "integer")
    refused = ingest(platform, other, [LAST])[0]
    assert refused.status is Status.FAILED
    assert "mlcycle project migrate flights" in refused.message
    with closing(platform.owner()) as owner:
        with owner.transaction() as cursor:
            found = differences(cursor, other)
        assert (found.can, found.cannot) == (["flights"], [])
        assert migrate(owner, other, "flights") == [
            "column 'distance' is double in the warehouse and integer in the file: each of the 1639 values is one"
        ]
        with owner.transaction() as cursor:
            assert differences(cursor, other).tables == {}
        assert migrate(owner, other, "flights") == []  # it can be run twice
    assert ingest(platform, other, [LAST])[0].status is Status.OK
    compute(platform, other, "second")
    whole = everything(platform)
    assert len(whole["batches"]) == 5


def test_a_key_changes_where_no_row_was_refused_and_none_would_be(platform: Platform) -> None:
    ingest(platform, PROJECT, [FIRST])
    document = PROJECT.document()
    key = document["source"]["tables"]["flights"]["key"]
    document["source"]["tables"]["flights"]["key"] = [*key, "dest"]
    wider = Project.model_validate(document)
    document["source"]["tables"]["flights"]["key"] = ["origin"]
    document["source"]["tables"]["arrivals"]["key"] = ["origin"]
    document["features"] = {}
    document["inputs"] = {"categorical": ["carrier"], "numeric": ["distance"]}
    narrower = Project.model_validate(document)
    with closing(platform.owner()) as owner:
        assert len(migrate(owner, wider, "flights")) == 1
        with owner.transaction() as cursor:
            assert "flights" not in differences(cursor, wider).tables
            assert (
                "rows have the key of another row" in differences(cursor, narrower).tables["flights"][0].loss
            )
        with pytest.raises(InputError, match="rows have the key of another row"):
            migrate(owner, narrower, "flights")
        owner.query("update ledger.batch set clashing = 3 where table_name = 'flights'")
        with owner.transaction() as cursor:
            (change,) = differences(cursor, PROJECT).tables["flights"]
    assert change.loss.startswith("3 rows were quarantined by the key before")


def test_a_column_that_is_called_otherwise_keeps_its_values(platform: Platform) -> None:
    ingest(platform, PROJECT, [FIRST])
    document = PROJECT.document()
    columns = document["source"]["tables"]["flights"]["columns"]
    columns["miles"] = columns.pop("distance")
    document["source"]["tables"]["flights"]["expectations"] = []
    document["inputs"]["numeric"] = ["sched_hour"]
    other = Project.model_validate(document)
    with closing(platform.owner()) as owner:
        before = owner.query('select sum(distance) from raw."flights__flights"')
        migrate(owner, other, "flights", renames(other, ["flights.distance=miles"]))
        assert owner.query('select sum(miles) from raw."flights__flights"') == before
    with pytest.raises(InputError, match=r"is not TABLE\.BEFORE=AFTER"):
        renames(other, ["distance=miles"])


def test_what_a_reset_takes_away_comes_back_by_the_same_runs(platform: Platform) -> None:
    ingest(platform, PROJECT, days(FIRST, LAST), "run")
    compute(platform, PROJECT, "run")
    whole = everything(platform)
    with closing(platform.owner()) as owner:
        owner.query(
            """insert into serving.scoring (project, partition, starts, ends, champion_seq, version, reason, rows)
               values ('flights', '2013-01-01', '2013-01-01', '2013-01-02', 1, 1, 'live', 5)"""
        )
        plan = look(owner, PROJECT, ["arrivals"], abandon=False)
        assert plan.views == ["carrier_recent", "carrier_hour"]
        assert plan.labels
        assert (plan.held.partitions, plan.held.predictions) == (2, 5)
        with pytest.raises(InputError, match="has no table 'departures'"):
            look(owner, PROJECT, ["departures"], abandon=False)
        for _ in range(2):  # it can be run twice
            reset(owner, PROJECT, ["arrivals"])
        assert owner.query("select distinct table_name from ledger.batch") == [("flights",)]
        assert owner.query("select count(*) from serving.label") == [(0,)]
        assert owner.query("select count(*) from serving.scoring") == [(1,)]
        reset(owner, PROJECT)
        left = there(platform, "flights")
        assert {name for name in left if not name.startswith(("registry", "mlcycle_view", "work"))} == {
            *("online.flights__carrier_hour", "online.flights__carrier_recent", "serving.scoring")
        }
    # The runs of before, cleared in Airflow: the same works, which would answer what they had published.
    ingest(platform, PROJECT, days(FIRST, LAST), "run")
    compute(platform, PROJECT, "run")
    assert everything(platform) == whole


def test_a_project_at_work_is_left_alone_and_an_abandoned_step_publishes_nothing(platform: Platform) -> None:
    asked = request("publish", PROJECT, FIRST, work="stuck")
    ingester = Warehouse(platform.settings("ingest"))
    with ingester.transaction() as cursor:
        token = attempts.open_attempt(cursor, asked, PROJECT.name)
        attempts.open_attempt(cursor, asked.model_copy(update={"work": "another"}), "flights_too")
    with closing(platform.owner()) as owner:
        for refused in (
            lambda: look(owner, PROJECT, None, abandon=False),
            lambda: reset(owner, PROJECT),
            lambda: drop.found(owner, PROJECT.name, abandon=False),
        ):
            with pytest.raises(Conflict, match=r"flights is at work \(publish on .*--abandon"):
                refused()
        reset(owner, PROJECT, abandon=True)
        with pytest.raises(Superseded), ingester.transaction() as cursor:
            attempts.guard(cursor, "stuck", token)
        with owner.transaction() as cursor:
            assert removal.at_work(cursor, PROJECT.name) == []
            assert len(removal.at_work(cursor, "flights_too")) == 1


@pytest.fixture
def own_logins(platform: Platform) -> None:
    """Databases of the tests are copies of one, so a server's views would share their logins."""
    with closing(platform.owner()) as owner:
        owner.query("update ledger.view_key set key = uuid_send(gen_random_uuid())")


@pytest.mark.usefixtures("own_logins")
def test_a_login_that_a_copy_of_the_warehouse_needs_stays(platform: Platform) -> None:
    ingest(platform, PROJECT, days(FIRST, LAST))
    compute(platform, PROJECT, PROJECT.name)
    with closing(platform.owner()) as owner:
        with owner.transaction() as cursor:
            login = features.logins(cursor, PROJECT.name)[0]
            cursor.execute(sql.SQL("grant connect on database postgres to {}").format(sql.Identifier(login)))
        settings = platform.settings(warehouse_dsn=platform.server.dsn(platform.database))
        assert drop.from_warehouse(settings, PROJECT.name) > 0
        with owner.transaction() as cursor:
            assert features.logins(cursor, PROJECT.name) == [login]
            cursor.execute(sql.SQL("drop owned by {0}; drop role {0}").format(sql.Identifier(login)))
        assert drop.found(owner, PROJECT.name, abandon=False) == []


@pytest.mark.usefixtures("own_logins")
def test_a_dropped_project_leaves_nothing_and_its_neighbour_whole(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    neighbour = Project.model_validate({**PROJECT.document(), "name": "flights_too"})
    for project in (PROJECT, neighbour):
        ingest(platform, project, days(FIRST, LAST), project.name)
        compute(platform, project, project.name)
    plant(platform, PROJECT.name)
    plant(platform, neighbour.name)
    kept, before = everything(platform, neighbour.name), there(platform, neighbour.name)
    owner = platform.owner()
    settings = platform.settings(warehouse_dsn=platform.server.dsn(platform.database))

    monkeypatch.setattr(held, "PATIENCE", "200ms")
    mine = there(platform, PROJECT.name)
    with closing(platform.owner()) as reader, reader.transaction() as cursor:
        cursor.execute('select * from raw."flights__arrivals" limit 1')
        with pytest.raises(Unavailable, match="have been read or written for 200ms: nothing was changed"):
            drop.from_warehouse(settings, PROJECT.name)
    assert there(platform, PROJECT.name) == mine

    assert len(drop.found(owner, PROJECT.name, abandon=False)) == 3
    assert drop.from_warehouse(settings, PROJECT.name) > 0
    assert {name for name in there(platform, PROJECT.name) if "flights_too" not in name} == set()
    assert drop.found(owner, PROJECT.name, abandon=False) == []
    assert drop.from_warehouse(settings, PROJECT.name) == 0  # it can be run twice
    assert everything(platform, neighbour.name) == kept
    assert there(platform, neighbour.name) == before
    # And it can begin anew.
    ingest(platform, PROJECT, days(FIRST, LAST), PROJECT.name)
    compute(platform, PROJECT, PROJECT.name)
    everything(platform, PROJECT.name)
    owner.close()


def plant(platform: Platform, project: str) -> None:
    """A row of a model's life in every table that leads to another one."""
    values = {"p": project}
    with closing(platform.owner()) as owner, owner.transaction() as cursor:
        for statement in (
            """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
                   manifest_digest, dataset_digest, metrics) values (%(p)s, 1, 'r', 'c', 'u', '{}', 'm', 'd', '{}')""",
            """with c as (insert into ledger.comparison (project, challenger, champion_seq, dataset_digest, verdict,
                   reasons, statistics) values (%(p)s, 1, 0, 'd', 'promote', '[]', '{}') returning comparison_id),
               h as (insert into ledger.champion (project, seq, version, action, actor, reason, comparison_id)
                   select %(p)s, 1, 1, 'promote', 'x', 'y', comparison_id from c)
               insert into ledger.anchor (project, seq, version, reason, comparison_id)
                   select %(p)s, 1, 1, 'y', comparison_id from c""",
            """with a as (insert into ledger.alert (project, key, severity, title, body, first_partition,
                   last_partition) values (%(p)s, 'k', 'warn', 't', 'b', '2013-01-01', '2013-01-01') returning *),
               d as (insert into ledger.delivery (alert_id, channel) select alert_id, 'mail' from a)
               insert into ledger.alert_act (project, action, name, alert_id, actor)
                   select %(p)s, 'acknowledge', 'k', alert_id, 'x' from a""",
        ):
            cursor.execute(statement, values)


def test_every_table_with_rows_of_projects_is_known_to_drop(platform: Platform) -> None:
    with closing(platform.owner()) as owner:
        found = owner.query(
            """select format('%s.%s', n.nspname, c.relname) from pg_attribute a
               join pg_class c on c.oid = a.attrelid join pg_namespace n on n.oid = c.relnamespace
               where a.attname = 'project' and n.nspname in ('ledger', 'serving', 'raw')
                 and c.relkind in ('r', 'p') and not c.relispartition"""
        )
    assert {name for (name,) in found} == set(removal.TABLES)


def test_mlflow_forgets_a_project_and_its_name_is_free_again(platform: Platform, mlflow_url: str) -> None:
    from mlcycle.adapters.tracking.old_runs import OldRuns
    from mlcycle.adapters.tracking.server import Tracking

    settings = platform.settings(mlflow_url=mlflow_url)
    tracking, other = Tracking(settings, "dropped_one"), Tracking(settings, "dropped_one_too")
    for each in (tracking, other):
        run = each.start_run("first", {"mlcycle.work_id": "w"})
        each.end_run(run, "FINISHED")
        each.client.create_registered_model(each.project)
        each.client.create_model_version(each.project, f"runs:/{run}/model", run)
    freed: list[list[str]] = []
    assert drop.runs_in_mlflow(settings, "dropped_one") == 1
    assert drop.from_mlflow(settings, "dropped_one", freed.append) == 1
    assert len(freed[0]) == 1
    assert drop.from_mlflow(settings, "dropped_one", freed.append) == 0  # it can be run twice
    assert drop.runs_in_mlflow(settings, "dropped_one") == 0
    again = Tracking(settings, "dropped_one")
    assert again.experiment != tracking.experiment
    assert again.aliases() == {}
    with OldRuns(settings, "dropped_one_too") as runs:
        assert len(runs.all()) == 1
    assert len(other.client.search_model_versions("name = 'dropped_one_too'")) == 1


@pytest.fixture
def typed(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str]]:
    """The command line on the test's warehouse: exit code, and what it says."""
    folder = platform.folder / "projects" / "flights"
    folder.mkdir(parents=True)
    written = {"name": "flights", **short_flights()}
    for name, view in written["features"].items():
        (folder / f"{name}.sql").write_text(view["sql"])
        view["sql"] = f"{name}.sql"
    (folder / "project.yaml").write_text(json.dumps(written))
    monkeypatch.setenv("MLCYCLE_STATE", str(platform.folder / "none"))
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(folder.parent))
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", f"file://{platform.folder}/artifacts")
    monkeypatch.setenv("MLCYCLE_DSN_OWNER", platform.server.dsn(platform.database))
    for role in ALL_ROLES:
        dsn = platform.settings(role).warehouse_dsn.get_secret_value()
        monkeypatch.setenv(f"MLCYCLE_DSN_{role.upper()}", dsn)

    def run(*words: str) -> tuple[int, str]:
        monkeypatch.setattr("sys.argv", ["mlcycle", "project", *words])
        capsys.readouterr()  # what was said before
        try:
            main()
        except SystemExit as ended:
            said = capsys.readouterr()
            return int(ended.code or 0), said.out + said.err
        raise AssertionError("the command line always exits")

    return run


@pytest.mark.usefixtures("own_logins")
def test_the_commands_say_what_differs_ask_and_refuse_in_one_line(
    platform: Platform, typed: Callable[..., tuple[int, str]]
) -> None:
    ingest(platform, PROJECT, [FIRST])
    assert typed("migrate", "flights") == (0, "nothing differs\n")
    file = platform.folder / "projects" / "flights" / "project.yaml"
    written = json.loads(file.read_text())
    columns = written["source"]["tables"]["flights"]["columns"]
    columns["distance"] = "integer"
    file.write_text(json.dumps(written))
    code, said = typed("migrate", "flights", "--dry-run")
    assert (code, said.splitlines()[-1]) == (
        0,
        "nothing was changed; without --dry-run the tables are altered",
    )
    assert typed("migrate", "flights")[1].endswith("flights: done\n")
    columns["tailnum"] = "integer"
    file.write_text(json.dumps(written))
    code, said = typed("migrate", "flights")
    assert code == 20
    assert "values are no integer, like 'N" in said
    assert "mlcycle: not without a new ingest: mlcycle project reset flights --tables flights" in said
    code, said = typed("reset", "flights", "--tables", "flights")
    assert (code, said.splitlines()[-1]) == (20, "mlcycle: Empty these tables? Say --yes.")
    assert typed("reset", "flights", "--tables", "flights", "--yes")[0] == 0
    assert platform.owner().query("select to_regclass('raw.flights__flights')") == [(None,)]
    code, said = typed("drop", "flights", "--yes")
    assert (code, "remove the folder first" in said) == (20, True)
    assert typed("drop", "../flights", "--yes")[0] == 20
    assert "what has a file is shown" in typed("forget", "flights")[1]
    assert typed("forget", "nobody") == (20, "mlcycle: the ledger knows no project 'nobody'\n")
    file.unlink()
    plant(platform, "flights")
    assert typed("forget", "flights", "--reason", "over") == (
        0, "flights is not shown any more; all of it is kept\n",
    )  # fmt: skip
    assert typed("forget", "flights")[1] == "flights is forgotten already\n"
    assert typed("forget", "flights", "--undo")[1] == "flights is shown again\n"
    assert typed("forget", "flights", "--undo")[1] == "flights was not forgotten\n"
    assert typed("forget", "flights")[0] == 0
    code, said = typed("drop", "flights", "--yes")
    assert code == 10  # the rest is done, and said again: there is no Airflow here
    assert "its runs in Airflow stay" in said
    assert there(platform, "flights") == set()
