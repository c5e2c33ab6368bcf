"""Which list each row of a snapshot belongs to: a number made of the values of the label's group columns."""

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import numpy as np

from mlcycle.errors import InputError

if TYPE_CHECKING:
    import pyarrow as pa

LIST: Final = "_list"  # a column of snapshots of a ranking; no project's column begins so
ODD: Final = np.uint64(0x9E3779B97F4A7C15)  # what one column's numbers are spread by before the next's


def list_numbers(rows: "pa.Table", columns: Sequence[str]) -> "pa.Array":
    """int64 (n,): the same for rows that agree in all columns, in whichever part they lie.

    64 bits of a hash: of a million lists two are taken for one with a chance of 3e-8.

    Raises InputError for a row without a value there.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    found = np.zeros(rows.num_rows, dtype=np.uint64)
    for name in columns:
        values = pc.cast(rows[name].combine_chunks(), pa.string())
        if missing := values.null_count + (pc.sum(pc.equal(values, "")).as_py() or 0):
            raise InputError(
                f"{missing} of {len(values)} rows have no value of label.group {name!r}: a row is "
                "of one list, so leave out those that are of none"
            )
        coded = values.dictionary_encode()
        hashes = [
            int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
            for text in coded.dictionary.to_pylist()
        ]
        own = np.array(hashes, dtype=np.uint64)[coded.indices.to_numpy(zero_copy_only=False)]
        found = found * ODD + own  # wraps, as it should
    return pa.array(found.view(np.int64))
