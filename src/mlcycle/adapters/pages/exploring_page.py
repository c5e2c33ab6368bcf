"""The page of a report before the first model: what was found, then each question with its picture."""

from collections.abc import Iterator, Mapping
from typing import Any

from mlcycle.adapters.pages import exploring_plots as plots
from mlcycle.adapters.pages.html import Section
from mlcycle.adapters.pages.templating import template

ROWS = 30  # of a table


def render(document: Mapping[str, Any]) -> bytes:
    """One HTML page out of the document; every text is escaped."""
    sections = [each(document) for each in (_label, _columns, _spread, _missing, _label_and_columns)]
    sections += [
        each(document) for each in (_pairs, _time, _shift, _segments, _places, _unusual, _enough, _drop)
    ]
    drawn = (
        ""
        if document["share"] >= 1
        else f" {document['share']:.1%} of the rows, drawn by their keys and times."
    )
    page = template("exploring.html.j2").render(
        title=f"{document['project']}: what the rows say",
        subtitle=f"{document['rows']:,} labelled rows, {document['first']} to {document['last']}, "
        f"{len(document['partitions'])} partitions; {document['judged_rows']:,} of them are to judge on and "
        f"are looked at for their inputs alone.{drawn}",
        sections=[each for each in sections if each is not None],
        findings=document["findings"],
        verdict="",
        good=True,
        points=(),
    )
    return page.encode()


def _label(document: Mapping[str, Any]) -> Section:
    target = document["target"]
    if target["kind"] == "words":
        told = ", ".join(f"{name}: {count:,} ({count / target['rows']:.1%})" for name, count in target["top"])
    else:
        low, _, lower, middle, upper, _, high = target["quantiles"]
        told = f"half of the values lie in {lower:g} to {upper:g}, the middle is {middle:g}; "
        told += f"from {low:g} to {high:g}"
    return Section(f"The label, {document['label']}", told, [("the label", plots.label(document))])


def _columns(document: Mapping[str, Any]) -> Section:
    strength = {each["a"]: each for each in document["to_label"]}
    rows = []
    for each in document["columns"]:
        near = strength.get(each["name"])
        rows.append(
            [
                *(each["name"], each["kind"], f"{each['missing']:.1%}", f"{each['distinct']:,}"),
                *_middle(each),
                "" if near is None else f"{near['strength']:.2f}{'' if near['known'] else ' (chance)'}",
            ]
        )
    return Section(
        "Columns",
        "Every column of the entity table and the feature views that could be an input, as it was known at "
        "each row's time. The last is how much it has to do with the label, from 0 to 1.",
        head=[
            "column",
            "holds",
            "missing",
            "distinct",
            "middle or commonest",
            "5 % to 95 %",
            "with the label",
        ],
        rows=rows,
    )


def _middle(column: Mapping[str, Any]) -> tuple[str, str]:
    if "quantiles" in column:
        _, low, _, middle, _, high, _ = column["quantiles"]
        return f"{middle:.4g}", f"{low:.4g} to {high:.4g}"
    top = column.get("top") or []
    return (", ".join(f"{name} {count / column['rows']:.0%}" for name, count in top[:2]), "")


def _spread(document: Mapping[str, Any]) -> Section | None:
    if not document["by_label"]:
        return None
    return Section(
        "How columns are spread",
        "Those nearest to the label, each class or third of the label apart; each line sums to 1.",
        [("spread of columns by label", plots.by_label(document["by_label"]))],
    )


def _missing(document: Mapping[str, Any]) -> Section:
    found = document["missing"]
    if not found["by_partition"]:
        return Section("Missing values", "No column lacks a value.")
    lines = [f"Missing together: {', '.join(group)}." for group in found["together"][:5]]
    if found["tell"]:
        told = ", ".join(f"{each['a']} ({each['strength']:.2f})" for each in found["tell"])
        lines.append(f"That they are missing has to do with the label: {told}.")
    return Section(
        "Missing values",
        " ".join(lines) or "Where they are missing has nothing to do with the label.",
        [("missing values by partition", plots.gaps(found["by_partition"], document["partitions"]))],
    )


def _label_and_columns(document: Mapping[str, Any]) -> Section:
    known = [each for each in document["to_label"] if each["known"]]
    return Section(
        "What has to do with the label",
        f"{len(known)} of {len(document['to_label'])} columns beyond what chance makes of so many "
        "(false discoveries held to one in a hundred, rows taken for independent). Strength says how much "
        "one column tells alone, not what a model makes of all.",
        [("strength by column", plots.strengths(document["to_label"]))] if document["to_label"] else [],
    )


