"""The HTTP status and headers of each domain error."""

from blog import errors

STATUSES: dict[type[errors.BlogError], int] = {
    errors.MalformedInput: 400,
    errors.NotAuthenticated: 401,
    errors.Forbidden: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.VersionConflict: 412,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.InvalidInput: 422,
    errors.TooManyRequests: 429,
    errors.UpstreamFailed: 502,
    errors.Unavailable: 503,
    errors.UpstreamTimeout: 504,
    errors.BlogError: 500,
}
"""One status per class. A subclass has the status of its nearest base class."""


def error_status(error: errors.BlogError) -> int:
    """Return the status of the error's class, or of its nearest base class in `STATUSES`."""
    return next(STATUSES[kind] for kind in type(error).__mro__ if kind in STATUSES)


def error_headers(error: errors.BlogError) -> dict[str, str]:
    """Return the headers that belong to the error's status: `WWW-Authenticate` with 401, `Retry-After` with 429 and 503."""
    match error:
        case errors.NotAuthenticated():
            return {"WWW-Authenticate": 'Bearer realm="blog"'}
        case errors.TooManyRequests() | errors.Unavailable():
            return {"Retry-After": str(error.retry_after)}
        case _:
            return {}
