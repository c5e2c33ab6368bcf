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
    targets: list[int] = field(default_factory=list)  # the class that a leaf adds to

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

    def leaf(self, value: float, target: int) -> int:
        self.leaves.append(value)
        self.targets.append(target)
        return len(self.leaves) - 1

    def add(self, tree: "_Tree") -> None:
        """Add a tree, its root first."""
        if tree.is_leaf[0]:  # a root must be a branch: one with the same leaf on both sides
            number, leaf = self.branch(0, 0.0, True, None), self.leaf(float(tree.value[0]), tree.target)
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
                place[number] = (
                    self.leaf(float(tree.value[child]), tree.target)
                    if tree.is_leaf[child]
                    else numbers[child]
                )
        self.roots.append(numbers[0])


@dataclass(frozen=True)
class _Tree:
    """Arrays of a tree's nodes (nodes,); ``members``: of one that asks for a category, those that go left.

    ``target``: the place among the classes that training had of the one that it adds to.
    """

    is_leaf: Any
    feature: Any
    split: Any
    missing_left: Any
    left: Any
    right: Any
    value: Array
    members: dict[int, list[float]]
    target: int = 0


def graph(estimator: Any, codes: Sequence[int], classes: int = 0) -> bytes:
    """An ONNX model from ``rows`` (n, columns) double to ``prediction`` (n,), or (n, classes), double.

    Args:
        estimator: a fitted forest or histogram boosting of scikit-learn.
        codes: how many codes each categorical column has, which are the first columns.
        classes: of the task, where it has many; one that no row of training had is given nought.

    Raises NotConverted for any other.
    """
    kind = type(estimator).__name__
    seen = [int(one) for one in estimator.classes_] if classes else []
    if kind in ("RandomForestClassifier", "RandomForestRegressor"):
        trees, base, link, narrow = _forest(estimator, seen), [0.0], "mean", True
    elif kind in ("HistGradientBoostingClassifier", "HistGradientBoostingRegressor"):
        trees, base, link = _boosting(estimator, codes, seen)
        narrow = False
    else:
        raise NotConverted(f"no conversion of {kind} to ONNX")
    nodes = _Nodes()
    for tree in trees:
        nodes.add(tree)
    if link == "mean":
        nodes.leaves = [value / len(estimator.estimators_) for value in nodes.leaves]
    return _model(nodes, base, int(estimator.n_features_in_), link, narrow, seen, classes)


def _forest(estimator: Any, seen: Sequence[int]) -> list[_Tree]:
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
            _Tree(
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
) -> tuple[list[_Tree], list[float], str]:
    """The trees, those of each round a class after the other; what is added to their sums; their link."""
    if estimator.n_trees_per_iteration_ != max(len(seen), 1):
        raise NotConverted("training had rows of two of its many classes alone")
    links = {"LogitLink": "logit", "IdentityLink": "identity", "MultinomialLogit": "softmax"}
    link = links.get(type(estimator._loss.link).__name__)
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
            _Tree(
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


def _model(
    nodes: _Nodes,
    base: Sequence[float],
    columns: int,
    link: str,
    narrow: bool,
    seen: Sequence[int],
    classes: int,
) -> bytes:
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
            n_targets=max(len(seen), 1),
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
            leaf_targetids=nodes.targets,
            leaf_weights=tensor(nodes.leaves, np.float64),
            **members,
        ),
        helper.make_node("Add", ["sums", "base"], ["whole"]),
    ]
    constants = [numpy_helper.from_array(np.asarray(base, dtype=np.float64), "base")]
    if seen:
        places = np.zeros((len(seen), classes))
        places[np.arange(len(seen)), seen] = 1.0
        constants.append(numpy_helper.from_array(places, "places"))
        softmax = link == "softmax"
        steps += [
            helper.make_node("Softmax", ["whole"], ["shares"], axis=1)
            if softmax
            else helper.make_node("Identity", ["whole"], ["shares"]),
            helper.make_node("MatMul", ["shares", "places"], [PREDICTION]),
        ]
    else:
        constants.append(numpy_helper.from_array(np.array([-1], dtype=np.int64), "flat"))
        steps += [
            helper.make_node("Reshape", ["whole", "flat"], ["raw"]),
            helper.make_node("Sigmoid" if link == "logit" else "Identity", ["raw"], [PREDICTION]),
        ]
    shape: list[str | int] = ["n", classes] if seen else ["n"]
    made = helper.make_model(
        helper.make_graph(
            steps,
            "trees",
            [helper.make_tensor_value_info(ROWS, TensorProto.DOUBLE, ["n", columns])],
            [helper.make_tensor_value_info(PREDICTION, TensorProto.DOUBLE, shape)],
            constants,
        ),
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in OPSETS.items()],
        ir_version=10,
        producer_name="mlcycle",
    )
    checker.check_model(made)
    data: bytes = made.SerializeToString()
    return data
