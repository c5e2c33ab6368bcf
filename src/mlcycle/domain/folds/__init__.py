"""Folds of cross-validation: which rows are learnt and which are predicted, fold by fold.

A policy says how rows are dealt out. Every fold's rows to learn from and rows to predict are disjoint, in
ascending order; what else must not touch (a group, a stretch of time) is the policy's matter.
"""

from mlcycle.domain.folds.dealt import KFold, Stratified
from mlcycle.domain.folds.fold import Facts, Fold, Folds
from mlcycle.domain.folds.grouped import Grouped, LeaveOneGroupOut
from mlcycle.domain.folds.ordered import Forward, Purged
from mlcycle.domain.folds.plan import Plan

__all__ = [
    "Facts",
    "Fold",
    "Folds",
    "Forward",
    "Grouped",
    "KFold",
    "LeaveOneGroupOut",
    "Plan",
    "Purged",
    "Stratified",
]
