"""Twenty files as strangers write them, each with something to learn; the same every time."""

import gzip
import io
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

ROWS = 1600


@dataclass(frozen=True)
class Shape:
    """One file, what is told beside it, and what should be concluded of it."""

    file: str
    data: bytes
    label: str
    task: str
    time: tuple[str, ...] = ()  # columns of the event time; none: rows are dealt
    told: dict[str, Any] = field(default_factory=dict)  # options of ``mlcycle new``
    key: int | None = None  # columns of the key that are delivered; None: whatever


def _random(name: str) -> np.random.Generator:
    return np.random.default_rng(sum(name.encode()))


def _series(
    name: str, step: str = "h", start: str = "2013-01-05"
) -> tuple[pd.DatetimeIndex, np.ndarray[Any, Any], pd.Series]:  # type: ignore[type-arg]
    """Hours, the wind, and a load that follows the hour of the day and the wind."""
    random = _random(name)
    times = pd.date_range(start, periods=ROWS, freq=step)
    wind = random.normal(6, 2, ROWS).round(2)
    load = 900 + 150 * np.sin(times.hour / 24 * 2 * np.pi) + 40 * wind + random.normal(0, 15, ROWS)
    return times, wind, pd.Series(load.to_numpy().round(1))


def _customers(name: str) -> pd.DataFrame:
    """People, and whether they stay."""
    random = _random(name)
    plan = random.choice(["basic", "plus", "pro"], ROWS, p=[0.5, 0.3, 0.2])
    months = random.integers(1, 60, ROWS)
    spent = (random.gamma(2, 40, ROWS) + 20 * (plan == "pro")).round(2)
    odds = 1.5 * (plan == "basic") - 0.06 * months + 0.008 * spent
    leaves = random.random(ROWS) < 1 / (1 + np.exp(-odds))
    return pd.DataFrame({"plan": plan, "months": months, "spent": spent, "leaves": leaves})


def _csv(frame: pd.DataFrame, **how: Any) -> bytes:
    return frame.to_csv(index=False, **how).encode()


def plain() -> Shape:
    """What everybody hopes for: an id, a time, a label that is called so."""
    frame = _customers("plain")
    times = pd.date_range("2021-03-01", periods=ROWS, freq="40min").strftime("%Y-%m-%dT%H:%M:%SZ")
    frame = frame.assign(
        customer_id=[f"C{at:05}" for at in range(ROWS)],
        created_at=times,
        churn=frame.pop("leaves").astype(int),
    )
    return Shape("plain.csv", _csv(frame), "churn", "classification", ("created_at",), key=0)


def german() -> Shape:
    """Semicolons, decimal commas, days before months, umlauts in cp1252."""
    times, wind, load = _series("german")
    frame = pd.DataFrame(
        {"Zeitpunkt": times.strftime("%d.%m.%Y %H:%M"), "Windstärke": wind, "Netzlast": load}
    )
    data = frame.to_csv(index=False, sep=";", decimal=",").encode("cp1252")
    return Shape("last.csv", data, "Netzlast", "regression", ("Zeitpunkt",), {"zone": "Europe/Berlin"}, key=0)


def american() -> Shape:
    """Months before days, twelve hours on the clock, thousands with commas, money in quotes."""
    times, wind, load = _series("american")
    amount = [f"{value * 10:,.2f}" for value in load]
    frame = pd.DataFrame({"Order Date": times.strftime("%m/%d/%Y %I:%M %p"), "Wind": wind, "Amount": amount})
    return Shape("orders.csv", _csv(frame), "Amount", "regression", ("Order Date",), key=0)


def parts() -> Shape:
    """Year, month, day and hour in columns of their own; NA for what is missing; names that SQL does not like."""
    times, wind, load = _series("parts")
    frame = pd.DataFrame(
        {
            "No": range(1, ROWS + 1),
            "year": times.year,
            "month": times.month,
            "day": times.day,
            "hour": times.hour,
            "pm2.5": load.where(_random("x").random(ROWS) > 0.05),
            "cbwd": np.where(wind > 6, "NW", "SE"),
            "Iws": wind,
        }
    )
    told = {"label": "pm2.5"}
    return Shape(
        "air.csv", _csv(frame, na_rep="NA"), "pm2.5", "regression", ("year", "month", "day", "hour"), told
    )


