"""Responses of the JSON API."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from blog.domain.core.models import CursorKey
from blog.framework.response.pagination import encode_cursor, next_page_url


def json_response(content: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """Return a model as JSON, serialised by Pydantic."""
    # By hand: response_model. FastAPI validates the returned object against it; here the endpoint builds the model.
    return Response(content.__pydantic_serializer__.to_json(content), status, dict(headers or {}), "application/json")


def page_response(
    request: Request,
    items: Sequence[BaseModel],
    next_key: CursorKey | None,
    headers: Mapping[str, str] | None = None,
    *,
    digest: str = "",
    total: int | None = None,
) -> Response:
    """Return one page of a list, with `Link: …; rel="next"` if more items follow.

    items: of this page. next_key: sort key of the last item if more items follow, else None. headers: additional headers.
    digest: binds the cursor to the list (`list_digest`). total: the number of items on all pages, if it was requested.
    """
    cursor = encode_cursor(next_key, digest)
    link = {"Link": f'<{next_page_url(request, cursor)}>; rel="next"'} if cursor else {}
    counted = {} if total is None else {"total": total}
    return Response(to_json({"items": items, "next": cursor} | counted), 200, {**link, **(headers or {})}, "application/json")


def list_response(items: Sequence[BaseModel]) -> Response:
    """Return a complete list, without paging."""
    return Response(to_json(items), 200, None, "application/json")
