"""Forms with one file are accepted completely or refused, and leave no temporary file."""

import errno
import os
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from starlette import formparsers
from starlette.datastructures import UploadFile
from starlette.requests import ClientDisconnect, Request
from starlette.types import Message

from blog.errors import InvalidInput, MalformedInput, PayloadTooLarge, Unavailable, UnsupportedMedia
from blog.framework.request.uploads import read_upload
from blog.schemas.media import NewMedia

BOUNDARY = b"b0undary"
TYPE = "multipart/form-data; boundary=b0undary"
FILE = b"\r\n--b0undary\r\n\0 any bytes \xff"


@pytest.fixture(autouse=True)
def temporary_files(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tempfile.SpooledTemporaryFile[bytes]]]:
    """Return all temporary files of uploads, to check that each is closed, which removes it."""
    made: list[tempfile.SpooledTemporaryFile[bytes]] = []

    class Watched(tempfile.SpooledTemporaryFile[bytes]):
        def __init__(self, **options: Any) -> None:
            super().__init__(**options)
            made.append(self)

    monkeypatch.setattr(formparsers, "SpooledTemporaryFile", Watched)
    yield made
    assert all(file.closed for file in made)


def part(name: bytes, content: bytes, filename: bytes | None = None) -> bytes:
    named = b"" if filename is None else b'; filename="' + filename + b'"'
    return b'--b0undary\r\nContent-Disposition: form-data; name="' + name + b'"' + named + b"\r\n\r\n" + content + b"\r\n"


def form(*parts: bytes) -> bytes:
    return b"".join(parts) + b"--b0undary--\r\n"


IMAGE = part(b"file", b"content", b"a.png")


def request(
    body: bytes, kind: str | None = TYPE, *, piece: int = 1_000_000, length: int | None = None, leaves: bool = False
) -> Request:
    """Return a request with a body in pieces; with `leaves`, the client disconnects before the last piece."""
    pieces = [body[start : start + piece] for start in range(0, len(body), piece)] or [b""]
    messages = [{"type": "http.request", "body": content, "more_body": True} for content in pieces]
    messages[-1]["more_body"] = False
    if leaves:
        messages[-1] = {"type": "http.disconnect"}
    headers = [(b"content-type", kind.encode())] if kind is not None else []
    headers += [(b"content-length", str(length).encode())] if length is not None else []
    remaining = iter(messages)

    async def receive() -> Message:
        return next(remaining)

    return Request({"type": "http", "method": "POST", "path": "/", "headers": headers}, receive)


async def read(body: bytes, kind: str | None = TYPE, limit: int = 50_000, **options: Any) -> tuple[NewMedia, bytes]:
    async with read_upload(request(body, kind, **options), NewMedia, limit=limit) as (new, file):
        return new, file.content.read()


@pytest.mark.parametrize("piece", [1, 7, 1_000_000])
async def test_fields_become_the_model_and_the_file_is_readable(
    piece: int, temporary_files: list[tempfile.SpooledTemporaryFile[bytes]]
) -> None:
    body = form(part(b"alt", "Zwölf Boxkämpfer 🥊".encode()), part(b"file", FILE.replace(b"--", b"-"), b"a.png"))
    assert await read(body, piece=piece) == (NewMedia(alt="Zwölf Boxkämpfer 🥊"), FILE.replace(b"--", b"-"))
    assert len(temporary_files) == 1


async def test_text_fields_may_be_absent_or_after_the_file() -> None:
    assert await read(form(IMAGE)) == (NewMedia(alt=""), b"content")
    assert await read(form(IMAGE, part(b"alt", b"after"))) == (NewMedia(alt="after"), b"content")


@pytest.mark.parametrize("size", [0, 1, 1_048_576, 1_048_577])
async def test_files_of_any_size_are_complete(size: int) -> None:
    """Files above one megabyte are stored on disk."""
    content = os.urandom(size)
    assert (await read(form(part(b"file", content, b"a")), limit=2_000_000))[1] == content


async def test_temporary_file_is_removed_after_success_and_failure(
    temporary_files: list[tempfile.SpooledTemporaryFile[bytes]],
) -> None:
    with pytest.raises(ZeroDivisionError):
        async with read_upload(request(form(IMAGE)), NewMedia, limit=1_000) as (_, file):
            raise ZeroDivisionError(file.content.closed)
    assert len(temporary_files) == 1


@pytest.mark.parametrize(
    "name",
    [b"../../../etc/passwd", b"a\0.png", b"C:\\a.exe", b"", b"\xff\xfe", b"a" * 2_000, "ä🥊\u202egnp.exe".encode(), b"<script>"],
)
async def test_filename_is_ignored(name: Any) -> None:
    assert await read(form(part(b"file", b"content", name))) == (NewMedia(alt=""), b"content")


@pytest.mark.parametrize(
    "kind", [None, "", "application/json", "application/x-www-form-urlencoded", "multipart/mixed; boundary=b0undary", "image/png"]
)
async def test_other_bodies_are_unsupported_and_not_read(kind: str | None) -> None:
    sent = request(form(IMAGE), kind)
    with pytest.raises(UnsupportedMedia):
        async with read_upload(sent, NewMedia, limit=1_000):
            pass
    assert await sent.body() == form(IMAGE)


@pytest.mark.parametrize(
    "kind", ["Multipart/Form-Data; Boundary=b0undary", 'multipart/form-data;charset=utf-8; boundary="b0undary"']
)
async def test_content_type_is_parsed_by_the_standard(kind: str) -> None:
    assert (await read(form(IMAGE), kind))[1] == b"content"


