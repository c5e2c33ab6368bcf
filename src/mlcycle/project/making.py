"""Features said instead of written: lags, windows, differences, ratios, counts, calendar, bins, crosses.

A view that says what it makes is compiled to the SQL that a person would write, and is from there on a view
like any other: checked, run by its own login, replayed. Windows are of time, never of rows: a gap is a gap.
"""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, ValidationError, model_validator

from mlcycle.domain.durations import Duration, Span, format_duration, parse_duration
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import NAME, Name, Part

Calendar = Literal[
    "hour",
    "weekday",
    "day",
    "week",
    "month",
    "sin_hour",
    "cos_hour",
    "sin_weekday",
    "cos_weekday",
    "sin_month",
    "cos_month",
]
#: Of one column within a window that ends when a row becomes known.
AGGREGATES: Final = ("mean", "sum", "min", "max", "std", "count")
ROW_LEVEL: Final = ("calendar", "bin", "cross")
_CYCLES: Final = {"hour": 24, "weekday": 7, "month": 12}
_FIELDS: Final = {"hour": "hour", "weekday": "isodow", "day": "day", "week": "week", "month": "month"}


class Make(Part):
    """One feature: what of which column, over how long or by how long ago."""

    mean: Name | None = None
    sum: Name | None = None
    min: Name | None = None
    max: Name | None = None
    std: Name | None = None
    count: Name | Literal["rows"] | None = None
    over: Span | None = None
    lag: Name | None = None
    difference: Name | None = None
    by: Span | None = None
    last: Name | None = None
    ratio: Annotated[list[Name], Field(min_length=2, max_length=2)] | None = None
    calendar: Calendar | None = None
    bin: Name | None = None
    edges: Annotated[list[float], Field(min_length=1, max_length=100)] | None = None
    cross: Annotated[list[Name], Field(min_length=2, max_length=5)] | None = None

    @model_validator(mode="after")
    def _is_one(self) -> Self:
        kinds = (*AGGREGATES, "lag", "difference", "last", "ratio", *ROW_LEVEL)
        said = [name for name in kinds if getattr(self, name) is not None]
        if len(said) != 1:
            raise Misfit(f"a feature is one of {', '.join(kinds)}; this one says {', '.join(said) or 'none'}")
        kind = said[0]
        for beside, of in (("over", AGGREGATES), ("by", ("lag", "difference")), ("edges", ("bin",))):
            if (getattr(self, beside) is not None) is not (kind in of):
                raise Misfit(f"{kind} {'needs' if kind in of else 'takes no'} {beside}")
        if self.edges is not None and sorted(set(self.edges)) != self.edges:
            raise Misfit("edges of bins ascend, each once", "edges")
        return self

    @property
    def kind(self) -> str:
        """Which one it is."""
        kinds = (*AGGREGATES, "lag", "difference", "last", "ratio", *ROW_LEVEL)
        return next(name for name in kinds if getattr(self, name) is not None)


def filled(data: Any) -> Any:
    """A project's document with SQL, columns and lookback of each view that says what it makes.

    What is not of the shape is left for the parts to refuse. Raises Misfit.
    """
    features = data.get("features") if isinstance(data, dict) else None
    if not isinstance(features, dict) or not any(_makes(view) for view in features.values()):
        return data
    made = {name: _filled(name, view, data) if _makes(view) else view for name, view in features.items()}
    return {**data, "features": made}


def _makes(view: Any) -> bool:
    return isinstance(view, dict) and isinstance(view.get("make"), dict) and bool(view["make"])


