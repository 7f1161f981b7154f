"""Which HTTP status each error of the blog is. The only place where the two meet."""

from blog import errors

STATUSES: dict[type[errors.BlogError], int] = {
    errors.MalformedInput: 400,
    errors.NotAuthenticated: 401,
    errors.SecondFactorRequired: 401,
    errors.Forbidden: 403,
    errors.ReauthenticationRequired: 403,
    errors.NotFound: 404,
    errors.Conflict: 409,
    errors.VersionConflict: 412,
    errors.PayloadTooLarge: 413,
    errors.UnsupportedMedia: 415,
    errors.InvalidInput: 422,
    errors.TooManyRequests: 429,
    errors.Unavailable: 503,
}


def error_status(error: errors.BlogError) -> int:
    """The status of an error; 500 for one without a row above."""
    return STATUSES.get(type(error), 500)


def error_headers(error: errors.BlogError) -> dict[str, str]:
    """The header fields that go with it."""
    match error:
        case errors.NotAuthenticated():
            return {"WWW-Authenticate": 'Bearer realm="blog"'}
        case errors.TooManyRequests() | errors.Unavailable():
            return {"Retry-After": str(error.retry_after)}
        case _:
            return {}
