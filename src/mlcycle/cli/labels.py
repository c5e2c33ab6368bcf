"""Labels that people make: asked for, looked at, taken out and brought in."""

import json
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.reaching import ledger, platform_env
from mlcycle.cli.root import app
from mlcycle.errors import InputError

if TYPE_CHECKING:
    from mlcycle.project import Project

labels_app = typer.Typer(help="Labels that people make (docs/labelling.md).", no_args_is_help=True)
app.add_typer(labels_app, name="labels")


@labels_app.command("ask")
def ask(
    project: ProjectName,
    count: Annotated[int, typer.Option(min=1, max=100_000, help="How many rows.")] = 100,
    by: Annotated[str, typer.Option(help="uncertainty, disagreement, diversity or random.")] = "uncertainty",
    partition: Annotated[str | None, typer.Option(help="Last partition; the newest, if not given.")] = None,
    first: Annotated[
        str | None, typer.Option(help="First partition; the last one alone, if not given.")
    ] = None,
    random: Annotated[float, typer.Option(min=0, max=1, help="Share drawn at random all the same.")] = 0.2,
    seed: Annotated[int, typer.Option(help="Of what is drawn.")] = 17,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Put rows into the queue that people label in the console."""
    from typing import get_args

    from mlcycle.domain.labelling.choosing import Strategy
    from mlcycle.domain.partitions import Partition
    from mlcycle.ledger import batches
    from mlcycle.settings import Settings, step_env
    from mlcycle.stage_run import person
    from mlcycle.steps.alone import alone
    from mlcycle.steps.label_requests import Wish, request

    if by not in get_args(Strategy):
        raise typer.BadParameter(f"{by!r}: there are {', '.join(get_args(Strategy))}", param_hint="--by")
    spec = _of_people(projects, project)
    settings = Settings.from_env(step_env(platform_env(state), "train"))
    with alone(spec, settings, "labels") as context:
        with context.warehouse.transaction() as cursor:
            newest = batches.newest(cursor, spec, spec.entity.table)
        if partition is None and newest is None:
            raise InputError(f"{project} has no published partition: run ingest first")
        last = Partition.parse(partition, spec.unit) if partition else newest
        assert last is not None
        begin = Partition.parse(first, spec.unit) if first else last
        wish = Wish(count, by, random, seed)  # type: ignore[arg-type]
        asked, out_of = request(context, wish, begin, last, person())
    print(f"{asked} rows of {out_of} are asked for; people label them on the console's page of {project}")


@labels_app.command("status")
def status(project: ProjectName, projects: Projects = DEFAULT_PROJECTS, state: State = DEFAULT_STATE) -> None:
    """How labelling stands: rows, agreement, labellers, and how many more a share would need."""
    from mlcycle.domain.labelling.needed import for_margin
    from mlcycle.domain.labelling.summary import agreement
    from mlcycle.ledger import labelling

    spec = _of_people(projects, project)
    with ledger(state) as cursor:
        found = labelling.standing(cursor, project)
    for name in ("open", "disputed", "settled"):
        print(f"{name:10} {found.states.get(name, 0)}")
    choices = spec.label.choices(_kind(spec))
    summed = agreement(found.answers, choices)
    for who, count in summed.answered.items():
        right = f", right in {summed.accuracies[who]:.0%}" if who in summed.accuracies else ""
        print(f"{who}: {count} answers{right}")
    if summed.alpha is None:
        print(f"agreement: {summed.both} rows were answered twice, too few to tell")
    else:
        print(f"agreement: Krippendorff's alpha {summed.alpha:.2f} over {summed.both} rows")
    if choices:
        print(
            f"a class's share is told to within 5 points by {for_margin(0.5, 0.05)} rows drawn at random; "
            f"{found.reasons.get('random', 0)} are asked for"
        )


@labels_app.command("export")
def export(
    project: ProjectName,
    file: Annotated[Path, typer.Argument(help="JSON lines: a row each, with all answers to it.")],
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Write every row that was asked for, with its answers, into a file."""
    from mlcycle.ledger import labelling
    from mlcycle.models.kept import replace

    _of_people(projects, project)
    with ledger(state) as cursor:
        rows = labelling.exported(cursor, project)
    text = "".join(json.dumps(row, default=str) + "\n" for row in rows)
    replace(file, lambda path: path.write_text(text, encoding="utf-8"))
    print(f"wrote {len(rows)} rows to {file}")


@labels_app.command("import")
def bring_in(
    project: ProjectName,
    file: Annotated[Path, typer.Argument(help="JSON lines with entity_key, event_time and answer.")],
    labeller: Annotated[str, typer.Option(help="In whose name; a line's own labeller goes above it.")],
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Bring answers in that were given elsewhere: all of the file or nothing."""
    from mlcycle.domain.labelling.answers import checked
    from mlcycle.domain.partitions import Partition
    from mlcycle.ledger import labelling
    from mlcycle.ledger.labelling import Asked

    spec = _of_people(projects, project)
    kind = _kind(spec)
    choices = spec.label.choices(kind)
    lines: list[tuple[str, datetime, str, str | None]] = []
    for number, line in enumerate(file.read_text(encoding="utf-8").splitlines(), start=1):
        if not line.strip():
            continue
        try:
            given: Any = json.loads(line)
            moment = datetime.fromisoformat(str(given["event_time"]))
            if moment.tzinfo is None:
                raise InputError("event_time has no time zone")
            text = "" if given["answer"] is None else str(given["answer"])
            said = checked(text, choices, spec.label.task, kind)
            lines.append((str(given["entity_key"]), moment, str(given.get("labeller") or labeller), said))
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f"{file}:{number}: {error}: entity_key, event_time and answer are expected"
            ) from None
        except InputError as error:
            raise InputError(f"{file}:{number}: {error.message}") from None
    later = spec.label.ahead
    asked = [
        Asked(Partition.containing(moment + later, spec.unit).key, key, moment, {}, "import")
        for key, moment, _, _ in lines
    ]
    with ledger(state) as cursor:
        new = labelling.ask(cursor, project, asked, spec.label.labellers, labeller)
        tasks = labelling.find(cursor, project, [(key, moment) for key, moment, _, _ in lines])
        for key, moment, who, said in lines:
            labelling.answer(cursor, project, tasks[key, moment], who, said)
    print(f"{len(lines)} answers were brought in, {new} of rows that nobody had asked for")


@labels_app.command("weak")
def weak(
    project: ProjectName,
    functions: Annotated[
        list[str], typer.Argument(help="References like labels:obvious; each takes a frame of rows.")
    ],
    partition: Annotated[str, typer.Option(help="Last partition.")],
    first: Annotated[str | None, typer.Option(help="First partition; the last one, if not given.")] = None,
    sure: Annotated[float, typer.Option(min=0.5, max=1, help="Least probability of a label.")] = 0.95,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """Label rows by functions of your own that err and abstain; their error rates are estimated."""
    from mlcycle.domain.partitions import Partition
    from mlcycle.ledger import labelling
    from mlcycle.settings import Settings, step_env
    from mlcycle.steps.alone import alone
    from mlcycle.steps.weak_labels import BY, weak_labels

    spec = _of_people(projects, project)
    settings = Settings.from_env(step_env(platform_env(state), "train"))
    last = Partition.parse(partition, spec.unit)
    begin = Partition.parse(first, spec.unit) if first else last
    with alone(spec, settings, "labels") as context:
        found = weak_labels(context, functions, begin, last, sure)
    for name, accuracy, coverage in found.functions:
        print(f"{name:30} says something of {coverage:.0%} of rows, right in {accuracy:.0%}")
    with ledger(state) as cursor:
        labelling.ask(cursor, project, [asked for asked, _ in found.rows], spec.label.labellers, BY)
        keys = [(asked.entity_key, asked.event_time) for asked, _ in found.rows]
        tasks = labelling.find(cursor, project, keys) if keys else {}
        for (_, label), key in zip(found.rows, keys, strict=True):
            labelling.answer(cursor, project, tasks[key], BY, label)
    print(f"{len(found.rows)} rows of {found.out_of} have a label of {sure:.0%} or more")


def _of_people(projects: Path, name: str) -> "Project":
    from mlcycle.project.file import load_named

    project = load_named(projects, name)
    if project.label.source != "people":
        raise InputError(f"labels of {name} are delivered: say label.source: people to have them made here")
    return project


def _kind(project: "Project") -> str:
    return project.source.tables[project.label.table].columns[project.label.column]
