"""What a report leads with: one line a matter, what must be acted on first. Nothing found is an answer."""

from collections.abc import Mapping
from typing import Any, Final

RARE: Final = 0.02  # share of a class from which it is called rare
MANY: Final = 0.05  # share of missing values that is told
WORTH: Final = 2.0  # standard errors by which twice the rows explain more


def of(document: Mapping[str, Any]) -> list[dict[str, str]]:
    """``act`` (wrong), ``look`` (odd) or ``fine`` with its line, in this order."""
    found = [*_leaks(document), *_dropped(document), *_shift(document), *_label(document)]
    found += [*_missing(document), *_enough(document), *_strongest(document), *_odd(document)]
    order = {"act": 0, "look": 1, "fine": 2}
    said = [{"level": level, "text": text} for level, text in found]
    return sorted(said, key=lambda each: order[each["level"]])


def _leaks(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    leaks = document["leaks"]
    if not leaks:
        return [("fine", "no column gives the label away")]
    return [
        (
            "act",
            f"{_names(leaks)} {'gives' if len(leaks) == 1 else 'give'} the label away: is it known when a "
            "prediction is due? If so list it under inputs.known, else it is no input",
        )
    ]


def _dropped(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    said = [each for each in document["advice"] if each["drop"] and each["column"] not in document["leaks"]]
    if not said:
        return []
    return [("look", f"drop {each['column']}: {each['why']}") for each in said[:8]] + (
        [("look", f"and {len(said) - 8} more columns to drop")] if len(said) > 8 else []
    )


def _shift(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    shift = document["shift"]
    if isinstance(shift, str):
        return [("look", f"whether the newest rows are like the others cannot be said: {shift}")]
    moved = [each for each in shift if each["p"] <= 0.05]
    if not moved:
        return [("fine", "the newest rows, to be judged on, are like those before them in every column")]
    return [
        (
            "look",
            f"the newest rows are others than those before them in {_names(each['name'] for each in moved)}: "
            "what is measured on them is not what was learnt",
        )
    ]


def _label(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    target, gone = document["target"], document["unlabelled"]
    found = []
    if gone:
        share = gone / (gone + document["rows"])
        found.append(("look", f"{gone:,} rows ({share:.1%}) have no label and are left out"))
    if target["kind"] == "words" and target.get("top"):
        least, count = target["top"][-1]
        share = count / max(target["rows"], 1)
        if share < RARE:
            found.append(("look", f"{least} is rare: {share:.2%} of the rows, {count:,}"))
    if target["distinct"] < 2:
        found.append(("act", "the label has one value: there is nothing to learn"))
    return found


def _missing(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    found = []
    some = [each for each in document["columns"] if each["missing"] >= MANY]
    if some:
        worst = sorted(some, key=lambda each: -each["missing"])[:3]
        told = ", ".join(f"{each['name']} {each['missing']:.0%}" for each in worst)
        found.append(("look", f"{len(some)} columns lack values: {told}{' ...' if len(some) > 3 else ''}"))
    if tell := document["missing"]["tell"]:
        found.append(
            (
                "look",
                f"that {_names(each['a'] for each in tell)} is missing tells of the label: keep it a value",
            )
        )
    return found


def _enough(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    enough = document["enough"]
    if isinstance(enough, str):
        return [("look", f"whether more rows would help cannot be said: {enough}")]
    half, whole = enough[-2], enough[-1]
    gain = whole["explained"] - half["explained"]
    if whole["explained"] <= 0:
        said = f"a small boosting learns nothing from {whole['rows']:,} rows that later rows bear out"
        return [("act", said)]
    if gain > WORTH * half["error"]:
        return [
            (
                "look",
                f"more rows would help: from {half['rows']:,} to {whole['rows']:,} the share that is "
                f"explained still rises from {half['explained']:.3f} to {whole['explained']:.3f}",
            )
        ]
    return [
        ("fine", f"{half['rows']:,} rows explain as much as {whole['rows']:,} do: {whole['explained']:.3f}")
    ]


def _strongest(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    known = [each for each in document["to_label"] if each["known"]]
    if not known:
        return [("act", "no column alone has to do with the label beyond chance")]
    told = ", ".join(f"{each['a']} {each['strength']:.2f}" for each in known[:3])
    return [("fine", f"{len(known)} columns have to do with the label; most of all {told}")]


def _odd(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    odd = document["unusual"]
    if odd is None or odd["far"] is None or odd["far"] < 0.01:
        return []
    return [
        (
            "look",
            f"{odd['far']:.1%} of the rows are far from the bulk of the numbers; one in a thousand is usual",
        )
    ]


def _names(names: Any) -> str:
    said = list(names)
    return ", ".join(said[:6]) + (f" and {len(said) - 6} more" if len(said) > 6 else "")