def _filled(name: str, view: dict[str, Any], data: Mapping[str, Any]) -> dict[str, Any]:
    at = ("features", name)
    makes: dict[str, Make] = {}
    for feature, given in view["make"].items():
        try:
            makes[feature] = Make.model_validate(given)
        except ValidationError as error:
            raise Misfit(_first(error), *at, "make", feature) from None
    reads, source = view.get("reads"), data.get("source")
    tables = source.get("tables") if isinstance(source, dict) else None
    if not isinstance(reads, list) or len(reads) != 1 or not isinstance(tables, dict):
        raise Misfit("a view that makes features reads one table: say reads: [NAME]", *at, "reads")
    table = tables.get(reads[0])
    if not isinstance(table, dict) or not isinstance(table.get("columns"), dict):
        return view
    rows = {feature: make.kind in ROW_LEVEL for feature, make in makes.items()}
    if len(set(rows.values())) > 1:
        raise Misfit(
            "calendar, bin and cross are of a row itself, the others of what was before: make two views",
            *at,
            "make",
        )
    alone = next(iter(rows.values()))
    if not alone and view.get("known") is None:
        raise Misfit("say known: how long after its event time a row's values are known, like 1 day", *at)
    _check(makes, table["columns"], at)
    known = parse_duration(view.get("known") or "0 hours")
    names = {*view.get("entities", []), table.get("event_time"), reads[0]}
    if odd := [each for each in names if not isinstance(each, str) or not NAME.fullmatch(each)]:
        raise Misfit(f"{odd[0]!r} is no name", *at)
    zone = str(source.get("zone", "UTC")) if isinstance(source, dict) else "UTC"
    if alone:
        sql = _of_rows(makes, view["entities"], reads[0], table["event_time"], zone)
        reach = timedelta(0)
    else:
        ttl = parse_duration(view["ttl"])
        reach = max((_reach(make, ttl) for make in makes.values()), default=ttl) + known
        sql = _of_windows(
            makes, view["entities"], reads[0], table["event_time"], (known, ttl, reach), table["columns"]
        )
    columns = {feature: _type(make) for feature, make in makes.items()}
    return {**view, "sql": sql, "columns": columns, "lookback": format_duration(reach)}


def _first(error: ValidationError) -> str:
    item = error.errors(include_url=False)[0]
    where = ".".join(map(str, item["loc"]))
    return f"{where + ': ' if where else ''}{item['msg'].removeprefix('Value error, ')}"


def _check(makes: Mapping[str, Make], columns: Mapping[str, Any], at: tuple[str | int, ...]) -> None:
    for feature, make in makes.items():
        here = (*at, "make", feature)
        if make.ratio is not None:
            if odd := [each for each in make.ratio if each not in makes or makes[each].ratio is not None]:
                raise Misfit(f"ratio names {odd[0]!r}, which is no other feature of this view", *here)
            continue
        named = make.cross or [getattr(make, make.kind)] if make.kind not in ("calendar",) else []
        for column in named:
            if column == "rows" and make.kind == "count":
                continue
            if column not in columns:
                raise Misfit(f"{make.kind} names {column!r}, which is no column of the table", *here)
            if make.kind not in ("count", "cross") and columns[column] not in (
                "double",
                "integer",
                "boolean",
            ):
                raise Misfit(
                    f"{make.kind} of {column!r}, which is {columns[column]}: a number is needed", *here
                )


def _reach(make: Make, ttl: timedelta) -> timedelta:
    """How far back a value looks, from when it is known."""
    if make.over is not None:
        return make.over
    return (make.by or timedelta(0)) + ttl


def _type(make: Make) -> str:
    if make.kind == "cross":
        return "text"
    whole = make.kind in ("count", "bin") or (make.calendar is not None and "_" not in make.calendar)
    return "integer" if whole else "double"


def _span(value: Duration) -> str:
    return f"interval '{value.total_seconds():.0f} seconds'"


def _of_rows(makes: Mapping[str, Make], entities: list[str], table: str, time: str, zone: str) -> str:
    keys = ", ".join(f'"{each}"' for each in entities)
    local = f"\"{time}\" at time zone '{zone}'"
    lines = []
    for feature, make in makes.items():
        if make.calendar is not None:
            what, _, cycle = make.calendar.partition("_")
            if cycle:
                angle = (
                    f"extract({_FIELDS[cycle]} from {local})::double precision * 2 * pi() / {_CYCLES[cycle]}"
                )
                value = f"{what}({angle})"
            else:
                value = f"extract({_FIELDS[make.calendar]} from {local})::bigint"
        elif make.bin is not None:
            edges = ", ".join(repr(float(edge)) for edge in make.edges or [])
            value = f'width_bucket("{make.bin}"::double precision, array[{edges}]::double precision[])'
        else:
            texts = ", ".join(f"coalesce(\"{each}\"::text, '')" for each in make.cross or [])
            value = f"concat_ws('|', {texts})"
        lines.append(f'{value} as "{feature}"')
    return (
        "-- Made of each row itself, known with its time.\n"
        f'select distinct {keys}, "{time}" as event_timestamp,\n  '
        + ",\n  ".join(lines)
        + f'\nfrom {{{table}}}\nwhere "{time}" > %(start)s and "{time}" <= %(end)s'
    )


