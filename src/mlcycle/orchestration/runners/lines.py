"""Lines out of the pieces in which a stream of a step's output comes."""

from collections.abc import Iterator

LONGEST = 1 << 20  # bytes; a longer line is handed on in pieces


def lines(chunks: Iterator[bytes], longest: int = LONGEST) -> Iterator[tuple[bool, bytes]]:
    """Each line with True before it; of one longer than ``longest`` bytes, its pieces: the others with False.

    It is cut at the same places however the stream was cut: whoever reads it again may count. What follows
    the last end of a line is a line too.
    """
    rest, begins = b"", True
    for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            while len(line) > longest:
                yield begins, line[:longest]
                line, begins = line[longest:], False
            yield begins, line
            begins = True
        while len(rest) > longest:
            yield begins, rest[:longest]
            rest, begins = rest[longest:], False
    if rest:
        yield begins, rest
