"""Untrusted cursors, links, cookies, header fields and JSON are accepted or refused, without any other effect.

`BLOG_TEST_EXAMPLES=5000 pytest tests/fuzz` looks longer, and at other examples each time.
"""

import base64
import datetime as dt
import json
import math
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import SecretStr
from starlette.requests import Request

from blog.domain.core.events import Position
from blog.domain.core.signing import Purpose, Signer
from blog.errors import InvalidInput, MalformedInput, VersionConflict
from blog.framework.request.json_limits import MAX_JSON_DIGITS, check_value_count
from blog.framework.request.parsing import decode_json
from blog.framework.request.theme_cookie import theme_from_cookies
from blog.framework.response import conditional, pagination
from blog.framework.templating import content_encoding
from blog.realtime import replay
from blog.realtime.replay import Gap
from blog.web.rendering.redirects import safe_local_path
from tests.support.optional import unwrap

SIGNER = Signer(SecretStr("0123456789abcdefghijklmnopqrstuvwxyz"))
header_values = st.binary(max_size=60).filter(lambda value: not {*b"\r\n\0"} & {*value})
pieces = [
    '"',
    "W/",
    '"1.0"',
    "*",
    ",",
    " ",
    "q=",
    "0",
    ";",
    "gzip",
    "br",
    "zstd",
    "identity",
    "=",
    "-",
    "GMT",
    "Sun, 06 Nov 1994",
    "08:49:37",
]
fields = header_values | st.lists(st.sampled_from(pieces), max_size=12).map(lambda parts: "".join(parts).encode())


def request(**headers: bytes) -> Request:
    pairs = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    return Request({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": pairs})


@given(st.text() | st.binary().map(lambda sent: base64.urlsafe_b64encode(sent).decode()))
@example("W10")
@example("é")
def test_any_cursor_is_valid_or_refused(cursor: str) -> None:
    try:
        instant, number = unwrap(pagination.decode_cursor(cursor))
    except InvalidInput:
        return
    assert isinstance(instant, str)
    assert abs(number) < 2**63


@given(st.text(), st.integers(-(2**63) + 1, 2**63 - 1))
def test_encoded_cursor_is_decoded_unchanged(instant: str, number: int) -> None:
    assert pagination.decode_cursor(pagination.encode_cursor((instant, number))) == (instant, number)


@given(
    st.text() | st.builds("{}.{}".format, st.just("epoch") | st.text(max_size=3), st.integers() | st.text(max_size=4)),
    st.integers(0, 50),
)
def test_live_cursor_is_within_the_log_or_a_gap(after: str, number: int) -> None:
    try:
        assert 0 <= replay.cursor_id(after, Position("epoch", 50)) <= 50
    except Gap:
        assert after != f"epoch.{number}"


@given(st.text(), st.sampled_from(Purpose))
def test_untrusted_text_has_no_valid_signature(text: str, purpose: Purpose) -> None:
    assert SIGNER.unsign(purpose, text, 60) is None


@given(st.data(), st.sampled_from(Purpose), st.sampled_from(Purpose))
def test_signed_text_is_valid_unchanged_and_for_its_purpose(data: st.DataObject, made_for: Purpose, used_for: Purpose) -> None:
    signed = SIGNER.sign(made_for, ["ada", 7])
    assert (SIGNER.unsign(used_for, signed, 60) == ["ada", 7]) is (made_for is used_for)
    place = data.draw(st.integers(0, len(signed) - 1))
    other = data.draw(st.characters(min_codepoint=33, max_codepoint=126).filter(lambda char: char != signed[place]))
    changed = SIGNER.unsign(made_for, signed[:place] + other + signed[place + 1 :], 60)
    # The last character of a group in base64 has bits that mean nothing: such a text is the same one, written otherwise.
    assert changed in (None, ["ada", 7])
    assert SIGNER.unsign(made_for, signed[:place], 60) is None


@given(fields)
def test_any_accept_encoding_selects_a_supported_encoding_or_none(sent: Any) -> None:
    assert content_encoding.negotiate(sent) in {None, *content_encoding.ENCODERS}


@given(fields, st.sampled_from([b'"3.12"', b'W/"abc"', b'"x-gzip"']))
def test_any_if_none_match_is_compared(sent: Any, tag: Any) -> None:
    assert conditional.etag_matches(tag, sent) in (True, False)
    assert conditional.etag_matches(tag, tag)
    assert conditional.etag_matches(tag, b'"other", ' + tag + b" , " + sent)


@given(fields)
def test_any_if_modified_since_is_a_date_or_nothing(sent: Any) -> None:
    modified = dt.datetime(2026, 5, 1, tzinfo=dt.UTC)
    assert conditional.is_not_modified_since(request(if_modified_since=sent), modified) in (True, False)


@pytest.mark.parametrize(
    "sent", [b"Sun, 06 Nov 99999 08:49:37 GMT", b"Sun, 06 Nov 1994 08:49:37 -9999", b"1 1 1 1:1:1 +99999999999"]
)
def test_invalid_date_is_none(sent: bytes) -> None:
    assert not conditional.is_not_modified_since(request(if_modified_since=sent), dt.datetime(2026, 5, 1, tzinfo=dt.UTC))


@given(fields)
def test_any_if_match_is_a_set_of_versions_or_stale(sent: Any) -> None:
    try:
        versions = conditional.if_match_versions(request(if_match=sent))
    except VersionConflict:
        return
    assert versions is None or all(0 <= version < 10**9 for version in versions)


@given(st.text() | st.builds("theme={}".format, st.text(max_size=8)))
def test_any_cookie_is_a_theme(sent: Any) -> None:
    assert theme_from_cookies(sent).value in ("", "auto", "light", "dark")


@given(st.text() | st.builds("/{}".format, st.text(alphabet="/\\.@:%?#\t\n a")))
def test_next_page_is_one_of_this_site(path: str) -> None:
    kept = safe_local_path(path)
    assert kept in ("", path)
    if kept:
        assert kept.startswith("/")
        assert kept[1:2] not in ("/", "\\")
        assert kept.isascii()
        assert kept.isprintable()


# -- JSON

numbers = st.integers(-(10**MAX_JSON_DIGITS) + 1, 10**MAX_JSON_DIGITS - 1) | st.floats(-1e39, 1e39)
scalars = st.none() | st.booleans() | numbers | st.text(alphabet=st.characters(exclude_categories=["Cs"]))
names = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)
documents = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(names, inner), max_leaves=30)


