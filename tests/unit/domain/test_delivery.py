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
        (b"a,b", Shape(["a", "b"], True, 1)),
        ("a,b\n1,ü€😀\n".encode(), Shape(["a", "b"], True, 2)),
        (b"\xef\xbb\xbfa,b\n1,2\n", Shape(["a", "b"], False, 2)),
        (b'a,b\n1,"2"\n', Shape(["a", "b"], False, 2)),
        (b"a,b\r\n1,2\r\n", Shape(["a", "b"], False, 2)),
    ],
    ids=["plain", "no-last-newline", "no-newline", "utf8", "byte-order-mark", "quotes", "crlf"],
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


@pytest.mark.parametrize(
    ("data", "plain"),
    [
        (b"a,b\n\n1,2\n", False),
        (b"a,b\n1,2\n3,4\n", True),
        (b'a,b\n1,"2"\n3,4\n5,6\n', False),
        (b"a,b\n1,2\n3,4\n5,\r", False),
    ],
    ids=["blank-line", "plain", "quotes-early", "return-late"],
)
@pytest.mark.parametrize("size", [1, 8, 1000])
def test_one_line_that_is_not_plain_makes_the_whole_not_plain(data: bytes, plain: bool, size: int) -> None:
    assert inspect(pieces(data, size)).plain is plain


@pytest.mark.parametrize("size", [4, 9, 1000])
@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty: expected a header and rows"),
        (b"\na,b\n1,2\n", "the first line is blank: expected a header"),
        (b"\xef\xbb\xbf\r\na,b\n1,2\n", "the first line is blank: expected a header"),
        (b"\xff\xfea\0", "the file is UTF-16 (byte 0 is its mark): deliver UTF-8"),
        (b"\x1f\x8b....", "the file is gzip, not CSV text: deliver it uncompressed"),
        (b"a\0,b\0\n", "header (byte 1): NUL byte: deliver UTF-8 text"),
        (b"a,\xff\n", "header (byte 2): not UTF-8"),
        (b'a,"b\n1,2\n', "the header is not one line of CSV: unexpected end of data"),
        (b'a,"b"c\n1,2\n', "the header is not one line of CSV: ',' expected after '\"'"),
        (b"a,b\n1,2\n3,\0,\0\n", "row 2, column 'b' (byte 10): NUL byte: deliver UTF-8 text"),
        (b"a,b\n\0,2\n", "row 1, column 'a' (byte 4): NUL byte: deliver UTF-8 text"),
        (b"a,b\n\n1,\0\n", "row 2, column 'b' (byte 7): NUL byte: deliver UTF-8 text"),
        (b"a,b\n1,2\n3,4,\0\n", "row 2, column 3 (byte 12): NUL byte: deliver UTF-8 text"),
        (b'a,b\n"1,1",\xe4\n', "row 1, column 'b' (byte 10): 0xe4 is not UTF-8"),
        (b"a,b\n1,2\n\xed\xa0\x80,4\n", "row 2, column 'a' (byte 8): a lone surrogate is no character"),
        (b"a,b\n1,\xed", "row 1, column 'b' (byte 6): 0xed is not UTF-8"),
        (b"a,b\n1,\xed\xa0", "row 1, column 'b' (byte 6): a lone surrogate is no character"),
        (b"a,b\n1,\xed\x9f\n", "row 1, column 'b' (byte 6): 0xed is not UTF-8"),
        (b"a,b\n1,\xc3\xa9\xff\n", "row 1, column 'b' (byte 8): 0xff is not UTF-8"),
    ],
    ids=[
        "empty",
        "blank-first-line",
        "blank-first-line-after-a-mark",
        "utf16",
        "gzip",
        "nul-in-header",
        "latin-in-header",
        "open-quote-in-header",
        "text-after-quote-in-header",
        "two-nuls",
        "nul-first",
        "nul-after-a-blank-line",
        "nul-beyond-the-columns",
        "latin-after-quotes",
        "surrogate",
        "cut-off",
        "surrogate-cut-off",
        "no-surrogate",
        "latin-after-utf8",
    ],
)
def test_the_whole_message_of_bytes_that_are_no_text(data: bytes, message: str, size: int) -> None:
    with pytest.raises(Malformed) as caught:
        inspect(pieces(data, size))
    assert str(caught.value) == message


def test_a_format_is_known_by_the_file_s_first_bytes_alone() -> None:
    assert inspect(pieces(b"a,b\nPK\x03\x04,2\n", 4)).lines == 2


def test_a_header_may_be_quoted_and_end_in_a_return() -> None:
    assert inspect([b'\xef\xbb\xbfa,"b, c"\r\n1,2\r\n']).header == ["a", "b, c"]
    assert inspect([b" a ,b \n"]).header == [" a ", "b "]


@pytest.mark.parametrize("row", [0, 2], ids=["header", "row"])
def test_a_line_may_be_just_as_long_as_allowed(row: int) -> None:
    lines = [b"a,b", b"1,2", b"3,4"]
    lines[row] = b"x," * (MAX_LINE // 2)
    assert inspect([b"\n".join(lines) + b"\n"]).lines == 3


def test_a_last_line_without_an_end_that_is_too_long_is_named() -> None:
    with pytest.raises(Malformed, match=r"^row 2 is longer than 1 MiB, the most a line may have$"):
        inspect([b"a,b\n1,2\n" + b"x" * (2 * MAX_LINE)])


def test_every_name_that_stands_twice_is_told() -> None:
    with pytest.raises(Malformed, match=r"^the header names 'a', 'b' twice$"):
        compare_header(["b", "a", "a", "b", "c"], ["a"])


def test_quotes_are_placed_by_their_row_under_the_header() -> None:
    check_quotes(['a,"b"\n', '"1\n', '2",3\n'])
    with pytest.raises(Malformed, match=r"^row 2: not CSV: ',' expected after"):
        check_quotes(["a,b\n", "1,2\n", '3,"4"5\n'])
