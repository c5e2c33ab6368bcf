"""That the parts of a project agree: every mistake with the keys that lead to it.

Each function looks at one matter and yields what is wrong; ``Project`` raises all of them at once.
"""

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from mlcycle.domain.closest import meant
from mlcycle.domain.durations import format_duration
from mlcycle.domain.sql_columns import names_column
from mlcycle.domain.tasks import task_of
from mlcycle.project.misfit import Key, Misfit
from mlcycle.project.source_kinds import check_named

if TYPE_CHECKING:
    from mlcycle.project.project import Project


def mistakes(project: "Project") -> Iterator[Misfit]:
    """All that is wrong with the whole; what hangs on a table that is not there is not looked at."""
    missing = list(_tables(project))
    yield from missing
    if missing:
        return
    yield from _label(project)
    owners, clashes = _owners(project)
    yield from clashes
    yield from _columns(project, owners)
    yield from _classes_alone(project)
    yield from _evaluation(project)
    yield from _people(project)
    yield from _weights(project)
    yield from _sample(project)
    yield from _fitted(project)
    yield from _waits(project)
    yield from _searches(project)
    yield from _calibration(project)


def _tables(project: "Project") -> Iterator[Misfit]:
    tables = project.source.tables
    for part, name in (("entity", project.entity.table), ("label", project.label.table)):
        if name not in tables:
            hint = meant(name, tables)
            yield Misfit(f"{part}.table names {name!r}, which is not a source table{hint}", part, "table")
        elif (kind := tables[name].kind) != "events":
            yield Misfit(
                f"{part}.table {name!r} is {kind}: rows that are predicted, and their labels, are events; a "
                "feature view joins it to them",
                *(part, "table"),
            )
    for view_name, view in project.features.items():
        for at, table in enumerate(view.reads):
            if table not in tables:
                yield Misfit(
                    f"feature view {view_name!r} reads {table!r}, not a source table{meant(table, tables)}",
                    *("features", view_name, "reads", at),
                )


def _label(project: "Project") -> Iterator[Misfit]:
    label = project.label
    columns = project.source.tables[label.table].columns
    if label.column not in columns:
        yield Misfit(
            f"label.column {label.column!r} is not in table {label.table!r}{meant(label.column, columns)}",
            *("label", "column"),
        )
        return
    try:
        label.check_type(columns[label.column])
    except Misfit as error:
        yield Misfit(str(error), "label", *error.at)
    if label.source == "people":
        yield from _made_by_people(project)
    try:
        check_named(project.source, label.table if label.source == "people" else None)
    except ValueError as error:
        yield Misfit(str(error), "source", "tables")
    if _own(project) and label.column in project.inputs.all:
        yield Misfit(f"input {label.column!r} is the label itself", *_of_input(project, label.column))


def _made_by_people(project: "Project") -> Iterator[Misfit]:
    """What people answer can be the label table."""
    label, entity = project.label, project.entity_table
    table, at = project.source.tables[label.table], ("source", "tables", label.table)
    key = set(entity.key)
    if label.table == project.entity.table:
        said = "label.source people needs a table of its own: label.table is the entity's"
        yield Misfit(said, "label", "table")
    elif set(table.columns) != {*key, table.event_time, label.column} or set(table.key) != key:
        yield Misfit(
            f"label.source people: table {label.table!r} has the entity's key, its event time and "
            f"{label.column!r}, and no other column",
            *(*at, "columns"),
        )
    elif table.lag or (table.format or project.source.format) != "csv" or table.file or table.path:
        yield Misfit(
            f"label.source people: table {label.table!r} is not delivered: say format: csv, and no lag, file "
            "or path",
            *at,
        )


def _own(project: "Project") -> bool:
    """Whether the label's column is a column of the predicted rows, of the same moment."""
    return project.label.table == project.entity.table and not project.label.ahead


def _owners(project: "Project") -> tuple[dict[str, str], list[Misfit]]:
    """Which table or view has a column, and the clashes."""
    entity = project.entity_table
    owners: dict[str, str] = dict.fromkeys(entity.columns, f"table {project.entity.table!r}")
    found = []
    for view_name, view in project.features.items():
        for at, column in enumerate(view.entities):
            if column not in entity.columns:
                hint = meant(column, entity.columns)
                said = f"feature view {view_name!r}: entity {column!r} is not in the entity table{hint}"
                found.append(Misfit(said, "features", view_name, "entities", at))
        for column in view.columns:
            if column in owners:
                said = f"feature {column!r} of view {view_name!r} is already in {owners[column]}"
                found.append(Misfit(said, "features", view_name, "columns", column))
            owners[column] = f"view {view_name!r}"
    return owners, found


def _columns(project: "Project", owners: dict[str, str]) -> Iterator[Misfit]:
    for column, (what, at) in _named(project).items():
        if column not in owners:
            hint = meant(column, owners)
            yield Misfit(f"{what} {column!r} is in no table or view of the project{hint}", *at)
    for number, column in enumerate(project.inputs.text):
        if column in owners and (kind := _kind_of(project, column)) != "text":
            said = f"inputs.text names {column!r}, which is {kind}: a text is of type text"
            yield Misfit(said, "inputs", "text", number)


