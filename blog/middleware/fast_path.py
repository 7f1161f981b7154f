"""The fast path of cached responses (see `blog.framework.caching.fast_path`), as `SecurityMiddleware` and the response cache."""

import contextlib
import time
from typing import Any

import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from blog.framework.caching.fast_path import EncodedResponse
from blog.framework.identity.authentication import anonymous_client_key
from blog.framework.limits.rate_limits import rate_limit_headers
from blog.framework.request.state import AppState
from blog.middleware.cache_hits import has_response, record_hit
from blog.middleware.response_cache import ResponseCacheMiddleware
from blog.middleware.security import SecurityMiddleware, correlation_id_from, header_map, http_date
from blog.settings import Settings

log = structlog.stdlib.get_logger("blog.cache")


class CacheFastPath:
    """Answers requests for cached responses with the headers, log line and metrics that the middlewares give to others."""

    def __init__(self, security: SecurityMiddleware, cache: ResponseCacheMiddleware, settings: Settings) -> None:
        self._security, self._cache = security, cache
        proxies = list(settings.trusted_proxies)
        self._proxy: Any = ProxyHeadersMiddleware(_ignore, proxies) if proxies else None  # type: ignore[arg-type]

    def __call__(self, scope: Scope) -> EncodedResponse | None:
        """Return the cached response, or None if the application must answer, also after an error, which is logged."""
        try:
            return self._respond(scope)
        except Exception:  # the parser of the server, which calls this, would answer 400 and log no traceback
            log.exception("cached response failed")
            return None

    def _respond(self, scope: Scope) -> EncodedResponse | None:
        """Return the cached response. None if there is none in this encoding, or if the request is refused or has a body."""
        started = time.perf_counter()
        headers = header_map(scope)
        response = self._cache.find_encoded(scope, headers)
        if response is None or b"content-length" in headers or b"transfer-encoding" in headers:
            return None
        if self._security.request_error(scope, headers):
            return None
        app_state: AppState = scope["state"]["app_state"]
        correlation_id = correlation_id_from(headers)
        if has_response(headers, response):
            status, head, body = 304, response.header_block_304, b""
        else:
            status, head, body = 200, response.header_block, b"" if scope["method"] == "HEAD" else response.body
        for name, value in self._rate_limit_headers(scope, app_state):
            head += b"%b: %b\r\n" % (name, value)
        seconds = time.perf_counter() - started
        record_hit(scope, headers, response, status, seconds, correlation_id)
        milliseconds = seconds * 1000
        return EncodedResponse(
            status,
            b"%bdate: %b\r\nx-correlation-id: %b\r\nx-process-time: %.6f\r\nserver-timing: cache;dur=%.2f, total;dur=%.2f\r\n"
            % (head, http_date(), correlation_id.encode(), seconds, milliseconds, milliseconds),
            body,
        )

    def _rate_limit_headers(self, scope: Scope, app_state: AppState) -> list[tuple[bytes, bytes]]:
        if not app_state.rate_limits.has_default_limit:
            return []
        if self._proxy is not None:
            scope = dict(scope)
            with contextlib.suppress(StopIteration):
                self._proxy(scope, None, None).send(None)  # sets the client's address; waits for nothing
        usage = app_state.rate_limits.last_usage(anonymous_client_key(scope))
        return rate_limit_headers([usage]) if usage else []


async def _ignore(_scope: Scope, _receive: Receive, _send: Send) -> None:
    """Do nothing: of uvicorn's middleware only the change of the scope is used."""
