"""Which places a project may name: every trick that makes one URL look like another."""

import pytest

from mlcycle.domain.allowed import entries, match, parse

ALLOWED = (
    "https://exports.example/flights, s3://bucket/raw file:///data/exports https://*.internal.example:8443"
)

INSIDE = [
    "https://exports.example/flights",
    "https://exports.example/flights/2013",
    "https://exports.example:443/flights",
    "s3://bucket/raw/2013",
    "file:///data/exports",
    "file:///data/exports/2013 a",
    "https://a.internal.example:8443/x",
    "https://a.b.internal.example:8443",
]
OUTSIDE = {
    "another host": "https://evil.example/flights",
    "another scheme": "http://exports.example/flights",
    "another port": "https://exports.example:8443/flights",
    "another folder": "https://exports.example/other",
    "a folder that begins alike": "https://exports.example/flights-of-others",
    "a host that begins alike": "https://exports.example.evil.example/flights",
    "a host that ends alike": "https://evilexports.example/flights",
    "another bucket": "s3://bucket-of-others/raw",
    "the machine's files": "file:///etc",
    "a folder beside": "file:///data/exports-of-others",
    "a wildcard's own name": "https://internal.example:8443",
    "a wildcard's name as a part": "https://xinternal.example:8443",
    "a cloud's credentials": "http://169.254.169.254/latest",
}
NO_PLACE = {
    "a user": "https://exports.example@evil.example/flights",
    "a password": "https://user:pw@exports.example/flights",
    "a query": "https://exports.example/flights?x=",
    "a bare query": "https://exports.example?/flights",
    "a fragment": "https://exports.example/flights#",
    "a backslash": "https://exports.example\\@evil.example/flights",
    "a way up": "https://exports.example/flights/../secret",
    "a way up, encoded": "https://exports.example/flights/%2e%2e/secret",
    "a way up, half encoded": "file:///data/exports/.%2E/secret",
    "a way up, encoded twice": "https://exports.example/flights/%252e%252e/secret",
    "a slash, encoded": "https://exports.example/flights%2f..%2fsecret",
    "a chain": "zip::https://exports.example/flights",
    "a chain with a cache": "simplecache::https://exports.example/flights",
    "a chain behind": "https://exports.example/flights::file:///etc/passwd",
    "a wrapper": "filecache://exports.example/flights",
    "this machine by another name": "local:///data/exports",
    "data in the URL": "data://x",
    "no scheme": "/data/exports",
    "a host for a file": "file://data/exports",
    "capitals": "HTTPS://exports.example/flights",
    "a decimal address": "https://2130706433/flights",
    "a short address": "https://127.1/flights",
    "a hexadecimal address": "https://0x7f.0.0.1/flights",
    "an octal address": "https://0177.0.0.1/flights",
    "a number too high": "https://256.0.0.1/flights",
    "letters that look alike": "https://exports.ex\u0430mple/flights",
    "dots that look alike": "https://exports。example/flights",
    "two dots": "https://exports..example/flights",
    "a last dot": "https://exports.example./flights",
    "no host": "https:///flights",
    "an open bracket": "https://[::1/flights",
    "a name in brackets": "https://[exports.example]/flights",
    "a port that is none": "https://exports.example:99999/flights",
    "a port with a user": "https://exports.example:443@evil.example/flights",
    "a line break": "https://exports.example/flights\n",
    "a tab": "https://exports\t.example/flights",
    "a space in the host": "https://exports.example /flights",
    "nothing": "",
}


@pytest.mark.parametrize("url", INSIDE)
def test_what_is_listed_and_what_lies_below_is_allowed(url: str) -> None:
    assert match(parse(url), entries(ALLOWED))


@pytest.mark.parametrize("case", OUTSIDE)
def test_a_place_beside_is_not(case: str) -> None:
    place = parse(OUTSIDE[case])
    assert not match(place, entries(ALLOWED))
    assert not match(place, entries(""))
    assert match(place, entries("*"))


@pytest.mark.parametrize("case", NO_PLACE)
def test_what_can_be_read_in_two_ways_is_no_place_even_where_everything_is_allowed(case: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        parse(NO_PLACE[case])
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["169.254.169.254", "[fe80::1]", "[::ffff:169.254.169.254]"])
def test_a_wildcard_never_means_a_machine_s_own_credentials(host: str) -> None:
    place = parse(f"http://{host}/latest")
    assert not match(place, entries("http://*"))
    assert match(place, entries(f"http://{host}"))


def test_one_address_written_in_two_ways_is_one() -> None:
    assert match(parse("http://[0:0::1]/x"), entries("http://[::1]"))


def test_a_webhook_may_have_a_query_and_an_account_its_container() -> None:
    assert parse("https://hooks.example/x?token=1", query=True).path == "/x"
    assert match(parse("abfs://raw@account.dfs.example/x"), entries("abfs://raw@account.dfs.example"))
    assert not match(parse("abfs://other@account.dfs.example/x"), entries("abfs://raw@account.dfs.example"))


@pytest.mark.parametrize("entry", ["exports.example", "https://exports.example?x", "https://ex*.example"])
def test_a_wrong_entry_is_named(entry: str) -> None:
    with pytest.raises(ValueError) as caught:
        entries(f"* {entry}")
    assert repr(entry) in str(caught.value)
