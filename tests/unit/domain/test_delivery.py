"""The look at a delivery's bytes."""

from collections.abc import Iterator

import pytest

from mlcycle.domain.delivery import MAX_LINE, Malformed, Shape, check_quotes, compare_header, inspect


def pieces(data: bytes, size: int) -> Iterator[bytes]:
    for at in range(0, len(data), size):
        yield data[at : at + size]


@pytest.mark.parametrize("size", [1, 3, 7, 1000])
@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (b"a,b\n1,2\n", Shape(["a", "b"], True, 2)),
        (b"a,b\n1,2", Shape(["a", "b"], True, 2)),
        ("a,b\n1,ü€😀\n".encode(), Shape(["a", "b"], True, 2)),
        (b"\xef\xbb\xbfa,b\n1,2\n", Shape(["a", "b"], False, 2)),
        (b'a,b\n1,"2"\n', Shape(["a", "b"], False, 2)),
        (b"a,b\r\n1,2\r\n", Shape(["a", "b"], False, 2)),
    ],
    ids=["plain", "no-last-newline", "utf8", "byte-order-mark", "quotes", "crlf"],
)
def test_the_shape_does_not_depend_on_how_the_bytes_come(data: bytes, shape: Shape, size: int) -> None:
    assert inspect(pieces(data, size)) == shape


@pytest.mark.parametrize("size", [4, 5, 1000])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"a,b\n1,2\n3,\x00\n", "row 2, column 'b' (byte 10): NUL byte"),
        (b"a,b\n1,2\n3,\xff\n", "row 2, column 'b' (byte 10): 0xff is not UTF-8"),
        (b"a,b\n\xed\xa0\x80,2\n", "row 1, column 'a' (byte 4): a lone surrogate"),
        (b"a,\xff\n", "header (byte 2): not UTF-8"),
        (b"\xfe\xff\0a", "UTF-16"),
        (b"PK\x03\x04....", "the file is zip"),
    ],
    ids=["empty", "nul", "utf8", "surrogate", "header", "utf16", "zip"],
)
def test_bytes_that_are_no_text_are_named_by_row_column_and_byte(
    data: bytes, message: str, size: int
) -> None:
    with pytest.raises(Malformed) as caught:
        inspect(pieces(data, size))
    assert message in str(caught.value)


@pytest.mark.parametrize("size", [1 << 16, 1 << 18, 10 << 20])
@pytest.mark.parametrize("row", [0, 1, 3])
def test_a_long_line_is_named_by_its_row(row: int, size: int) -> None:
    lines = [b"a,b\n", b"1,2\n", b"3,4\n", b"5,6\n", b"7,8\n"]
    lines[row] = b"x" * (MAX_LINE + 1) + b"\n"
    with pytest.raises(Malformed, match=f"row {row} is longer" if row else "the header is longer"):
        inspect(pieces(b"".join(lines), size))


def test_an_endless_line_is_given_up_after_a_few_chunks() -> None:
    taken = 0

    def endless() -> Iterator[bytes]:
        nonlocal taken
        yield b"a,b\n"
        while True:
            taken += 1
            yield b"x" * (1 << 18)

    with pytest.raises(Malformed, match="row 1 is longer than 1 MiB"):
        inspect(endless())
    assert taken <= 6


@pytest.mark.parametrize("lines", [['a,"b\n', "c,d\n"], ['a,"b"c\n']], ids=["open", "text-after"])
def test_quotes_that_do_not_pair_up_are_refused(lines: list[str]) -> None:
    with pytest.raises(Malformed, match=r"row \d: not CSV"):
        check_quotes(lines)


def test_the_header_is_compared_by_name() -> None:
    assert compare_header(["b", "a", "z"], ["a", "b", "c"]) == (["c"], ["z"])
    with pytest.raises(Malformed, match="names 'a' twice"):
        compare_header(["a", "a"], ["a"])
