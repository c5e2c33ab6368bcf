"""Decision trees, whoever grew them, as ``TreeEnsemble`` of ai.onnx.ml 5, in double precision."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.models.export.graphs import PREDICTION, ROWS, constant, finished

LEQ, MEMBER = 0, 6  # modes of a node
Link = Literal["Identity", "Sigmoid", "Softmax"]  # operators of ONNX


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

    def add(self, tree: "Tree") -> None:
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
class Tree:
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


def ensemble(
    trees: Sequence[Tree],
    columns: int,
    link: Link,
    *,
    base: Sequence[float] = (0.0,),
    narrow: bool = False,
    seen: Sequence[int] = (),
    classes: int = 0,
) -> bytes:
    """An ONNX model of trees whose leaves are added up.

    Args:
        trees: in any order.
        columns: of the rows.
        link: what makes a prediction of the sums.
        base: what is added to the sums before, one or for each class that is ``seen``.
        narrow: the trees compare numbers of single precision, whatever they are given.
        seen: class numbers in the order of the trees' targets, where the task has many.
        classes: of the task, where it has many; one that is not ``seen`` is given nought.
    """
    from onnx import TensorProto, helper, numpy_helper

    def tensor(values: Any, kind: Any) -> Any:
        return numpy_helper.from_array(np.asarray(values, dtype=kind))

    nodes = _Nodes()
    for tree in trees:
        nodes.add(tree)
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
    constants = [constant("base", base)]
    if seen:
        places = np.zeros((len(seen), classes))
        places[np.arange(len(seen)), seen] = 1.0
        constants.append(constant("places", places))
        softmax = {"axis": 1} if link == "Softmax" else {}
        steps += [
            helper.make_node(link, ["whole"], ["shares"], **softmax),
            helper.make_node("MatMul", ["shares", "places"], [PREDICTION]),
        ]
    else:
        constants.append(constant("flat", [-1], np.int64))
        steps += [
            helper.make_node("Reshape", ["whole", "flat"], ["raw"]),
            helper.make_node(link, ["raw"], [PREDICTION]),
        ]
    return finished("trees", steps, constants, columns, ["n", classes] if seen else ["n"])