def _named(project: "Project") -> dict[str, tuple[str, Key]]:
    """Every column that a dataset has: what the file calls it, and the first place that names it."""
    found: dict[str, tuple[str, Key]] = {}

    def note(what: str, columns: Iterable[str | None], *at: str | int) -> None:
        for number, column in enumerate(columns):
            if column:
                found.setdefault(column, (what, (*at, number)))

    usual = "input, slice or group"
    note(usual, project.inputs.categorical, "inputs", "categorical")
    note(usual, project.inputs.numeric, "inputs", "numeric")
    note(usual, project.inputs.text, "inputs", "text")
    note("label.group", project.label.group, "label", "group")
    note(usual, project.evaluation.slices, "evaluation", "slices")
    note(usual, project.evaluation.groups, "evaluation", "groups")
    note("training.weight", [project.training.weight], "training", "weight")
    note("evaluation.human", [project.evaluation.human], "evaluation", "human")
    fairness = project.gate.guardrails.fairness
    note(
        "gate.guardrails.fairness.columns:",
        fairness.columns if fairness else [],
        *("gate", "guardrails", "fairness", "columns"),
    )
    note(usual, project.split.groups, "split", "groups")
    folds = project.split.cross_validation
    note(
        "split.cross_validation.group",
        [folds.group if folds else None],
        *("split", "cross_validation", "group"),
    )
    one = {"training.weight", "evaluation.human", "split.cross_validation.group"}  # no lists
    return {name: (what, at[:-1] if what in one else at) for name, (what, at) in found.items()}


def _of_input(project: "Project", column: str) -> Key:
    kinds = ("categorical", "numeric", "text")
    kind = next(kind for kind in kinds if column in getattr(project.inputs, kind))
    return ("inputs", kind, getattr(project.inputs, kind).index(column))


def _classes_alone(project: "Project") -> Iterator[Misfit]:
    """What is asked of tasks that do not know it."""
    task, rails = task_of(project.label.task), project.gate.guardrails
    at = ("gate", "guardrails")
    if rails.fairness and rails.fairness.rate != "mean_error" and not task.probabilities:
        said = f"gate.guardrails.fairness.rate {rails.fairness.rate} is of classes: say mean_error"
        yield Misfit(said, *at, "fairness", "rate")
    if (task.many or task.lists) and (rails.fairness or rails.calibration):
        named = "fairness" if rails.fairness else "calibration"
        kind = "rankings" if task.lists else "many classes"
        yield Misfit(f"gate.guardrails.{named} does not know {kind} yet: leave it out", *at, named)
    if task.lists and (priced := project.value.amounts):
        said = f"value.{priced[0]} has no meaning in a ranking: an order has no price yet"
        yield Misfit(said, "value", priced[0])
    if project.retrain.budget_money and project.value.prices is None:
        yield Misfit(
            "retrain.budget_money needs a price list: say value.prices, or budget_hours alone",
            *("retrain", "budget_money"),
        )
    if not task.probabilities and (project.value.explore or project.value.label_needs):
        yield Misfit(
            "value.explore and value.label_needs are of classes: a number has no threshold",
            *("value", "explore" if project.value.explore else "label_needs"),
        )


def _evaluation(project: "Project") -> Iterator[Misfit]:
    said, inputs = project.evaluation, project.inputs
    for at, limit in enumerate(project.gate.guardrails.figures):
        if limit.part not in said.parts:
            yield Misfit(
                f"gate.guardrails.figures names {limit.path!r}, which evaluation.parts does not tell: "
                f"there are {', '.join(said.parts)}",
                *("gate", "guardrails", "figures", at),
            )
    for at, name in enumerate(said.must_not_matter):
        if name not in inputs.all:
            yield Misfit(
                f"evaluation.must_not_matter names {name!r}, which is no input: remove it"
                f"{meant(name, inputs.all)}",
                *("evaluation", "must_not_matter", at),
            )
    for name in said.directions:
        if name not in inputs.numeric:
            yield Misfit(
                f"evaluation.directions names {name!r}, which is no numeric input: only of a number there "
                f"is more{meant(name, inputs.numeric)}",
                *("evaluation", "directions", name),
            )
    if said.heuristic not in project.candidates:
        hint = meant(said.heuristic, project.candidates)
        yield Misfit(
            f"evaluation.heuristic {said.heuristic!r} is not a candidate{hint}", "evaluation", "heuristic"
        )


def _people(project: "Project") -> Iterator[Misfit]:
    """People answer as the model does."""
    human, at = project.evaluation.human, ("evaluation", "human")
    if human is None:
        return
    if task_of(project.label.task).many:
        yield Misfit("evaluation.human does not know many classes yet: leave it out", *at)
    elif _kind_of(project, human) not in ("double", "integer"):
        yield Misfit(f"evaluation.human {human!r} is no numeric column of the entity table or a view", *at)
    elif _own(project) and human == project.label.column:
        yield Misfit(f"evaluation.human {human!r} is the label itself", *at)