def _pairs(document: Mapping[str, Any]) -> Section | None:
    if len(document["matrix"]["names"]) < 2:
        return None
    return Section(
        "Columns with each other",
        "Rank correlation of numbers (with its sign), Cramer's V of words, the correlation ratio of both.",
        [("columns with each other", plots.matrix(document["matrix"]))],
        ["column", "and", "strength"],
        [
            [each["a"], each["b"], f"{each['strength'] * (each['sign'] or 1):+.2f}"]
            for each in document["pairs"][:15]
        ],
    )


def _time(document: Mapping[str, Any]) -> Section:
    return Section(
        "Through time",
        "By partition; the shaded part is to judge on, and its labels are not looked at."
        if document["judged_rows"]
        else "By partition.",
        [("columns through time", plots.through_time(document))],
    )


def _shift(document: Mapping[str, Any]) -> Section:
    shift = document["shift"]
    title = "Are the newest rows like the others?"
    if isinstance(shift, str):
        return Section(title, f"Cannot be said: {shift}.")
    return Section(
        title,
        "How far each column's newest rows are from those before them, from 0 to 1, beside what other "
        "stretches "
        "of as many partitions are from the rest. Small p: such a distance, or one as "
        "odd in any other column, is "
        "seldom where nothing is wrong.",
        [("shift by column", plots.shifts(shift[:24]))],
        ["column", "distance", "usual", "p"],
        [
            [each["name"], f"{each['distance']:.3f}", f"{each['usual']:.3f}", f"{each['p']:.3f}"]
            for each in shift[:12]
        ],
    )


def _segments(document: Mapping[str, Any]) -> Section:
    found = document["segments"]
    if not found:
        return Section("Segments", "No word and no tenth of a number has another label than all rows have.")
    return Section(
        "Segments",
        "Rows whose label is another than usual, with intervals that hold for all segments together.",
        [("segments", plots.segments(found[:24]))],
        ["column", "value", "rows", "label", "interval"],
        [
            [
                *(each["column"], each["value"], f"{each['rows']:,}", f"{each['mean']:.4g}"),
                f"{each['low']:.4g} to {each['high']:.4g}",
            ]
            for each in found[:ROWS]
        ],
    )


def _places(document: Mapping[str, Any]) -> Section | None:
    found = document["projection"]
    if found is None:
        return None
    made = [", ".join(f"{name} {weight:+.2f}" for name, weight in axis) for axis in found["made_of"]]
    return Section(
        "Rows in two dimensions",
        "Principal components of what is left when the columns below are dropped. Across "
        f"({found['shares'][0]:.0%} of the variance): {made[0]}. Up ({found['shares'][1]:.0%}): {made[1]}.",
        [("rows in two dimensions", plots.places(found))],
    )


def _unusual(document: Mapping[str, Any]) -> Section | None:
    found = document["unusual"]
    if found is None:
        return None
    far = (
        "The robust distance could not be had: numbers lie on a plane."
        if found["far"] is None
        else f"{found['far']:.2%} are farther from the bulk than one normal row in a thousand is."
    )
    return Section(
        "Unlike the others",
        f"{found['rows']:,} rows looked at. {far} Shown are those that random cuts part soonest (isolation "
        f"forest; "
        ".5 is usual, 1 is alone).",
        [("isolation of rows", plots.isolation(found))],
        ["row", "partition", "isolation", "robust distance", "farthest in"],
        [
            [
                *(each["entity"], each["partition"], f"{each['isolation']:.2f}"),
                "" if each["distance"] is None else f"{each['distance']:.1f}",
                each["column"],
            ]
            for each in found["shown"]
        ],
    )


def _enough(document: Mapping[str, Any]) -> Section:
    found, title = document["enough"], "How many rows are enough?"
    if isinstance(found, str):
        return Section(title, f"Cannot be said: {found}.")
    whole = found[-1]["explained"]
    return Section(
        title,
        "What a small boosting explains of the newest fifth of the rows before those to judge on, after "
        "learning "
        "from parts of the others: 0 is a constant answer, 1 is everything. No figure to promise: a "
        "first look.",
        [("rows and what they explain", plots.learning(found))],
        ["rows", "explained", "less than all rows by"],
        [
            [
                f"{each['rows']:,}",
                f"{each['explained']:.4f}",
                f"{whole - each['explained']:.4f} ± {2 * each['error']:.4f}" if each is not found[-1] else "",
            ]
            for each in found
        ],
    )


def _drop(document: Mapping[str, Any]) -> Section:
    rows = list(_told(document))
    if not rows:
        return Section("Columns to drop", "None.")
    return Section("Columns to drop", "And those to look at.", head=["column", "", "why"], rows=rows)


def _told(document: Mapping[str, Any]) -> Iterator[list[str]]:
    """A line for each reason; columns that share one stand in one line."""
    by_reason: dict[tuple[bool, str], list[str]] = {}
    for each in document["advice"]:
        by_reason.setdefault((each["drop"], each["why"]), []).append(each["column"])
    for (drop, why), columns in by_reason.items():
        yield [", ".join(columns), "drop" if drop else "look", why]
