"""What a fit learns from and watches, weighing as ``training`` says; what is measured does not."""

from typing import TYPE_CHECKING

from mlcycle.project import Project

if TYPE_CHECKING:
    from mlcycle.domain.examples import Examples


def weighed(project: Project, examples: "tuple[Examples, Examples]") -> "tuple[Examples, Examples]":
    """Training and validation rows, the latter by the former's classes.

    Raises InputError for a row without a weight.
    """
    how = project.weighing
    if how.plain:
        return examples
    from mlcycle.domain.training_weights import Weighed

    learnt = Weighed.of(examples[0], how)
    return learnt, Weighed.of(examples[1], how, learnt)
