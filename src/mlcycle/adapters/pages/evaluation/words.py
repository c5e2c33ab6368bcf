"""Numbers and names of an evaluation as people read them."""

from collections.abc import Mapping
from typing import Any

NAMES = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "log_loss": "log loss",
    "brier": "Brier score",
    "f1": "F1",
    "precision_at_k": "precision at k",
    "average_precision_at_k": "average precision at k",
    "macro_f1": "macro F1",
    "macro_roc_auc": "macro ROC-AUC",
    "rmse": "RMSE",
    "mae": "mean absolute error",
    "r2": "R²",
    "bias": "bias (prediction less label)",
    "pinball": "mean pinball loss",
    "interval_score": "mean interval score",
    "ece": "calibration error",
    "lists_without_relevant": "lists without a relevant row, left out",
}
OF_LISTS = {"ndcg": "NDCG", "map": "MAP", "mrr": "mean reciprocal rank"}

#: Figures of quantiles, whose names end with a level or with an interval's share.
QUANTILE_NAMES = {
    "pinball": "pinball loss at {}",
    "below": "share of labels not above the quantile at {}",
    "coverage": "share of labels within the interval of {}",
    "width": "width of the interval of {}",
    "interval_score": "interval score of {}",
}


def named(key: str, k: int | None = None) -> str:
    """A key of the document for people; ``k`` is how many rows those at k are of."""
    words = NAMES.get(key) or _of_quantile(key) or key.replace("_", " ")
    for short, of_lists in OF_LISTS.items():
        words = words.replace(short, of_lists) if key.startswith(f"{short}_at_") else words
    return words if k is None else words.replace("at k", f"at {k:,}")


def _of_quantile(key: str) -> str:
    """``pinball_2_5`` and its kin by level or share; empty for any other key."""
    for stem, words in QUANTILE_NAMES.items():
        rest = key.removeprefix(f"{stem}_").replace("_", ".")
        if key.startswith(f"{stem}_") and rest.replace(".", "", 1).isdecimal():
            return words.format(f"{float(rest) / 100:.6g}".lstrip("0"))
    return ""


def number(value: Any) -> str:
    """Four digits that matter; words for what is not there."""
    if value is None:
        return "not measured"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        if float(value).is_integer() and abs(value) < 1e15:
            return f"{int(value):,}"
        return f"{value:,.0f}" if abs(value) >= 10_000 else f"{value:.4g}"
    return str(value)


def share(value: Any) -> str:
    """A share in per cent."""
    return "not measured" if value is None else f"{value:.1%}"


def money(value: Any) -> str:
    """A sum with its sign."""
    return "not measured" if value is None else f"{value:+,.0f}"


def figure(found: Mapping[str, Any]) -> str:
    """A figure as one line."""
    if found["value"] is None:
        return "not measured"
    between = interval(found)
    return f"{number(found['value'])} ({between})" if between else number(found["value"])


def known(found: Any) -> str:
    """A number, or a figure that says why there is none."""
    if not isinstance(found, Mapping):
        return number(found)
    return figure(found) if found["value"] is not None else str(found["why"])


def interval(found: Mapping[str, Any]) -> str:
    """Between what it lies; empty where that is not known."""
    if found["low"] is None or found["high"] is None:
        return ""
    return f"{number(found['low'])} to {number(found['high'])}"