async def test_truncated_form_is_malformed_at_any_position() -> None:
    body = form(part(b"alt", b"A"), IMAGE)
    for cut in range(len(body) - 2):
        with pytest.raises(MalformedInput):
            await read(body[:cut])
    assert (await read(body[:-2]))[1] == b"content", "the last line may lack its end"


async def test_data_after_the_form_is_ignored() -> None:
    assert (await read(form(IMAGE) + b"epilogue\r\n" + IMAGE))[1] == b"content"


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("multipart/form-data", form(IMAGE)),
        ("multipart/form-data; boundary=", form(IMAGE)),
        ("multipart/form-data; boundary=other", form(IMAGE)),
        (f"multipart/form-data; boundary={'b' * 5_000}", form(IMAGE)),
        (TYPE, b"no form"),
        (TYPE, b'--b0undary\r\nContent-Disposition: form-data; filename="a"\r\n\r\nx\r\n--b0undary--\r\n'),
        (TYPE, b"--b0undary\r\n\r\nx\r\n--b0undary--\r\n"),
        (TYPE, b"--b0undary\r\nContent Disposition\r\n\r\nx\r\n--b0undary--\r\n"),
        (TYPE, form(*(part(b"alt", b"A"),) * 11, IMAGE)),
        (TYPE, form(part(b"alt", b"A" * 16_385), IMAGE)),
        (TYPE, form(IMAGE, IMAGE)),
        (TYPE, form(IMAGE, part(b"second", b"content", b"b.png"))),
    ],
    ids=["no boundary", "empty boundary", "other boundary", "long boundary", "no form", "no name", "no header", "broken header",
         "many fields", "long field", "file twice", "two files"],
)  # fmt: skip
async def test_broken_forms_are_malformed(kind: Any, body: Any) -> None:
    with pytest.raises(MalformedInput):
        await read(body, kind)


@pytest.mark.parametrize("charset", ["utf-16", "idna", "undefined", "hex", "rot13", "no-such", "punycode", "unicode_escape"])
async def test_any_charset_is_handled(charset: str) -> None:
    for alt in (b"plain", b"\xff\\x", b"xn--\xc3"):
        try:
            new, content = await read(form(part(b"alt", alt), IMAGE), f"{TYPE}; charset={charset}")
            assert (type(new.alt), content) == (str, b"content")
        except (MalformedInput, InvalidInput):
            pass


@pytest.mark.parametrize(
    ("body", "place", "kind"),
    [
        (form(part(b"alt", b"A")), "file", "missing"),
        (b"--b0undary--\r\n", "file", "missing"),
        (form(part(b"file", b"text, no file")), "file", "missing"),
        (form(IMAGE, part(b"title", b"A")), "title", "extra_forbidden"),
        (form(part(b"picture", b"content", b"a.png")), "picture", "extra_forbidden"),
        (form(part(b"alt", b"content", b"a.png")), "alt", "string_type"),
        (form(IMAGE, part(b"alt", b"A"), part(b"alt", b"B")), "alt", "repeated"),
        (form(IMAGE, part(b"file", b"text")), "file", "repeated"),
        (form(part(b"file", b"text"), IMAGE), "file", "repeated"),
        (form(IMAGE, part(b"alt", b"A" * 501)), "alt", "too_long"),
        (form(IMAGE, part(b"alt", b"A\0")), "alt", "control_character"),
        (form(IMAGE, part(b"alt", b"A\nB")), "alt", "line_end"),
    ],
)
async def test_errors_name_their_field_without_its_value(body: Any, place: str, kind: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        await read(body)
    assert [(error.loc, error.type) for error in caught.value.errors] == [(("body", place), kind)]
    assert "content" not in str(caught.value)


# -- limits


async def test_body_limit_is_exact() -> None:
    body = form(IMAGE)
    variants: list[dict[str, Any]] = [{}, {"length": len(body)}, {"piece": 5}]
    for options in variants:
        assert (await read(body, limit=len(body), **options))[1] == b"content"
        with pytest.raises(PayloadTooLarge):
            await read(body, limit=len(body) - 1, **options)


@pytest.mark.parametrize("length", ["10001", "9" * 19, "9" * 5_000])
async def test_declared_length_above_the_limit_is_refused_unread(length: str) -> None:
    sent = request(form(IMAGE))
    sent.scope["headers"].append((b"content-length", length.encode()))
    with pytest.raises(PayloadTooLarge):
        async with read_upload(sent, NewMedia, limit=10_000):
            pass
    assert await sent.body() == form(IMAGE)


async def test_streamed_body_is_refused_at_the_limit(temporary_files: list[tempfile.SpooledTemporaryFile[bytes]]) -> None:
    body, received = form(part(b"file", bytes(100_000), b"a")), 0
    sent = request(body, piece=1_000, length=10)
    receive = sent.receive

    async def counting() -> Any:
        nonlocal received
        message = await receive()
        received += len(message["body"])
        return message

    with pytest.raises(PayloadTooLarge):
        async with read_upload(Request(sent.scope, counting), NewMedia, limit=5_000):
            pass
    assert received == 6_000
    assert len(temporary_files) == 1


# -- what goes wrong elsewhere


async def test_disconnect_leaves_no_temporary_file(temporary_files: list[tempfile.SpooledTemporaryFile[bytes]]) -> None:
    with pytest.raises(ClientDisconnect):
        await read(form(part(b"file", bytes(5_000), b"a")), piece=1_000, leaves=True)
    assert len(temporary_files) == 1


async def test_full_disk_is_a_server_error(
    monkeypatch: pytest.MonkeyPatch, temporary_files: list[tempfile.SpooledTemporaryFile[bytes]]
) -> None:
    async def full(self: Any, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(UploadFile, "write", full)
    with pytest.raises(Unavailable) as caught:
        await read(form(IMAGE))
    assert caught.value.retry_after == 60
    assert len(temporary_files) == 1
