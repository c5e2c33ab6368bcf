"""scikit-learn's trees as an ONNX graph (``TreeEnsemble`` of ai.onnx.ml 5), in the estimator's own precision.

Made here because skl2onnx 1.20 leaves out which way a missing number goes in a forest and which categories go
left in histogram boosting: the graphs load, and say something else in a fifth of the rows.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from mlcycle.domain.metrics import Array

ROWS, PREDICTION = "rows", "prediction"
LEQ, MEMBER = 0, 6  # modes of a node
OPSETS: Final = {"": 18, "ai.onnx.ml": 5}


class NotConverted(Exception):
    """There is no such form of a model; the text says why."""


@dataclass
class _Nodes:
    """Attributes of ``TreeEnsemble``, a list a name; leaves are counted apart from branches."""

    roots: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    split: list[float] = field(default_factory=list)
    mode: list[int] = field(default_factory=list)
    missing_left: list[int] = field(default_factory=list)
    left: list[int] = field(default_factory=list)
    left_is_leaf: list[int] = field(default_factory=list)
    right: list[int] = field(default_factory=list)
    right_is_leaf: list[int] = field(default_factory=list)
    members: list[float] = field(default_factory=list)
    leaves: list[float] = field(default_factory=list)

    def branch(self, feature: int, split: float, missing_left: bool, members: Sequence[float] | None) -> int:
        """Add one whose children are told later; its number."""
        self.feature.append(feature)
        self.split.append(split)
        self.mode.append(LEQ if members is None else MEMBER)
        if members is not None:
            self.members += [*members, np.nan]
        self.missing_left.append(int(missing_left))
        for children in (self.left, self.left_is_leaf, self.right, self.right_is_leaf):
            children.append(0)
        return len(self.feature) - 1

    def leaf(self, value: float) -> int:
        self.leaves.append(value)
        return len(self.leaves) - 1

    def add(self, tree: "_Tree") -> None:
        """Add a tree, its root first."""
        if tree.is_leaf[0]:  # a root must be a branch: one with the same leaf on both sides
            number, leaf = self.branch(0, 0.0, True, None), self.leaf(float(tree.value[0]))
            self.left[number] = self.right[number] = leaf
            self.left_is_leaf[number] = self.right_is_leaf[number] = 1
            self.roots.append(number)
            return
        numbers: dict[int, int] = {}
        waiting = [0]
        while waiting:
            node = waiting.pop()
            numbers[node] = self.branch(
                int(tree.feature[node]),
                float(tree.split[node]),
                bool(tree.missing_left[node]),
                tree.members.get(node),
            )
            waiting += [
                int(child[node]) for child in (tree.left, tree.right) if not tree.is_leaf[child[node]]
            ]
        for node, number in numbers.items():
            for child, place, flag in (
                (int(tree.left[node]), self.left, self.left_is_leaf),
                (int(tree.right[node]), self.right, self.right_is_leaf),
            ):
                flag[number] = int(tree.is_leaf[child])
                place[number] = self.leaf(float(tree.value[child])) if tree.is_leaf[child] else numbers[child]
        self.roots.append(numbers[0])


@dataclass(frozen=True)
class _Tree:
    """Arrays of a tree's nodes (nodes,); ``members``: of one that asks for a category, those that go left."""

    is_leaf: Any
    feature: Any
    split: Any
    missing_left: Any
    left: Any
    right: Any
    value: Array
    members: dict[int, list[float]]


def graph(estimator: Any, codes: Sequence[int]) -> bytes:
    """An ONNX model from ``rows`` (n, columns) double to ``prediction`` (n,) double.

    Args:
        estimator: a fitted forest or histogram boosting of scikit-learn, of two classes or a regression.
        codes: how many codes each categorical column has, which are the first columns.

    Raises NotConverted for any other.
    """
    kind = type(estimator).__name__
    if kind in ("RandomForestClassifier", "RandomForestRegressor"):
        trees, base, link, narrow = _forest(estimator), 0.0, "mean", True
    elif kind in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"):
        trees, base, link = _boosting(estimator, codes)
        narrow = False
    else:
        raise NotConverted(f"no conversion of {kind} to ONNX")
    nodes = _Nodes()
    for tree in trees:
        nodes.add(tree)
    if link == "mean":
        nodes.leaves = [value / len(nodes.roots) for value in nodes.leaves]
    return _model(nodes, base, int(estimator.n_features_in_), probability=link == "logit", narrow=narrow)


