"""The connections of outgoing requests: each goes to an address that was checked, without a proxy and without reuse."""

import functools
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from types import TracebackType
from typing import Final

import httpcore
import httpx

from blog.delivery.addresses import is_public

Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Returns the IP addresses of a host."""
CONNECTION_ERRORS: Final = (
    *(httpcore.NetworkError, httpcore.ProtocolError, httpcore.TimeoutException, httpcore.UnsupportedProtocol),
    OSError,
    UnicodeError,  # a host name that IDNA cannot encode
)
"""The errors of a request that could not be sent or answered."""
_MAX_ATTEMPTS: Final = 3


class OutgoingRequestError(Exception):
    """An outgoing request was refused or failed. The message is for the user that entered the address."""


class OutgoingTimeoutError(OutgoingRequestError):
    """The other server did not respond in time."""


def connection_error(error: Exception) -> OutgoingRequestError:
    """Return the error for the user of one of CONNECTION_ERRORS."""
    if isinstance(error, httpcore.TimeoutException):
        return OutgoingTimeoutError("The server did not respond in time.")
    return OutgoingRequestError("The server could not be reached, or its response is invalid.")


class GuardedTransport(httpx.AsyncBaseTransport):
    """An HTTP/1.1 transport for one request, with the checks of `_GuardedBackend`."""

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=_ssl_context(),
            max_connections=1,
            max_keepalive_connections=0,
            network_backend=_GuardedBackend(resolver, allow_private=allow_private),
        )

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None = None,
        exc_value: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        """Close the connection."""
        await self._pool.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request. The body of the response must be read before the transport is closed."""
        url, stream = request.url, request.stream
        assert isinstance(stream, httpx.AsyncByteStream)  # noqa: S101 (httpx makes one for bytes)
        response = await self._pool.handle_async_request(
            httpcore.Request(
                method=request.method,
                url=httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path),
                headers=request.headers.raw,
                content=stream,
                extensions=request.extensions,
            )
        )
        return httpx.Response(response.status, headers=response.headers, stream=_Body(response))


class _Body(httpx.AsyncByteStream):
    """The body of a response, as the server sends it."""

    def __init__(self, response: httpcore.Response) -> None:
        self._response = response

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._response.aiter_stream():
            yield chunk

    async def aclose(self) -> None:
        """Close the connection, also in the middle of the body."""
        await self._response.aclose()


class _GuardedBackend(httpcore.AsyncNetworkBackend):
    """Looks a host up, refuses it unless all its addresses are public, and connects to one of these.

    TLS is negotiated afterwards by httpcore, with the host name of the URL: it is in SNI, and the certificate must contain it.
    """

    def __init__(self, resolver: Resolver, *, allow_private: bool) -> None:
        self._resolver, self._allow_private, self._backend = resolver, allow_private, httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Connect to a host. Raises OutgoingRequestError for an address that is not public."""
        addresses = list(dict.fromkeys(await self._resolver(host.strip("[]"), port)))
        if not addresses:
            raise OutgoingRequestError("The host of the address does not exist.")
        if not self._allow_private and not all(is_public(address) for address in addresses):
            raise OutgoingRequestError("The address is not on the public Internet.")
        for address in addresses[:_MAX_ATTEMPTS]:
            try:
                return await self._backend.connect_tcp(address, port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
        raise failure

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None
    ) -> httpcore.AsyncNetworkStream:
        """Refuse the connection: there is no address to check."""
        raise OutgoingRequestError("Unix sockets are not allowed.")


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """Return the context with the certificates of certifi. Loading them takes some 20 ms."""
    return httpx.create_ssl_context(trust_env=False)