def date_and_hour() -> Shape:
    """A date, the hour beside it, and two columns whose sum is the label."""
    times, wind, load = _series("bike")
    casual = (load * 0.3).round().astype(int)
    rest = (load * 0.7).round().astype(int)
    frame = pd.DataFrame(
        {
            "instant": range(ROWS),
            "dteday": times.strftime("%Y-%m-%d"),
            "hr": times.hour,
            "windspeed": wind,
            "casual": casual,
            "registered": rest,
            "cnt": casual + rest,
        }
    )
    return Shape("hour.csv", _csv(frame), "cnt", "regression", ("dteday", "hr"), key=0)


def date_and_clock() -> Shape:
    """A date and a time of day with dots; -200 and an empty column at the end."""
    times, wind, load = _series("quality", start="2004-03-10")
    frame = pd.DataFrame(
        {"Date": times.strftime("%d/%m/%Y"), "Time": times.strftime("%H.%M.%S"), "PT08": wind, "CO(GT)": load}
    )
    data = frame.to_csv(index=False, sep=";", decimal=",").replace("\n", ";;\n")
    return Shape(
        "AirQuality.csv", data.encode(), "CO(GT)", "regression", ("Date", "Time"), {"label": "CO(GT)"}, key=0
    )


def stations() -> Shape:
    """Several series in one file."""
    times, wind, load = _series("stations", step="3h")
    frame = pd.DataFrame(
        {
            "station": np.tile(["north", "south", "east", "west"], ROWS // 4),
            "observed": np.repeat(times[: ROWS // 4], 4).strftime("%Y-%m-%d %H:%M:%S"),
            "wind": wind,
            "load": load.to_numpy() + 300 * np.tile([0, 1, 2, 3], ROWS // 4),
        }
    )
    return Shape("stations.csv", _csv(frame), "load", "regression", ("observed",), key=1)


def no_time() -> Shape:
    """Rows that know nothing of when."""
    frame = _customers("no time").rename(columns={"leaves": "Exited"})
    return Shape("customers.csv", _csv(frame), "Exited", "classification")


def no_header() -> Shape:
    """Nothing but values, as old data sets are."""
    random = _random("iris")
    kind = random.integers(0, 3, ROWS)
    frame = pd.DataFrame({at: (random.normal(0, 0.6, ROWS) + kind * (at + 1)).round(1) for at in range(4)})
    frame["kind"] = np.array(["setosa", "versicolor", "virginica"])[kind]
    told = {"columns": ["sepal_length", "sepal_width", "petal_length", "petal_width", "species"]}
    return Shape("iris.data", _csv(frame, header=False), "species", "multiclass", told=told)


def no_header_no_names() -> Shape:
    """The same without anybody who knows the names."""
    return Shape("wine.data", no_header().data, "column_5", "multiclass")


def whitespace() -> Shape:
    """Columns set by blanks."""
    random = _random("housing")
    rooms, age = random.normal(6, 1, ROWS), random.integers(1, 100, ROWS)
    price = (8 * rooms - 0.1 * age + random.normal(0, 2, ROWS)).round(2)
    lines = [f" {r:8.3f}   {a:4d}  {p:8.2f}" for r, a, p in zip(rooms, age, price, strict=True)]
    return Shape(
        "housing.txt", "\n".join(["   RM    AGE    MEDV", *lines, ""]).encode(), "MEDV", "regression"
    )


def question_marks() -> Shape:
    """Blanks behind every comma, question marks for what nobody knows, and income as text."""
    random = _random("adult")
    age = random.integers(18, 80, ROWS)
    work = random.choice(["Private", "State-gov", "?"], ROWS, p=[0.7, 0.2, 0.1])
    hours = random.integers(20, 60, ROWS)
    rich = random.random(ROWS) < 1 / (1 + np.exp(-(0.06 * (age - 45) + 0.08 * (hours - 40))))
    income = np.where(rich, ">50K", "<=50K")
    lines = [f"{a}, {w}, {h}, {i}" for a, w, h, i in zip(age, work, hours, income, strict=True)]
    return Shape(
        "adult.csv",
        "\n".join(["age, workclass, hours-per-week, income", *lines, ""]).encode(),
        "income",
        "classification",
    )


def spam() -> Shape:
    """Tabs, the label first, a number and a text that is nobody's business."""
    random = _random("spam")
    spam_ = random.random(ROWS) < 0.3
    caps = (random.gamma(2, 2, ROWS) + 6 * spam_).round(1)
    text = [f"it's \"number\" {at}, really; isn't it" for at in range(ROWS)]
    frame = pd.DataFrame({"kind": np.where(spam_, "spam", "ham"), "capitals": caps, "text": text})
    lines = ["\t".join(map(str, row)) for row in [list(frame), *frame.itertuples(index=False)]]
    return Shape("sms.tsv", "\n".join([*lines, ""]).encode(), "kind", "classification")


def preamble() -> Shape:
    """Lines above the header, and the time zone in every cell."""
    times, wind, load = _series("preamble")
    frame = pd.DataFrame({"ts": times.strftime("%Y-%m-%d %H:%M:%S+02:00"), "wind": wind, "load": load})
    head = "Station report\nMade by hand, on a Friday\n\n"
    return Shape("report.csv", head.encode() + _csv(frame), "load", "regression", ("ts",), key=0)


def comments() -> Shape:
    """Comments, and seconds since 1970."""
    times, wind, load = _series("comments")
    seconds = times.astype("datetime64[s]").astype("int64")
    frame = pd.DataFrame({"timestamp": seconds, "wind": wind, "load": load})
    return Shape(
        "log.csv",
        b"# of a logger, v2\n# one, two, three, four\n" + _csv(frame),
        "load",
        "regression",
        ("timestamp",),
        key=0,
    )


def json_lines() -> Shape:
    """Events as objects, with what they are about inside."""
    frame = _customers("json")
    times = pd.date_range("2022-01-01", periods=ROWS, freq="30min").strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    lines = [
        json.dumps(
            {"time": at, "user": {"plan": p, "months": int(m)}, "spent": float(s), "converted": bool(c)}
        )
        for at, p, m, s, c in zip(
            times, frame["plan"], frame["months"], frame["spent"], frame["leaves"], strict=True
        )
    ]
    return Shape("events.jsonl", "\n".join(lines).encode(), "converted", "classification", ("time",), key=0)


def parquet() -> Shape:
    """Types of its own."""
    times, wind, load = _series("parquet")
    sink = io.BytesIO()
    pd.DataFrame({"at": times, "wind": wind, "load": load}).to_parquet(sink)
    return Shape("load.parquet", sink.getvalue(), "load", "regression", ("at",), key=0)


def zipped() -> Shape:
    """gzip, an index that nobody named, months in words."""
    times, wind, load = _series("zipped", step="D", start="2012-01-01")
    weekly = load + 200 * (times.dayofweek >= 5)
    frame = pd.DataFrame({"date": times.strftime("%d-%b-%Y"), "wind": wind, "sales": weekly})
    return Shape(
        "sales.csv.gz", gzip.compress(frame.to_csv().encode()), "sales", "regression", ("date",), key=0
    )


def utf16() -> Shape:
    """What a spreadsheet saves: UTF-16, tabs, yes and no."""
    frame = _customers("utf16")
    frame["leaves"] = np.where(frame["leaves"], "Yes", "No")
    frame = frame.rename(columns={"leaves": "Churn"}).assign(customerID=[f"{at:04}-ÄÖ" for at in range(ROWS)])
    return Shape("telco.txt", frame.to_csv(index=False, sep="\t").encode("utf-16"), "Churn", "classification")


def same_rows() -> Shape:
    """Many rows at one time and none that tells them apart; an hour or two of seconds."""
    random = _random("same")
    times = pd.date_range("2023-05-01", periods=ROWS // 4, freq="7min").repeat(4)
    value = random.normal(0, 1, ROWS).round(1)
    frame = pd.DataFrame({"when": times.strftime("%Y/%m/%d %H:%M:%S"), "sensor": value, "alarm": "no"})
    frame.loc[value + random.normal(0, 0.4, ROWS) > 0.8, "alarm"] = "yes"
    return Shape("alarms.csv", _csv(frame, quoting=1), "alarm", "classification", ("when",))


SHAPES: tuple[Callable[[], Shape], ...] = (
    *(
        plain,
        german,
        american,
        parts,
        date_and_hour,
        date_and_clock,
        stations,
        no_time,
        no_header,
        no_header_no_names,
    ),
    *(whitespace, question_marks, spam, preamble, comments, json_lines, parquet, zipped, utf16, same_rows),
)