@given(documents)
def test_json_within_the_limits_is_decoded_unchanged(value: Any) -> None:
    assert decode_json(json.dumps(value)) == value
    assert decode_json(json.dumps(value, ensure_ascii=False).encode()) == value


@given(documents)
@example('\\",[,"' * 3)
def test_value_count_before_decoding_is_at_most_the_real_count(value: Any) -> None:
    count = values_in(value)
    check_value_count(json.dumps(value).encode(), count)


def values_in(value: Any) -> int:
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return 1 + sum(map(values_in, inner))


@pytest.mark.parametrize("body", ['"' * 1_000_001, '"' + '\\"' * 500_000, '"' + '\\"' * 500_000 + "\\"], ids=len)
def test_unterminated_text_is_refused_quickly(body: str) -> None:
    with pytest.raises(MalformedInput, match="more than 1000 values"):
        decode_json("," * 1_000 + body)  # with fewer commas it would not be looked through


def test_commas_in_a_text_are_not_counted_as_values() -> None:
    text = 'a, \\ "b", ' * 2_000
    assert decode_json(json.dumps({"content": text})) == {"content": text}


marks = st.lists(
    st.sampled_from(["[", "]", "{", "}", '"a":', '"', ",", "1", "-", "1e9", "1e999", "9" * 45, "\\u", "d800", "null", "NaN"]),
    max_size=80,
)


@given(st.binary() | st.text() | marks.map("".join) | marks.map(lambda parts: "".join(parts).encode()))
def test_any_bytes_are_json_or_malformed(body: Any) -> None:
    try:
        value = decode_json(body)
    except MalformedInput:
        return
    json.dumps(value, allow_nan=False).encode()


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("[" * 33 + "]" * 33, "deeper than 32"),
        ('{"a":' * 33 + "1" + "}" * 33, "deeper than 32"),
        ("[" + "0," * 1_000 + "0]", "more than 1000 values"),
        ("{" + ",".join(f'"{n}":[]' for n in range(1_000)) + "}", "more than 1000 values"),
        ("[" + ",".join(["[0,0]"] * 400) + "]", "more than 1000 values"),
        ("[" * 100_000, "not JSON"),
        ('{"a":' * 100_000, "not JSON"),
        ("9" * 41, "more than 40 digits"),
        ("-" + "9" * 41, "more than 40 digits"),
        ("9" * 4_300, "more than 40 digits"),
        ("9" * 100_000, "not JSON"),
        ("[1e999]", "more than 40 digits"),
        ("[[-1e999]]", "more than 40 digits"),
        ("1e40", "more than 40 digits"),
        ('{"' + "a" * 201 + '": 1}', "longer than 200"),
    ],
    ids=lambda value: value[:12],
)
@pytest.mark.parametrize("read", [str, str.encode])
def test_json_above_the_limits_is_malformed_with_a_reason(body: str, said: str, read: Any) -> None:
    with pytest.raises(MalformedInput, match=said):
        decode_json(read(body))


@pytest.mark.parametrize(
    "body", ["[" * 32 + "]" * 32, "[" + "0," * 998 + "0]", "9" * 40, "1e39", "-" + "9" * 40, "1e-999", '{"' + "a" * 200 + '": 1}']
)
def test_json_at_the_limits_is_accepted(body: str) -> None:
    value = decode_json(body)
    assert not isinstance(value, float) or math.isfinite(value)
