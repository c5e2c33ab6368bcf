"""Sections of where and why: slices, worst rows, groups, what answers rest on, what inputs are like."""

from typing import Any

from mlcycle.adapters.pages.evaluation import drawn
from mlcycle.adapters.pages.evaluation.words import named, number, share
from mlcycle.adapters.pages.html import Section
from mlcycle.domain.evaluation.document import Document

Found = dict[str, Any]
WORST_SHOWN = 10
SLICES_SHOWN = 25


def slices(document: Document, found: Found) -> list[Section]:
    """Named and found slices, the surest worse ones first."""
    rows = [
        [
            each["name"],
            "named" if each["named"] else "found",
            number(each["rows"]),
            number(each["loss"]),
            f"{each['apart']:+.4g}",
            f"{each['shrunk']:+.4g}",
            f"{each['least']:+.4g}",
        ]
        for each in found["slices"][:SLICES_SHOWN]
    ]
    text = (
        f"Mean {found['loss']} of each slice against all other rows ({number(found['mean'])} on all). Each "
        f"value of a category and each fifth of a number is one: {found['looked_at']} were judged. Above "
        "nought in the last column is surely worse, all slices looked at at once with 95 %; drawn together: "
        "what is not luck. " + _sampled(found)
    )
    head = ["slice", "", "rows", found["loss"], "more than elsewhere", "drawn together", "at least"]
    return [Section("Slices", text, head=head, rows=rows)]


def errors(document: Document, found: Found) -> list[Section]:
    """The worst rows, and what is frequent among them."""
    text = f"The worst {number(found['worst'])} rows have {share(found['share_of_loss'])} of all loss."
    kept = found["rows"][:WORST_SHOWN]
    head = list(kept[0]) if kept else []
    rows = [[number(row.get(name)) if row.get(name) is not None else "" for name in head] for row in kept]
    sections = [Section("Worst rows", text, head=head, rows=rows)]
    if found["values"]:
        values = [
            [each["name"], share(each["among_worst"]), share(each["among_all"])] for each in found["values"]
        ]
        head = ["value", "among the worst", "among all"]
        sections.append(Section("What the worst rows have in common", head=head, rows=values))
    return sections


def fairness(document: Document, found: Found) -> list[Section]:
    """Each declared column's groups."""
    sections = []
    for column, told in found["columns"].items():
        groups = told["groups"]
        if not groups:
            continue
        keys = [key for key in next(iter(groups.values())) if key not in ("rows", "over_thresholds")]
        rows = [
            [name, number(group["rows"]), *(number(group[key]) for key in keys)]
            for name, group in groups.items()
        ]
        text = f"{told['left_out']} smaller groups are left out." if told["left_out"] else ""
        pictures = [
            (
                rate,
                drawn.over_thresholds(
                    found["thresholds"], groups, rate, f"{column}: {rate.replace('_', ' ')}"
                ),
            )
            for rate in ("selection_rate", "true_positive_rate")
            if found["thresholds"]
        ]
        head = [column, "rows", *(named(key) for key in keys)]
        sections.append(Section(f"Groups of {column}", text, pictures, head, rows))
    return sections


def importance(document: Document, found: Found) -> list[Section]:
    """What the loss rests on."""
    text = (
        "How much the loss grows where a column's values are dealt out anew (the bar's line: spread of three "
        "deals). Columns that say the same share theirs. "
    )
    return [Section("Importance", text + _sampled(found), [("importance", drawn.importance(found))])]


def morris(document: Document, found: Found) -> list[Section]:
    """What answers do along each input, and which act by themselves."""
    if not found["columns"]:
        return []
    text = (
        "Elementary effects (Morris 1991): by how much an answer changes when one input goes through its "
        f"range, the others wherever they are, over {found['walks']} walks. To the right what matters; high "
        "up what bends, or acts with others."
    )
    return [Section("Along the range of each input", text, [("elementary effects", drawn.morris(found))])]


def shapley(document: Document, found: Found) -> list[Section]:
    """What moves answers away from the usual one: over rows, and of the worst rows."""
    text = (
        "Shapley values, drawn (Strumbelj and Kononenko 2014), with one standard error: by how much an input "
        f"moves the answer away from that of rows drawn at random; {found['rows']}. "
    )
    single = []
    for row in found["worst"]:
        most = list(row["inputs"].items())[:4]
        by = "; ".join(f"{n} = {_given(e['is'])}: {e['value']:+.3f} ± {e['error']:.3f}" for n, e in most)
        single.append([number(row["label"]), number(row["answer"]), number(row["usual"]), by])
    head = ["label", "answer", "usual answer", "inputs that move it most"]
    return [
        Section("What moves answers", text, [("shapley", drawn.shapley(found))]),
        Section(
            "What moved the worst rows", "Those with the greatest loss of the sample.", head=head, rows=single
        ),
    ]


def _given(value: object) -> str:
    return "missing" if value is None else number(value)


def dependence(document: Document, found: Found) -> list[Section]:
    """Answers along columns."""
    if not found["columns"]:
        return []
    text = "All rows given the same value of one column; the columns along which answers differ most. "
    return [Section("Partial dependence", text + _sampled(found), [("dependence", drawn.dependence(found))])]


def behaviour(document: Document, found: Found) -> list[Section]:
    """Answers under changes made on purpose."""
    rows = [
        [f"noise in {name}", number(each["moved"]), number(each["most"]), f"{each['loss']:+.4g}", ""]
        for name, each in found["by_noise"].items()
    ]
    rows += [
        [
            f"{name} dealt out anew",
            share(each["rows_moved"]) + " of rows",
            number(each["most"]),
            "",
            "kept" if each["kept"] else "broken: it must not matter",
        ]
        for name, each in found["must_not_matter"].items()
    ]
    rows += [
        [
            f"{name} raised by {number(each['step'])}",
            number(each["mean"]),
            "",
            "",
            f"{each['way']}: " + ("kept" if each["kept"] else f"broken on {share(each['against'])} of rows"),
        ]
        for name, each in found["directions"].items()
    ]
    text = f"How far predictions move; noise is {found['noise']:g} standard deviations. " + _sampled(found)
    head = ["change", "mean move", "most", "more loss", "declared"]
    return [Section("Behaviour", text, head=head, rows=rows)]


def coverage(document: Document, found: Found) -> list[Section]:
    """Whether inputs are as in training."""
    rows = [
        [
            name,
            share(each["missing_in_training"]),
            share(each["missing"]),
            "" if each["never_seen"] is None else share(each["never_seen"]),
        ]
        for name, each in found["inputs"].items()
    ]
    text = (
        f"Against {number(found['rows_of_training'])} training rows; never seen: a category that training "
        "had not, or a number outside its range."
    )
    return [
        Section("Inputs", text, head=["input", "missing in training", "missing", "never seen"], rows=rows)
    ]


def _sampled(found: Found) -> str:
    words = str(found.get("rows") or "")
    return f"{words[0].upper()}{words[1:]}." if words else ""
