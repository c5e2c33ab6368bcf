"""Sections of how good the model is: figures, who stands beside it, thresholds, calibration, cost."""

from typing import Any

from mlcycle.adapters.pages import plots
from mlcycle.adapters.pages.evaluation import drawn
from mlcycle.adapters.pages.evaluation.words import figure, interval, known, money, named, number, share
from mlcycle.adapters.pages.html import Section
from mlcycle.domain.evaluation.document import Document
from mlcycle.domain.tasks import task_of

Found = dict[str, Any]
HOW = (
    "Intervals hold the truth with 95 %: whole blocks of time are drawn again, and none is narrower than "
    "what days that resemble their neighbours ask for."
)


def figures(document: Document, found: Found) -> list[Section]:
    """Every figure with its interval."""
    rows = [
        [named(name, document.k), number(each["value"]), interval(each) or each["why"]]
        for name, each in found.items()
    ]
    return [Section("Figures", HOW, head=["figure", "value", "95 % interval"], rows=rows)]


def baselines(document: Document, found: Found) -> list[Section]:
    """The model beside others on the same rows."""
    own = document.found("figures")
    told = next(iter(found["others"].values()))["metrics"]
    metrics = [
        name for name in (*task_of(document.task).metrics, "pinball", "interval_score") if name in told
    ]
    rows = [[document.candidate, *(number(own[name]["value"]) for name in metrics), ""]]
    gains = []
    for other in found["others"].values():
        name = other["name"]
        if "rows" in other:  # who has no answer to some rows, and an earlier version's document has none
            name += f", on {other['rows']:,} of {document.rows:,} rows"
        rows.append([name, *(number(other["metrics"][m]) for m in metrics), figure(other["gain"])])
        if other["gain"]["low"] is not None:
            gains.append((name, *(other["gain"][key] for key in ("value", "low", "high"))))
    title = f"Gain in {named(found['metric'])} over each; right of 0 the model is better"
    text = "The gain is in the project's metric, positive where the model is better, with its 95 % interval."
    for other in found["others"].values():
        if "model" in other and other["rows"] < document.rows:
            on = ", ".join(f"{named(m)} {number(other['model'][m])}" for m in metrics)
            text += f" On the rows of {other['name']} the model has {on}."
        if "gain_in_value" in other:
            earned = f"{figure(other['gain_in_value'])} {document.currency}"
            text += f" Acting as the model says earns {earned} more than acting as {other['name']} did."
    picture = [("gains", plots.intervals(gains, title))] if gains else []
    head = ["", *(named(m) for m in metrics), f"gain in {named(found['metric'])}"]
    return [Section("Beside others", text, picture, head, rows)]


def threshold(document: Document, found: Found) -> list[Section]:
    """The curve of money, and what either threshold decides."""
    calibrated = found["if_calibrated"]
    text = (
        f"Best on validation is {number(found['chosen'])}; in use is {number(found['threshold'])}. On the "
        f"holdout the other one earns {figure(found['gain'])} {document.currency} more. "
    )
    text += (
        f"If probabilities were true, acting would pay from {number(calibrated)} up."
        if calibrated is not None
        else "By the project's values no threshold pays better than acting always, or never."
    )
    ways = list(found["outcomes"])
    rows = [
        [label, number(at), money(found[value]), *(number(found[outcomes][way]) for way in ways)]
        for label, at, value, outcomes in (
            ("in use", found["threshold"], "value", "outcomes"),
            ("best on validation", found["chosen"], "value_if_chosen", "outcomes_if_chosen"),
        )
    ]
    head = ["", "threshold", document.currency, *(way.replace("_", " ") for way in ways)]
    return [
        Section("Threshold and money", text, [("money", drawn.money(found, document.currency))], head, rows)
    ]


def calibration(document: Document, found: Found) -> list[Section]:
    """Reliability, and whether a fitted curve is better."""
    rows = [
        ["as it is", figure(found["ece"]), number(found["ece_plain"]), number(found["log_loss"]), "", "", ""]
    ]
    for name, curve in found["curves"].items():
        rows.append(
            [
                *(name, figure(curve["ece"]), number(curve["ece_plain"]), number(curve["log_loss"])),
                *(figure(curve["gain"]), "yes" if curve["better"] else "no"),
                # A document of an earlier version has neither.
                figure(curve["gain_on_own_rows"]) if "gain_on_own_rows" in curve else "",
            ]
        )
    served = found.get("served")
    text = (
        f"What the model says goes through its {served} curve already: 'as it is' is with it. "
        if served
        else "No curve is served. "
    )
    text += (
        "The curves below are fitted on the earlier half of the validation rows and judged on the later half "
        "(last column) and on these. Calibration error: chance cancels from the first figure; the plain one "
        "is above nought by luck alone."
    )
    head = ["", "calibration error", "plain", "log loss", "gain in log loss", "surely better"]
    head.append("gain on the later half")
    return [Section("Calibration", text, [("reliability", drawn.reliability(found))], head, rows)]


def abstention(document: Document, found: Found) -> list[Section]:
    """What leaving rows to people gains."""
    picture = drawn.abstention(found, task_of(document.task).loss_words)
    text = f"The surest rows by {found['sure_by']}. A curve that does not rise to the right knows no doubt."
    return [Section("Abstention", text, [("abstention", picture)])]


def residuals(document: Document, found: Found) -> list[Section]:
    """What is left, and whether it is noise."""
    keys = ("mean", "standard_deviation", "skewness", "excess_kurtosis", "autocorrelation")
    more = ("slope_on_prediction", "spread_by_prediction", "beyond_three")
    rows = [[key.replace("_", " "), number(found[key])] for key in (*keys, *more)]
    text = (
        "Label less prediction. Of noise alone mean, slope and autocorrelation (of a row with the one "
        "before) are nought, and the spread is the same for every prediction (rank correlation nought)."
    )
    return [Section("Residuals", text, [("residuals", drawn.residuals(found))], ["", "value"], rows)]


def learning_curve(document: Document, found: Found) -> list[Section]:
    """Whether more rows would help."""
    rows = [
        [
            share(p["share"]),
            number(p["metric"]),
            figure(p["all_rows_better_by"]) if p["all_rows_better_by"] else "",
        ]
        for p in found["points"]
    ]
    head = ["newest rows", named(found["metric"]), "all rows are better by"]
    return [Section("Learning curve", "", [("learning curve", drawn.learning(found))], head, rows)]


def cost(document: Document, found: Found) -> list[Section]:
    """Seconds, size, money."""
    rows = [[key.replace("_", " "), known(value)] for key, value in found.items()]
    money_is = f" Money in {document.currency} by value.prices." if "fit_money" in found else ""
    return [
        Section(
            "Cost",
            f"Of the fit that made it, of predicting these rows, and of its feature views, lately.{money_is}",
            head=["", ""],
            rows=rows,
        )
    ]
