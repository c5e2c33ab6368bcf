"""scikit-learn's trees as an ONNX graph, in the estimator's own precision.

Made here because skl2onnx 1.20 leaves out which way a missing number goes in a forest and which categories go
left in histogram boosting: the graphs load, and say something else in a fifth of the rows.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np

from mlcycle.models.export.ensembles import Link, Tree, ensemble
from mlcycle.models.export.graphs import NotConverted

LINKS: Final[dict[str, Link]] = {
    "LogitLink": "Sigmoid",
    "IdentityLink": "Identity",
    "MultinomialLogit": "Softmax",
}


def graph(estimator: Any, codes: Sequence[int], classes: int = 0) -> bytes:
    """An ONNX model from ``rows`` (n, columns) double to ``prediction`` (n,), or (n, classes), double.

    Args:
        estimator: a fitted forest or histogram boosting of scikit-learn.
        codes: how many codes each categorical column has, which are the first columns.
        classes: of the task, where it has many; one that no row of training had is given nought.

    Raises NotConverted for any other.
    """
    kind, width = type(estimator).__name__, int(estimator.n_features_in_)
    seen = [int(one) for one in estimator.classes_] if classes else []
    if kind in ("RandomForestClassifier", "RandomForestRegressor"):
        count = len(estimator.estimators_)  # the forest's mean is a sum of leaves that are so much smaller
        trees = [replace(tree, value=tree.value / count) for tree in _forest(estimator, seen)]
        return ensemble(trees, width, "Identity", narrow=True, seen=seen, classes=classes)
    if kind in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"):
        trees, base, link = _boosting(estimator, codes, seen)
        return ensemble(trees, width, link, base=base, seen=seen, classes=classes)
    raise NotConverted(f"no conversion of {kind} to ONNX")


def _forest(estimator: Any, seen: Sequence[int]) -> list[Tree]:
    """Of many classes each tree once for every class: a leaf of ``TreeEnsemble`` adds to one alone."""
    classifies = hasattr(estimator, "classes_")
    if getattr(estimator, "n_outputs_", 1) != 1 or (classifies and not seen and len(estimator.classes_) != 2):
        raise NotConverted("a forest of several outputs, or of one class alone, is not converted to ONNX")
    found = []
    for one in estimator.estimators_:
        tree = one.tree_
        value = tree.value[:, 0, :]
        if classifies:
            value = value / value.sum(axis=1, keepdims=True)
        columns = range(len(seen)) if seen else [1 if classifies else 0]
        found += [
            Tree(
                is_leaf=tree.children_left < 0,
                feature=tree.feature,
                split=tree.threshold,
                missing_left=tree.missing_go_to_left,
                left=tree.children_left,
                right=tree.children_right,
                value=value[:, column],
                members={},
                target=column if seen else 0,
            )
            for column in columns
        ]
    return found


def _boosting(
    estimator: Any, codes: Sequence[int], seen: Sequence[int]
) -> tuple[list[Tree], list[float], Link]:
    """The trees, those of each round a class after the other; what is added to their sums; their link."""
    if estimator.n_trees_per_iteration_ != max(len(seen), 1):
        raise NotConverted("training had rows of two of its many classes alone")
    link = LINKS.get(type(estimator._loss.link).__name__)
    if link is None:
        raise NotConverted(f"histogram boosting with loss {estimator.loss!r} is not converted to ONNX")
    known = _known(estimator)
    if len(known) != len(codes):
        raise NotConverted("its categorical columns are not those of the model's card")
    found = []
    each = [(at, one) for grown in estimator._predictors for at, one in enumerate(grown)]
    for target, predictor in each:
        nodes = predictor.nodes
        members = {}
        for node in np.flatnonzero((nodes["is_categorical"] != 0) & (nodes["is_leaf"] == 0)):
            feature = int(nodes["feature_idx"][node])
            bits = predictor.raw_left_cat_bitsets[nodes["bitset_idx"][node]]
            left = [code for at, code in enumerate(known[feature]) if bits[at // 32] >> (at % 32) & 1]
            if nodes["missing_go_to_left"][node]:  # as a missing one: a code that training never had
                left += sorted(set(range(codes[feature])) - set(known[feature]))
            members[int(node)] = [float(code) for code in left]
        found.append(
            Tree(
                is_leaf=nodes["is_leaf"] != 0,
                feature=nodes["feature_idx"],
                split=nodes["num_threshold"],
                missing_left=nodes["missing_go_to_left"],
                left=nodes["left"],
                right=nodes["right"],
                value=nodes["value"],
                members=members,
                target=target,
            )
        )
    return found, [float(one) for one in np.ravel(estimator._baseline_prediction)], link


def _known(estimator: Any) -> list[list[int]]:
    """Of each categorical column the codes in the order in which scikit-learn's own trees number them."""
    if estimator.is_categorical_ is None:
        return []
    first = int(estimator.is_categorical_.sum())
    if estimator._preprocessor is None or not estimator.is_categorical_[:first].all():
        raise NotConverted("histogram boosting that does not number categories anew is not converted to ONNX")
    found = estimator._preprocessor.named_transformers_["encoder"].categories_
    return [[int(code) for code in codes if np.isfinite(code)] for codes in found]
