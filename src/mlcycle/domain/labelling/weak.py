"""Labels out of many weak opinions: of labellers who err, of functions that abstain.

A. Dawid and A. Skene, "Maximum Likelihood Estimation of Observer Error-Rates Using the EM Algorithm", Appl.
Statist. 28, 1979. That opinions are independent given the class is assumed, and not so of functions that copy
each other: A. Ratner et al., "Data Programming", NIPS 2016, say what that costs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
ABSTAINS = -1
SMOOTHING = 0.5  # rows added to each cell: one who gave three answers is not taken for faultless


@dataclass(frozen=True)
class Opinions:
    """What was estimated. ``labels`` (n, k) are probabilities, ``errors`` (m, k, k) of each opinion's answers
    given the class, ``shares`` (k,) of the classes.
    """

    labels: Array
    errors: Array
    shares: Array
    rounds: int

    @property
    def accuracies(self) -> Array:
        """(m,) how often each is right where it says something, over the classes' shares."""
        found: Array = np.einsum("jkk,k->j", self.errors, self.shares)
        return found


def estimate(answers: NDArray[np.int64], classes: int, rounds: int = 200, least: float = 1e-6) -> Opinions:
    """Classes and error rates by expectation and maximisation, from the majority on.

    Args:
        answers: (n, m) classes by number, ``ABSTAINS`` where one says nothing.
        classes: how many there are.
        rounds: the most.
        least: change of the labels below which it ends.

    A row of which nobody says anything has the shares of the classes.
    """
    given = answers != ABSTAINS
    said = np.zeros((*answers.shape, classes))
    rows, columns = np.nonzero(given)
    said[rows, columns, answers[given]] = 1.0
    votes = said.sum(axis=1) + 1e-3
    labels = votes / votes.sum(axis=1, keepdims=True)
    done = 0
    for done in range(1, rounds + 1):  # noqa: B007 - told
        shares = labels.mean(axis=0)
        errors = np.einsum("nk,njl->jkl", labels, said) + SMOOTHING / classes
        errors /= errors.sum(axis=2, keepdims=True)
        logs = np.log(shares + 1e-12) + np.einsum("njl,jkl->nk", said, np.log(errors))
        logs -= logs.max(axis=1, keepdims=True)
        new = np.exp(logs)
        new /= new.sum(axis=1, keepdims=True)
        moved = float(np.abs(new - labels).max())
        labels = new
        if moved < least:
            break
    return Opinions(labels, errors, labels.mean(axis=0), done)