def _kind_of(project: "Project", column: str) -> str | None:
    """The type of a column of the entity table or of a view; None where there is no such column."""
    kinds: dict[str, str] = {**project.entity_table.columns}
    for view in project.features.values():
        kinds.update(view.columns)
    return kinds.get(column)


def _weights(project: "Project") -> Iterator[Misfit]:
    weight, classes = project.training.weight, project.training.class_weight
    if weight and _kind_of(project, weight) not in ("double", "integer"):
        said = f"training.weight {weight!r} is no numeric column of the entity table or a view"
        yield Misfit(said, "training", "weight")
    if classes and not task_of(project.label.task).classifies:
        said = f"training.class_weight is of classes: a {project.label.task} has none"
        yield Misfit(said, "training", "class_weight")
    known = project.label.classes or ["0", "1"]
    for name in classes if isinstance(classes, dict) else ():
        if name not in known:
            said = f"training.class_weight names {name!r}: the classes are {', '.join(known)}"
            yield Misfit(said, "training", "class_weight", name)


def _sample(project: "Project") -> Iterator[Misfit]:
    sample, task = project.training.sample, project.label.task
    if sample is None:
        return
    if task_of(task).lists:
        said = f"training.sample draws rows: a {task} is learnt by lists"
        yield Misfit(said, "training", "sample")
    if sample.classes and not task_of(task).classifies:
        said = f"training.sample.classes is of classes: a {task} has none"
        yield Misfit(said, "training", "sample", "classes")
    known = project.label.classes or ["0", "1"]
    for name in sample.classes:
        if name not in known:
            said = f"training.sample.classes names {name!r}: the classes are {', '.join(known)}"
            yield Misfit(said, "training", "sample", "classes", name)
    for name in sample.strata:
        if _kind_of(project, name) is None:
            said = f"training.sample.strata {name!r} is no column of the entity table or a view"
            yield Misfit(said, "training", "sample", "strata")
    if sample.weight and _kind_of(project, sample.weight) not in ("double", "integer"):
        said = f"training.sample.weight {sample.weight!r} is no numeric column of the entity table or a view"
        yield Misfit(said, "training", "sample", "weight")


def _fitted(project: "Project") -> Iterator[Misfit]:
    for name, feature in project.inputs.fitted.items():
        at = ("inputs", "fitted", name)
        if feature.kind == "lda" and not task_of(project.label.task).classifies:
            yield Misfit(f"lda parts classes: a {project.label.task} has none", *at, "lda")
        if feature.by and feature.by not in project.entity_table.columns:
            said = f"by {feature.by!r} is no column of the entity table"
            yield Misfit(said, *at, "by")


def _waits(project: "Project") -> Iterator[Misfit]:
    """A view over the label's column dates it by its table's lag: no earlier than labels are known."""
    label = project.label
    table = project.source.tables[label.table]
    if table.lag * project.unit.length >= label.delay:
        return
    for name, view in project.features.items():
        if label.table in view.reads and names_column(project.code_of(view), label.column):
            known = format_duration(label.delay)
            yield Misfit(
                f"feature view {name!r} reads the label's column {label.column!r}, and table "
                f"{label.table!r} says lag: {table.lag}, so that its values count as known before "
                f"the label is (label.delay: {known}): set the table's lag to the partitions after "
                "which it is delivered, or label.delay to when the label is known",
                *("source", "tables", label.table, "lag"),
            )


def _searches(project: "Project") -> Iterator[Misfit]:
    """Searches can be paid and measured."""
    for name, candidate in project.candidates.items():
        if candidate.search is None:
            continue
        at = ("candidates", name, "search")
        if candidate.search.money and project.value.prices is None:
            said = f"candidate {name!r}: search.money needs a price list: say value.prices"
            yield Misfit(said, *at, "money")
        if candidate.search.measure == "cross_validation" and project.split.cross_validation is None:
            yield Misfit(
                f"candidate {name!r}: search.measure cross_validation needs folds: "
                "say split.cross_validation, or measure: validation",
                *at,
                "measure",
            )


def _calibration(project: "Project") -> Iterator[Misfit]:
    """Only probabilities are calibrated, and only quantiles are shifted."""
    quantiles, task = project.label.quantiles, project.label.task
    for name, candidate in project.candidates.items():
        said, at = f"candidate {name!r}: calibrate: {candidate.calibrate}", ("candidates", name, "calibrate")
        if candidate.calibrate == "conformal":
            if not quantiles:
                yield Misfit(f"{said} is of quantiles: say label.quantiles, or remove it", *at)
        elif candidate.calibrate and quantiles:
            yield Misfit(f"{said} is of a class's probability: of quantiles say conformal, or remove it", *at)
        elif candidate.calibrate and task != "classification":
            yield Misfit(f"{said} is of a class's probability, and a {task} label has none: remove it", *at)
