"""The guarded HTTP client: it reaches public addresses only, and bounds time and size."""

import asyncio
import contextlib
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import anyio
import httpcore
import pytest

from blog.delivery import transport
from blog.delivery.http_client import HttpClient, Limits, OutgoingResponse, resolve
from blog.delivery.transport import OutgoingRequestError, OutgoingTimeoutError
from blog.observability.logging import correlation_id
from blog.settings import Settings
from tests.delivery.test_addresses import REFUSED_ADDRESSES
from tests.support.optional import unwrap

pytestmark = pytest.mark.sqlite
Handler = Callable[[str, asyncio.StreamWriter], Awaitable[None]]
OK = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\nok"
ANY_PORT = Limits(any_port=True, timeout=5)
NOT_PUBLIC = "The address is not on the public Internet."


@pytest.fixture
def closed(settings: Settings) -> HttpClient:
    """Return a client with the default settings."""
    return HttpClient(settings)


@pytest.fixture
def client(settings: Settings) -> HttpClient:
    """Return a client that may reach the servers of these tests, whatever their name."""
    return HttpClient(settings.model_copy(update={"outgoing_allow_private": True}), resolver=answer(["127.0.0.1"]))


def answer(*answers: Sequence[str]) -> Callable[[str, int], Awaitable[Sequence[str]]]:
    """Return a resolver with one answer per call; the last one is repeated."""
    remaining = list(answers)

    async def resolver(host: str, port: int) -> Sequence[str]:
        return remaining.pop(0) if len(remaining) > 1 else remaining[0]

    return resolver


@contextlib.asynccontextmanager
async def serving(respond: bytes | Handler, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, list[str]]]:
    """Serve one response, or what a handler writes. Yield the port and the requests."""
    requests: list[str] = []
    tasks = set[asyncio.Task[Any]]()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(unwrap(asyncio.current_task()))
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            length = int(head.lower().partition("content-length: ")[2].partition("\r\n")[0] or 0)
            requests.append(head + (await reader.readexactly(length)).decode())
            if isinstance(respond, bytes):
                writer.write(respond)
            else:
                await respond(head, writer)
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield server.sockets[0].getsockname()[1], requests
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def reply(headers: str, body: bytes = b"", status: str = "200 OK") -> bytes:
    return f"HTTP/1.1 {status}\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


async def refusal(pending: Awaitable[OutgoingResponse]) -> str:
    with pytest.raises(OutgoingRequestError) as caught:
        await pending
    return str(caught.value)


# Addresses


@pytest.mark.parametrize("address", [each for each in REFUSED_ADDRESSES if "." in each or ":" in each])
async def test_no_request_reaches_an_address_that_is_not_public(settings: Settings, address: str) -> None:
    named = HttpClient(settings, resolver=answer([address]))
    host = f"[{address}]" if ":" in address else address

    assert await refusal(named.get("http://blog.example/", Limits())) == NOT_PUBLIC
    assert await refusal(named.get(f"http://{host}/", Limits())) in (NOT_PUBLIC, "Not a web address. It begins with http:// or "
        "https://, and has at most 2,048 characters.")  # fmt: skip


PRIVATE = [
    "http://127.0.0.1/", "http://2130706433/", "http://0x7f000001/", "http://017700000001/", "http://0177.0.0.1/",
    "http://127.1/", "http://localhost/", "http://localhost./", "http://a.localhost/", "http://[::1]/",
    "http://[::ffff:127.0.0.1]/", "http://[::ffff:7f00:1]/", "http://169.254.169.254/latest/meta-data/",
    "http://metadata.google.internal/", "http://①②⑦.⓪.⓪.①/", "http://127。0。0。1/", "http://ｌｏｃａｌｈｏｓｔ/", "http://0/",
    "http://redis/",
]  # fmt: skip


@pytest.mark.parametrize("url", PRIVATE)
async def test_forms_of_private_addresses_are_refused(closed: HttpClient, url: str) -> None:
    async with serving(OK) as (port, requests):
        assert await refusal(closed.get(url, Limits()))
        with_port = url.rstrip("/").partition("/latest")[0] + f":{port}/"
        assert await refusal(closed.get(with_port, ANY_PORT))
    assert requests == []


NOT_REQUESTED = [
    "ftp://example.org/", "file:///etc/passwd", "gopher://example.org/", "//example.org/", "example.org", "", "http://",
    "http:///x", "http://user:password@example.org/", "http://user@example.org/", "http://example.org:22/",
    "http://example.org:0/", "http://example.org:99999/", "http://exa mple.org/", "http://example.org\r\nX: y/",
    "http://" + "a" * 3000 + ".org/",
]  # fmt: skip


@pytest.mark.parametrize("url", NOT_REQUESTED)
async def test_other_addresses_are_refused_without_a_lookup(settings: Settings, url: str) -> None:
    async def no_lookup(host: str, port: int) -> Sequence[str]:
        raise AssertionError(host)

    assert await refusal(HttpClient(settings, resolver=no_lookup).get(url, Limits()))


