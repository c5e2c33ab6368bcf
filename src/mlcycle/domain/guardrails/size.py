"""How large a model's files are."""

from mlcycle.domain.guardrails.finding import Finding

MIB = 2**20


def judged(own: int, champion: int | None, max_mib: float | None, max_ratio: float | None) -> Finding:
    """Refuses above either limit; ``own`` and ``champion`` in bytes."""
    limits, broken, why = [], False, ["all files of the model"]
    if max_mib is not None:
        limits.append(f"{max_mib:g} MiB")
        broken |= own > max_mib * MIB
    if max_ratio is not None:
        limits.append(f"{max_ratio:g} times the champion's")
        if champion is None:
            why.append("no champion to be larger than")
        else:
            ratio = own / max(champion, 1)
            broken |= ratio > max_ratio
            why.append(f"{ratio:.3g} times the champion's")
    return Finding(
        "size",
        f"{own / MIB:.3g} MiB ({own:,} bytes)",
        " and ".join(limits),
        not broken,
        "; ".join(why),
        "" if champion is None else f"{champion / MIB:.3g} MiB",
        own / MIB,
    )
