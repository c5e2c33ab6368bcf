"""Columns whose cells are places of files: the bytes are kept by digest, which stands there instead."""

import hashlib
from concurrent.futures import ThreadPoolExecutor

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.delivery.reader import Misfit, Rows
from mlcycle.adapters.delivery.source import NotDelivered, SourceFiles
from mlcycle.errors import DataRejected
from mlcycle.kept_files import AT_ONCE, path_of
from mlcycle.project import Table


def kept(rows: Rows, table: Table, files: SourceFiles, store: ArtifactStore) -> Rows:
    """The rows with a digest in place of each file; those whose file is not there or too large are misfits.

    Raises Unavailable where the source does not answer: the delivery is tried again.
    """
    import numpy as np
    import pyarrow as pa

    cells, wrong = rows.cells, dict[int, dict[str, str]]()
    for name in table.files:
        column = cells.column(name)
        places = sorted(set(column.drop_null().to_pylist()))
        with ThreadPoolExecutor(AT_ONCE) as pool:
            found = dict(
                zip(places, pool.map(lambda place: _keep(place, table, files, store), places), strict=True)
            )
        texts = []
        for at, place in enumerate(column.to_pylist()):
            said = None if place is None else found[place]
            if said is not None and not said.startswith("sha256:"):
                wrong.setdefault(at, {})[f"{name}: file not kept"] = f"column {name}: {said}"
            texts.append(said)
        cells = cells.set_column(cells.column_names.index(name), name, pa.array(texts, pa.string()))
    if not wrong:
        return Rows(cells, rows.numbers, rows.misfits, rows.blank)
    misfits = dict(rows.misfits)
    for at, reasons in wrong.items():
        (row,) = rows.cells.slice(at, 1).to_pylist()
        data = {key: value if value is None else str(value) for key, value in row.items()}
        misfits[int(rows.numbers[at])] = Misfit(reasons, data)
    good = np.ones(len(rows.numbers), dtype=bool)
    good[list(wrong)] = False
    return Rows(cells.filter(pa.array(good)), rows.numbers[good], dict(sorted(misfits.items())), rows.blank)


def _keep(place: str, table: Table, files: SourceFiles, store: ArtifactStore) -> str:
    """``sha256:...`` of a file that is kept by now, or why it is not."""
    try:
        data = files.fetch_place(place, table.max_file_bytes)
    except (NotDelivered, DataRejected) as error:
        return error.message.removeprefix("sha256:")
    digest = hashlib.sha256(data).hexdigest()
    if not store.exists(path_of(digest)):
        store.put(path_of(digest), data)
    return f"sha256:{digest}"
