"""A project's own checks of rows: a function of a partition's frame that says which of them are right.

It returns n truth values, or one of the partition as a whole. Its findings are those of an expectation.
"""

from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.expectations import Finding
from mlcycle.errors import ConfigError
from mlcycle.project import OwnCheck
from mlcycle.project_code import resolve, said

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd


def run(checks: list[OwnCheck], frame: "pd.DataFrame", partition: "np.ndarray[Any, Any]") -> list[Finding]:
    """Check typed rows.

    Args:
        checks: of the table.
        frame: n rows; its columns are the table's.
        partition: n numbers, which partition each row belongs to.

    Raises ConfigError, one line with the check, for a function that fails or returns anything else.
    """
    import numpy as np

    findings = []
    for check in checks:
        finding, function = Finding(check.check, check.severity), resolve(check.check)
        for number in np.unique(partition):
            at = np.flatnonzero(partition == number)
            own = frame.iloc[at].reset_index(drop=True)
            try:
                found = np.asarray(function(own))
            except MemoryError:
                raise
            except Exception as error:  # noqa: BLE001 - whatever somebody's function raises
                raise ConfigError(f"check {check.check!r}: {said(error)}") from None
            if found.dtype.kind == "O" and all(isinstance(each, bool) for each in found.reshape(-1)):
                found = found.astype(bool)
            if found.dtype.kind != "b" or found.shape not in ((), (len(at),)):
                raise ConfigError(
                    f"check {check.check!r} returns {found.dtype} {found.shape} for {len(at)} rows: "
                    "a truth value for each is expected, or one for all"
                )
            if not found.shape:
                if not found:
                    finding.batches[int(number)] = f"fails {check.check}"
            elif not found.all():
                finding.rows[int(number)] = at[~found].tolist()
        findings.append(finding)
    return findings
