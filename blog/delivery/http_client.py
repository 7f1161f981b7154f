"""The HTTP client for addresses that users enter. It reaches public addresses only, and bounds time and size.

A host is looked up once, when its connection is made: all its addresses must be public, and the connection goes to one of the
addresses that were checked. A name that resolves to another address a moment later changes nothing.
"""

import contextlib
import socket
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final
from urllib.parse import urljoin

import anyio
import httpx

from blog import __version__
from blog.delivery.addresses import is_public_host
from blog.delivery.body import read_body
from blog.delivery.transport import (
    CONNECTION_ERRORS,
    GuardedTransport,
    OutgoingRequestError,
    OutgoingTimeoutError,
    Resolver,
    connection_error,
)
from blog.observability.logging import correlation_id
from blog.settings import Settings

_DEFAULT_PORTS: Final = frozenset({None, 80, 443})
_MAX_URL_LENGTH: Final = 2048
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})


@dataclass(frozen=True, slots=True)
class Limits:
    """The cost of a request, and the responses that it accepts.

    - `connect_timeout`, `timeout`: seconds, the second one for the request as a whole.
    - `max_bytes`: size of the response body, also decompressed. With `truncate` a longer body is cut; otherwise it is an error.
    - `content_types`: accepted media types of successful responses; empty: any.
    - `max_redirects`: redirects to follow; 0: a redirect is the response.
    - `any_port`: also ports other than 80 and 443.
    """

    connect_timeout: float = 5.0
    timeout: float = 10.0
    max_bytes: int = 1_000_000
    truncate: bool = False
    content_types: frozenset[str] = frozenset()
    max_redirects: int = 0
    any_port: bool = False


@dataclass(frozen=True, slots=True)
class OutgoingResponse:
    """A response with its decompressed body. `url` is the address of the last request, after redirects."""

    url: str
    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        """The media type, in lower case and without parameters."""
        return _media_type(self.headers)


async def resolve(host: str, port: int) -> Sequence[str]:
    """Return the IP addresses of a host, as the operating system finds them."""
    found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return [str(address[4][0]) for address in found]


class HttpClient:
    """Sends requests to addresses that users enter.

    - `settings`: `OUTGOING_ALLOW_PRIVATE` permits all addresses, and `PUBLIC_URL` is part of the user agent.
    - `resolver`: looks up a host.
    """

    def __init__(self, settings: Settings, *, resolver: Resolver = resolve) -> None:
        self._allow_private, self._resolver = settings.outgoing_allow_private, resolver
        self._user_agent = f"starlette-blog/{__version__} (+{settings.public_url})"

    async def get(self, url: str, limits: Limits) -> OutgoingResponse:
        """Send GET, and follow redirects within the limits. Raises OutgoingRequestError."""
        with _deadline(limits):
            response = await self._send("GET", url, limits, {}, b"")
            for _ in range(limits.max_redirects):
                if response.status not in _REDIRECTS:
                    return response
                response = await self._send("GET", _redirect_target(response), limits, {}, b"")
        if limits.max_redirects and response.status in _REDIRECTS:
            raise OutgoingRequestError(f"The address redirects more than {limits.max_redirects} times.")
        return response

    async def post(self, url: str, content: bytes, headers: Mapping[str, str], limits: Limits) -> OutgoingResponse:
        """Send POST. A redirect is the response. Raises OutgoingRequestError."""
        with _deadline(limits):
            return await self._send("POST", url, replace(limits, max_redirects=0), headers, content)

    async def _send(self, method: str, url: str, limits: Limits, headers: Mapping[str, str], content: bytes) -> OutgoingResponse:
        address = self._checked_url(url, limits)
        own = {"User-Agent": self._user_agent, "Accept": "*/*", "Accept-Encoding": "gzip", "Connection": "close"}
        if identifier := correlation_id.get():
            own["X-Correlation-ID"] = identifier
        request = httpx.Request(method, address, headers={**own, **headers}, content=content or None)
        request.extensions["timeout"] = {"connect": limits.connect_timeout, "read": limits.timeout, "write": limits.timeout}
        try:
            async with GuardedTransport(self._resolver, allow_private=self._allow_private) as transport:
                response = await transport.handle_async_request(request)
                _check_content_type(response, limits)
                is_redirect = response.status_code in _REDIRECTS
                body = b"" if is_redirect else await read_body(response, limits.max_bytes, truncate=limits.truncate)
        except CONNECTION_ERRORS as error:
            raise connection_error(error) from error
        return OutgoingResponse(str(address), response.status_code, response.headers, body)

    def _checked_url(self, url: str, limits: Limits) -> httpx.URL:
        try:
            address = httpx.URL(url if len(url) <= _MAX_URL_LENGTH else "")
        except httpx.InvalidURL:
            address = httpx.URL("")
        if address.scheme not in ("http", "https") or not address.host:
            raise OutgoingRequestError("Not a web address. It begins with http:// or https://, and has at most 2,048 characters.")
        if address.userinfo:
            raise OutgoingRequestError("The address contains a user name or a password. Remove it.")
        if not limits.any_port and address.port not in _DEFAULT_PORTS:
            raise OutgoingRequestError("The address has a port other than 80 and 443.")
        if not self._allow_private and not is_public_host(address.raw_host.decode()):
            raise OutgoingRequestError("The address is not on the public Internet.")
        return address.copy_with(fragment=None)


@contextlib.contextmanager
def _deadline(limits: Limits) -> Iterator[None]:
    """Raise OutgoingTimeoutError if the block takes longer than the limit."""
    try:
        with anyio.fail_after(limits.timeout):
            yield
    except TimeoutError:
        raise OutgoingTimeoutError(f"The server did not respond completely within {limits.timeout:g} seconds.") from None


def _redirect_target(response: OutgoingResponse) -> str:
    location: str = response.headers.get("location", "")
    target = urljoin(response.url, location)
    if response.url.startswith("https:") and not target.startswith("https:"):
        raise OutgoingRequestError("The address redirects from https to an address without TLS.")
    return target


def _check_content_type(response: httpx.Response, limits: Limits) -> None:
    if limits.content_types and response.is_success and _media_type(response.headers) not in limits.content_types:
        raise OutgoingRequestError(
            f"The address has the wrong type of content. Expected: {', '.join(sorted(limits.content_types))}."
        )


def _media_type(headers: httpx.Headers) -> str:
    value: str = headers.get("content-type", "")
    return value.partition(";")[0].strip().lower()