def _of_windows(
    makes: Mapping[str, Make],
    entities: list[str],
    table: str,
    time: str,
    spans: tuple[timedelta, timedelta, timedelta],
    kinds: Mapping[str, Any],
) -> str:
    """``spans``: until values are known, how long one may be used, how far back any looks."""
    known, ttl, reach = spans
    keys = ", ".join(f'"{each}"' for each in entities)
    numbers = sorted(
        {str(getattr(make, make.kind)) for make in makes.values() if make.ratio is None} - {"rows"}
    )
    sums = ["count(*) as rows_n"]
    counted = {make.count for make in makes.values() if make.count}
    for column in numbers:
        whole = "::int" if kinds.get(column) == "boolean" else ""
        value = f'"{column}"{whole}::double precision'
        sums.append(f'count("{column}") as "{column}_n"')
        if counted >= {column} and all(getattr(m, m.kind) != column or m.count for m in makes.values()):
            continue
        sums.append(
            f'sum({value}) as "{column}_s", sum({value} * {value}) as "{column}_q", '
            f'min({value}) as "{column}_l", max({value}) as "{column}_h"'
        )
    values = {feature: _value(make, ttl) for feature, make in makes.items() if make.ratio is None}
    lines = [f'{value} as "{feature}"' for feature, value in values.items()]
    inner = (
        f'  select {keys}, "{time}" + {_span(known)} as known,\n    '
        + ",\n    ".join(sums)
        + f'\n  from {{{table}}}\n  where "{time}" > %(start)s::timestamptz - {_span(reach)}'
        + f' and "{time}" <= %(end)s::timestamptz - {_span(known)}\n  group by {keys}, known'
    )
    chosen = ", ".join(
        f'"{feature}"'
        if make.ratio is None
        else f'"{make.ratio[0]}" / nullif("{make.ratio[1]}", 0)::double precision as "{feature}"'
        for feature, make in makes.items()
    )
    return (
        "-- Made of what was known before, by windows of time.\n"
        f"select {keys}, known as event_timestamp, {chosen}\nfrom (\n"
        f"select {keys}, known,\n  " + ",\n  ".join(lines) + f"\nfrom (\n{inner}\n) seen\n) made\n"
        "where known > %(start)s and known <= %(end)s"
    ).replace("partition by KEYS", f"partition by {keys}")


def _value(make: Make, ttl: timedelta) -> str:
    if make.over is not None:
        frame = (
            f"(partition by KEYS order by known range between {_span(make.over)} preceding and current row)"
        )
        column = str(getattr(make, make.kind))
        if make.kind == "count":
            return f'sum("{column}_n") over {frame}'
        total, number = f'sum("{column}_s") over {frame}', f'sum("{column}_n") over {frame}'
        if make.kind == "std":
            squares = f'sum("{column}_q") over {frame}'
            spread = f"greatest({squares} - {total} * {total} / nullif({number}, 0), 0)"
            return f"case when {number} > 1 then sqrt({spread} / ({number} - 1)) end"
        return {
            "mean": f"{total} / nullif({number}, 0)",
            "sum": total,
            "min": f'min("{column}_l") over {frame}',
            "max": f'max("{column}_h") over {frame}',
        }[make.kind]
    column = str(getattr(make, make.kind))
    now = f'"{column}_s" / nullif("{column}_n", 0)'
    if make.kind == "last":
        return now
    assert make.by is not None
    frame = (
        f"(partition by KEYS order by known range between {_span(make.by + ttl)} preceding and "
        f"{_span(make.by)} preceding)"
    )
    before = f"last_value({now}) over {frame}"
    return before if make.kind == "lag" else f"{now} - {before}"
