"""A step's lines out of the pieces of a stream, however that was cut."""

import random
from collections.abc import Iterator

import pytest

from mlcycle.orchestration.runners.kubernetes_follow import stamped
from mlcycle.orchestration.runners.lines import LONGEST, lines

SHORT = 5


def chunks(stream: bytes, seed: int) -> Iterator[bytes]:
    """The stream in pieces of random lengths, some of them empty."""
    cuts = sorted(random.Random(seed).choices(range(len(stream) + 1), k=6))
    return (stream[a:b] for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True))


@pytest.mark.parametrize("seed", range(50))
def test_lines_are_cut_at_the_same_places_however_the_stream_was(seed: int) -> None:
    stream = b"one\n\nthirteen long\nexact\nlast one"
    assert list(lines(chunks(stream, seed), SHORT)) == [
        (True, b"one"),
        (True, b""),
        (True, b"thirt"),
        (False, b"een l"),
        (False, b"ong"),
        (True, b"exact"),
        (True, b"last "),
        (False, b"one"),
    ]


def test_a_stream_without_lines_has_none() -> None:
    assert list(lines(iter([]))) == list(lines(iter([b""]))) == []


@pytest.mark.parametrize("size", [4096, 65_536, 3 * LONGEST])
def test_the_pieces_of_a_long_line_bear_its_time(size: int) -> None:
    long = "word " * (LONGEST // 2)
    stream = f"2026-01-02T03:04:05.5Z {long}\n2026-01-02T03:04:06Z next\r\n".encode()
    pieces = [stream[start : start + size] for start in range(0, len(stream), size)]
    *found, last = stamped(iter(pieces))
    assert {moment for moment, _ in found} == {"2026-01-02T03:04:05.500000000"}
    assert "".join(text for _, text in found) == long
    assert last == ("2026-01-02T03:04:06.000000000", "next")


def test_what_the_kubelet_says_itself_bears_no_time() -> None:
    said = "unable to retrieve container logs for containerd://4f"
    assert list(stamped(iter([said.encode()]))) == [("", said)]


@pytest.mark.parametrize(
    ("written", "same"),
    [
        ("2026-01-01T11:00:00.5Z", "2026-01-01T11:00:00.500000000"),
        ("2026-01-01T11:00:00Z", "2026-01-01T11:00:00.000000000"),
        ("2026-01-01T12:00:00+01:00", "2026-01-01T11:00:00.000000000"),
        ("2026-01-01T13:00:00.123456789+02:00", "2026-01-01T11:00:00.123456789"),
    ],
)
def test_times_of_lines_are_compared_as_text(written: str, same: str) -> None:
    assert list(stamped(iter([f"{written} \n".encode()]))) == [(same, "")]
