"""Answers of the JSON API."""

from collections.abc import Mapping, Sequence

from pydantic import BaseModel
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import Response

from blog.framework.response.pagination import CursorKey, encode_cursor, next_page_url


def json_response(content: BaseModel, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """A model as JSON, straight from Pydantic."""
    # By hand: response_model. FastAPI validates the returned object against it; here the endpoint builds the model itself.
    return Response(content.__pydantic_serializer__.to_json(content), status, dict(headers or {}), "application/json")


def page_response(
    request: Request, items: Sequence[BaseModel], next_key: CursorKey | None, headers: Mapping[str, str] | None = None
) -> Response:
    """One page of a list, with `Link: …; rel="next"` when more follow."""
    cursor = encode_cursor(next_key)
    link = {"Link": f'<{next_page_url(request, cursor)}>; rel="next"'} if cursor else {}
    return Response(to_json({"items": items, "next": cursor}), 200, {**link, **(headers or {})}, "application/json")


def list_response(items: Sequence[BaseModel]) -> Response:
    """A whole list that needs no paging."""
    return Response(to_json(items), 200, None, "application/json")
