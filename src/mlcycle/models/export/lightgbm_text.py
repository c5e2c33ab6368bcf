"""LightGBM's own text of a model as an ONNX graph; LightGBM itself is not needed for it.

What a node does is that of ``include/LightGBM/tree.h`` of 4.x (``NumericalDecision`` and
``CategoricalDecision``): two bits of ``decision_type`` tell what it asks and where a missing number goes, two
more what counts as missing.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from mlcycle.models.export.ensembles import Link, Tree, ensemble
from mlcycle.models.export.graphs import NotConverted

CATEGORICAL, DEFAULT_LEFT = 1, 2  # bits of decision_type
ZERO, NAN = 1, 2  # what counts as missing, in the two bits above those
LINKS: Final[dict[str, Link]] = {
    "binary": "Sigmoid",
    "multiclass": "Softmax",
    "regression": "Identity",
    "lambdarank": "Identity",
    "rank_xendcg": "Identity",
}


def graph(text: str, classes: int = 0) -> bytes:
    """An ONNX model from ``rows`` (n, columns) double to ``prediction`` (n,), or (n, classes), double.

    Args:
        text: as ``Booster.model_to_string`` writes it; codes of categories are whole numbers and not missing.
        classes: of the task, where it has many.

    Raises NotConverted for an objective, or a kind of tree, that is not known here.
    """
    head, *blocks = text.partition("\nend of trees")[0].split("\nTree=")
    facts = _facts(head)
    objective, *options = facts["objective"].split()
    link = LINKS.get(objective)
    if link is None or "average_output" in head.splitlines() or set(options) & {"sqrt"}:
        raise NotConverted(f"LightGBM of objective {facts['objective']!r} is not converted to ONNX")
    each = int(facts["num_tree_per_iteration"])
    if each != max(classes, 1):
        raise NotConverted(f"LightGBM grew trees for {each} classes, and the task has {classes}")
    named = dict(option.split(":") for option in options if ":" in option)
    steep = float(named.get("sigmoid", "1")) if link == "Sigmoid" else 1.0
    trees = [_tree(_facts(block), at % each, steep) for at, block in enumerate(blocks)]
    seen = list(range(classes))
    return ensemble(trees, int(facts["max_feature_idx"]) + 1, link, seen=seen, classes=classes)


def _facts(text: str) -> dict[str, str]:
    return dict(line.split("=", 1) for line in text.splitlines() if "=" in line)


def _tree(facts: dict[str, str], target: int, steep: float) -> Tree:
    """Branches come first, as the text has them, then the leaves, whose numbers the text has as ~number."""
    if facts.get("is_linear", "0") != "0":
        raise NotConverted("LightGBM with linear leaves is not converted to ONNX")

    def read(key: str, kind: Any = np.int64) -> Any:
        return np.array(facts.get(key, "").split(), dtype=kind)

    split, kinds, values = (
        read("threshold", np.float64),
        read("decision_type"),
        read("leaf_value", np.float64),
    )
    branches, asks = len(split), kinds & CATEGORICAL != 0
    if len(kinds) != branches or len(values) != branches + 1:
        raise NotConverted("the text of a tree is not LightGBM's")
    missing = kinds >> 2 & 3
    if (missing[~asks] == ZERO).any():
        raise NotConverted("LightGBM that takes nought for missing is not converted to ONNX")
    # Where training had no missing number LightGBM takes one for nought.
    goes_left = np.where(missing == NAN, kinds & DEFAULT_LEFT != 0, split >= 0)
    bounds, bits = read("cat_boundaries"), read("cat_threshold")
    members = {}
    for node in np.flatnonzero(asks):
        at = int(split[node])
        members[int(node)] = _set(bits[bounds[at] : bounds[at + 1]])

    def whole(of_branches: Any) -> Any:
        return np.append(of_branches, np.zeros(len(values), dtype=of_branches.dtype))

    def places(children: Any) -> Any:
        return whole(np.where(children < 0, branches + ~children, children))

    return Tree(
        is_leaf=np.arange(branches + len(values)) >= branches,
        feature=whole(read("split_feature")),
        split=whole(np.where(asks, 0.0, split)),
        missing_left=whole(goes_left & ~asks),
        left=places(read("left_child")),
        right=places(read("right_child")),
        value=np.append(np.zeros(branches), values * steep),
        members=members,
        target=target,
    )


def _set(words: Sequence[int]) -> list[float]:
    """Numbers of the bits that are set in words of 32."""
    return [float(32 * at + bit) for at, word in enumerate(words) for bit in range(32) if word >> bit & 1]