def _forest(estimator: Any) -> list[_Tree]:
    if getattr(estimator, "n_outputs_", 1) != 1 or len(getattr(estimator, "classes_", (0, 1))) != 2:
        raise NotConverted("forests of two classes and regressions alone are converted to ONNX")
    classifies = hasattr(estimator, "classes_")
    found = []
    for one in estimator.estimators_:
        tree = one.tree_
        value = tree.value[:, 0, :]
        found.append(
            _Tree(
                is_leaf=tree.children_left < 0,
                feature=tree.feature,
                split=tree.threshold,
                missing_left=tree.missing_go_to_left,
                left=tree.children_left,
                right=tree.children_right,
                value=value[:, 1] / value.sum(axis=1) if classifies else value[:, 0],
                members={},
            )
        )
    return found


def _boosting(estimator: Any, codes: Sequence[int]) -> tuple[list[_Tree], float, str]:
    if estimator.n_trees_per_iteration_ != 1:
        raise NotConverted("histogram boosting of two classes and regressions alone is converted to ONNX")
    link = {"LogitLink": "logit", "IdentityLink": "identity"}.get(type(estimator._loss.link).__name__)
    if link is None:
        raise NotConverted(f"histogram boosting with loss {estimator.loss!r} is not converted to ONNX")
    known = _known(estimator)
    if len(known) != len(codes):
        raise NotConverted("its categorical columns are not those of the model's card")
    found = []
    for (predictor,) in estimator._predictors:
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
            _Tree(
                is_leaf=nodes["is_leaf"] != 0,
                feature=nodes["feature_idx"],
                split=nodes["num_threshold"],
                missing_left=nodes["missing_go_to_left"],
                left=nodes["left"],
                right=nodes["right"],
                value=nodes["value"],
                members=members,
            )
        )
    return found, float(np.ravel(estimator._baseline_prediction)[0]), link


def _known(estimator: Any) -> list[list[int]]:
    """Of each categorical column the codes in the order in which scikit-learn's own trees number them."""
    if estimator.is_categorical_ is None:
        return []
    first = int(estimator.is_categorical_.sum())
    if estimator._preprocessor is None or not estimator.is_categorical_[:first].all():
        raise NotConverted("histogram boosting that does not number categories anew is not converted to ONNX")
    found = estimator._preprocessor.named_transformers_["encoder"].categories_
    return [[int(code) for code in codes if np.isfinite(code)] for codes in found]


def _model(nodes: _Nodes, base: float, columns: int, *, probability: bool, narrow: bool) -> bytes:
    """``narrow``: the trees compare numbers of single precision, whatever they are given."""
    from onnx import TensorProto, checker, helper, numpy_helper

    def tensor(values: Any, kind: Any) -> Any:
        return numpy_helper.from_array(np.asarray(values, dtype=kind))

    given, steps = ROWS, []
    if narrow:
        steps = [
            helper.make_node("Cast", [ROWS], ["single"], to=TensorProto.FLOAT),
            helper.make_node("Cast", ["single"], ["seen"], to=TensorProto.DOUBLE),
        ]
        given = "seen"
    members = {"membership_values": tensor(nodes.members, np.float64)} if nodes.members else {}
    steps += [
        helper.make_node(
            "TreeEnsemble",
            [given],
            ["sums"],
            domain="ai.onnx.ml",
            n_targets=1,
            aggregate_function=1,  # the sum
            post_transform=0,
            tree_roots=nodes.roots,
            nodes_featureids=nodes.feature,
            nodes_splits=tensor(nodes.split, np.float64),
            nodes_modes=tensor(nodes.mode, np.uint8),
            nodes_missing_value_tracks_true=nodes.missing_left,
            nodes_truenodeids=nodes.left,
            nodes_trueleafs=nodes.left_is_leaf,
            nodes_falsenodeids=nodes.right,
            nodes_falseleafs=nodes.right_is_leaf,
            leaf_targetids=[0] * len(nodes.leaves),
            leaf_weights=tensor(nodes.leaves, np.float64),
            **members,
        ),
        helper.make_node("Add", ["sums", "base"], ["whole"]),
        helper.make_node("Reshape", ["whole", "flat"], ["raw"]),
        helper.make_node("Sigmoid" if probability else "Identity", ["raw"], [PREDICTION]),
    ]
    constants = [
        numpy_helper.from_array(np.array([base]), "base"),
        numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat"),
    ]
    made = helper.make_model(
        helper.make_graph(
            steps,
            "trees",
            [helper.make_tensor_value_info(ROWS, TensorProto.DOUBLE, ["n", columns])],
            [helper.make_tensor_value_info(PREDICTION, TensorProto.DOUBLE, ["n"])],
            constants,
        ),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=10,
        producer_name="mlcycle",
    )
    checker.check_model(made)
    data: bytes = made.SerializeToString()
    return data
