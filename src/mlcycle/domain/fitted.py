"""Features that are learnt from training rows, as a project says them; ``models.fitted`` learns them."""

from dataclasses import dataclass
from typing import Final

#: Out of numeric columns, a few numbers each row.
COMPONENTS: Final = ("pca", "svd", "nmf", "ica", "lda", "pls")
#: Out of the order in which values of a column follow each other, a vector each value.
SEQUENCES: Final = ("skip_gram", "cbow")
KINDS: Final = ("target_mean", "hashing", *COMPONENTS, *SEQUENCES)


@dataclass(frozen=True)
class Wish:
    """One feature, or a few that belong together."""

    name: str
    kind: str
    columns: tuple[str, ...]
    components: int = 0  # numbers that come of it; hashing: buckets
    smoothing: float = 0.0  # of target_mean: rows that the mean of all rows counts as
    by: str = ""  # of sequences: the column whose values each have one
    replace: bool = False  # the columns are not inputs of the family beside it
