"""The gaps monitor: partitions of the window that were never delivered."""

from collections.abc import Mapping, Sequence

from mlcycle.domain.gaps import listed
from mlcycle.domain.monitors import Measurement


def gaps(missing: Mapping[str, Sequence[str]]) -> Measurement:
    """A warning for any partition that was never delivered; ``missing`` lists keys by table."""
    count = sum(map(len, missing.values()))
    if not count:
        return Measurement("gaps", "ok", "every partition was delivered", value=0.0, threshold=1.0)
    parts = [f"{table}: {listed(keys)}" for table, keys in missing.items() if keys]
    message = f"{count} never delivered: {'; '.join(parts)}"
    return Measurement("gaps", "warn", message, value=float(count), threshold=1.0)
