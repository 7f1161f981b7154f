"""Cache hits: what the response cache does for each, as an ASGI middleware and in the fast path."""

import datetime as dt

from starlette.types import Scope

from blog.framework.caching.response_cache import CachedResponse
from blog.framework.request.bots import is_human_view
from blog.framework.request.state import AppState
from blog.framework.response.conditional import etag_matches
from blog.framework.templating import content_encoding
from blog.middleware.access_log import record_request
from blog.middleware.security import HeaderMap
from blog.observability import metrics


def record_hit(
    scope: Scope, headers: HeaderMap, response: CachedResponse, status: int, seconds: float, correlation_id: str
) -> None:
    """Log and count a request that was answered from the cache, and the view of its post. seconds: duration so far."""
    metrics.cache_lookups.inc("hit")
    if response.counts_view_of is not None and scope["method"] == "GET" and is_human_view(headers):
        app_state: AppState = scope["state"]["app_state"]
        site = app_state.site
        today = dt.datetime.now(site.formats.zone).date()
        site.view_counter.add(response.counts_view_of, today, headers.get(b"referer"))
    record_request(scope["method"], response.route, status, seconds, correlation_id=correlation_id)


def has_response(headers: HeaderMap, response: CachedResponse) -> bool:
    """Return whether the client has this response already, according to its `If-None-Match`."""
    tags = headers.get(b"if-none-match")
    return tags is not None and etag_matches(response.etag, tags)


def preferred_encoding(response: CachedResponse, headers: HeaderMap) -> bytes | None:
    """Return the best content encoding that the client accepts, or None if the response is sent as it is."""
    accepted = headers.get(b"accept-encoding")
    return content_encoding.negotiate(accepted) if accepted and response.is_compressible else None