async def test_one_private_address_among_public_ones_refuses_the_host(settings: Settings) -> None:
    mixed = HttpClient(settings, resolver=answer(["93.184.216.34", "10.0.0.1"]))

    assert await refusal(mixed.get("http://blog.example/", Limits())) == NOT_PUBLIC


async def test_host_without_address_is_named(settings: Settings) -> None:
    nowhere = HttpClient(settings, resolver=answer([]))

    assert await refusal(nowhere.get("http://blog.example/", Limits())) == "The host of the address does not exist."


async def test_name_that_changes_its_address_is_looked_up_once(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the first answer is accepted, the second would be the attacker's choice."""
    monkeypatch.setattr(transport, "is_public", lambda address: address == "127.0.0.1")
    monkeypatch.setattr(socket, "getaddrinfo", None)
    rebinding = HttpClient(settings, resolver=answer(["127.0.0.1"], ["127.0.0.2"]))
    async with serving(OK) as (port, requests):
        url = f"http://blog.example:{port}/"
        assert (await rebinding.get(url, ANY_PORT)).body == b"ok"
        assert await refusal(rebinding.get(url, ANY_PORT)) == NOT_PUBLIC
    assert [line for line in requests[0].splitlines() if line.startswith("Host")] == [f"Host: blog.example:{port}"]


async def test_the_next_address_is_used_if_one_does_not_answer(settings: Settings) -> None:
    private = settings.model_copy(update={"outgoing_allow_private": True})
    async with serving(OK) as (port, _):
        two = HttpClient(private, resolver=answer(["127.0.0.2", "127.0.0.1"]))
        assert (await two.get(f"http://blog.example:{port}/", ANY_PORT)).status == 200


async def test_the_operating_system_resolves_names() -> None:
    assert "127.0.0.1" in await resolve("127.0.0.1", 80)


# Redirects


async def test_redirects_are_responses_unless_followed(client: HttpClient) -> None:
    async with serving(reply("Location: /b", status="302 Found")) as (port, requests):
        response = await client.get(f"http://blog.example:{port}/a", ANY_PORT)
        assert (response.status, response.headers["location"], len(requests)) == (302, "/b", 1)
        following = Limits(any_port=True, max_redirects=3)
        assert await refusal(client.get(f"http://blog.example:{port}/a", following)) == "The address redirects more than 3 times."
    assert len(requests) == 5


async def test_each_hop_is_checked(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transport, "is_public", lambda address: address == "127.0.0.1")
    names = {"blog.example": ["127.0.0.1"], "inside.example": ["127.0.0.2"]}

    async def resolver(host: str, port: int) -> Sequence[str]:
        return names[host]

    targets = iter(
        ["http://blog.example:{port}/2", "http://inside.example:{port}/", "http://127.0.0.1:{port}/", "file:///etc/passwd"]
    )

    async def respond(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(reply(f"Location: {next(targets).format(port=port)}", status="301 Moved"))

    checking = HttpClient(settings, resolver=resolver)
    async with serving(respond) as (port, requests):
        for _ in range(3):
            assert await refusal(checking.get(f"http://blog.example:{port}/", Limits(any_port=True, max_redirects=5)))
    assert len(requests) == 4


async def test_redirects_lead_to_the_end(client: HttpClient) -> None:
    async def respond(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(OK if head.startswith("GET /end") else reply("Location: /end#part", status="307 Temporary"))

    async with serving(respond) as (port, _):
        response = await client.get(f"http://blog.example:{port}/", Limits(any_port=True, max_redirects=1))
    assert (response.url, response.body) == (f"http://blog.example:{port}/end", b"ok")


async def test_post_follows_no_redirect(client: HttpClient) -> None:
    async with serving(reply("Location: /b", status="307 Temporary")) as (port, requests):
        limits = Limits(any_port=True, max_redirects=3)
        response = await client.post(f"http://blog.example:{port}/", b"{}", {"Content-Type": "application/json"}, limits)
    assert (response.status, len(requests)) == (307, 1)
    assert requests[0].endswith("\r\n\r\n{}")
    assert "Content-Type: application/json" in requests[0]


# Time, size and type


def test_timeouts_of_connections_are_distinguished_from_other_errors() -> None:
    assert isinstance(transport.connection_error(httpcore.ConnectTimeout()), OutgoingTimeoutError)
    assert not isinstance(transport.connection_error(httpcore.ConnectError()), OutgoingTimeoutError)


async def test_slow_body_ends_with_the_time(client: HttpClient) -> None:
    async def respond(head: str, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b".")
            await writer.drain()
            await asyncio.sleep(0.05)

    async with serving(respond) as (port, _):
        with anyio.fail_after(10):
            message = await refusal(client.get(f"http://blog.example:{port}/", Limits(any_port=True, timeout=0.5)))
    assert message == "The server did not respond completely within 0.5 seconds."


async def test_silent_server_and_slow_lookup_end_with_the_time(client: HttpClient, settings: Settings) -> None:
    async def silent(head: str, writer: asyncio.StreamWriter) -> None:
        await asyncio.sleep(5)

    async def slow(host: str, port: int) -> Sequence[str]:
        await asyncio.sleep(60)
        return []

    limits = Limits(any_port=True, timeout=0.3)
    async with serving(silent) as (port, _):
        assert "within 0.3 seconds" in await refusal(client.get(f"http://blog.example:{port}/", limits))
    assert "within 0.3 seconds" in await refusal(HttpClient(settings, resolver=slow).get("http://blog.example/", limits))


@pytest.mark.parametrize("truncate", [False, True])
async def test_endless_body_is_cut_or_refused(client: HttpClient, truncate: bool) -> None:
    sent = 0

    async def respond(head: str, writer: asyncio.StreamWriter) -> None:
        nonlocal sent
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
            sent += 10_000
            await writer.drain()

    limits = Limits(any_port=True, max_bytes=50_000, truncate=truncate)
    async with serving(respond) as (port, _):
        request = client.get(f"http://blog.example:{port}/", limits)
        if truncate:
            assert (await request).body == b"x" * 50_000
        else:
            assert await refusal(request) == "The response has more than 50,000 bytes."
    assert sent < 20_000_000


async def test_compressed_body_is_limited_after_decompression(client: HttpClient) -> None:
    bomb = gzip.compress(b"\0" * 50_000_000)
    async with serving(reply("Content-Encoding: gzip", bomb)) as (port, _):
        url = f"http://blog.example:{port}/"
        assert await refusal(client.get(url, ANY_PORT)) == "The response has more than 1,000,000 bytes."
        assert len((await client.get(url, Limits(any_port=True, truncate=True))).body) == 1_000_000
    async with serving(reply("Content-Encoding: gzip", gzip.compress(b"a small one"))) as (port, requests):
        assert (await client.get(f"http://blog.example:{port}/", ANY_PORT)).body == b"a small one"
    assert "Accept-Encoding: gzip\r\n" in requests[0]


@pytest.mark.parametrize("coding", ["gzip, gzip", "br", "deflate", "gzip"])
async def test_other_and_invalid_compression_is_refused(client: HttpClient, coding: str) -> None:
    async with serving(reply(f"Content-Encoding: {coding}", b"not compressed")) as (port, _):
        assert "compression" in await refusal(client.get(f"http://blog.example:{port}/", ANY_PORT))


async def test_wrong_type_is_refused_before_the_body(client: HttpClient) -> None:
    limits = Limits(any_port=True, content_types=frozenset({"text/html"}))
    async with serving(reply("Content-Type: application/zip", b"x" * 100)) as (port, _):
        message = await refusal(client.get(f"http://blog.example:{port}/", limits))
        assert message == "The address has the wrong type of content. Expected: text/html."
    async with serving(reply("Content-Type: Text/HTML; charset=utf-8", b"x")) as (port, _):
        assert (await client.get(f"http://blog.example:{port}/", limits)).content_type == "text/html"


@pytest.mark.parametrize(
    "response", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 50_000, b"HTTP/1.1 200 OK\r\nA"]
)
async def test_invalid_responses_are_errors(client: HttpClient, response: bytes) -> None:
    async with serving(response) as (port, _):
        message = await refusal(client.get(f"http://blog.example:{port}/", ANY_PORT))
    assert message == "The server could not be reached, or its response is invalid."


# Requests


async def test_requests_name_the_blog_and_the_correlation_id_and_nothing_else(
    client: HttpClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    token = correlation_id.set("the-id")
    try:
        async with serving(reply("Set-Cookie: a=b")) as (port, requests):
            for _ in range(2):
                await client.get(f"http://blog.example:{port}/a?b=c#d", ANY_PORT)
    finally:
        correlation_id.reset(token)
    assert requests[0] == requests[1], "cookies are not stored"
    lines = dict(line.split(": ", 1) for line in requests[0].strip().splitlines()[1:])
    assert requests[0].startswith("GET /a?b=c HTTP/1.1\r\n")
    assert lines.pop("User-Agent").startswith("starlette-blog/")
    assert lines.pop("X-Correlation-ID") == "the-id"
    assert set(lines) == {"Host", "Accept", "Accept-Encoding", "Connection"}


async def test_tls_names_and_checks_the_host_of_the_url(
    client: HttpClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    names_and_files = ("-addext", "subjectAltName=DNS:blog.example", "-keyout", str(key), "-out", str(certificate))
    command = ("openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=blog.example", *names_and_files)
    await anyio.run_process(command)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    names: list[Any] = []
    server.sni_callback = lambda _socket, name, _context: names.append(name)
    async with serving(OK, server) as (port, _):
        assert await refusal(client.get(f"https://blog.example:{port}/", ANY_PORT)), "the certificate is not trusted"
        monkeypatch.setattr(transport, "_ssl_context", lambda: ssl.create_default_context(cafile=certificate))
        assert (await client.get(f"https://blog.example:{port}/", ANY_PORT)).body == b"ok"
        assert await refusal(client.get(f"https://other.example:{port}/", ANY_PORT)), "the certificate is for another host"
    assert names == ["blog.example", "blog.example", "other.example"]
