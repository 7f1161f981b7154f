"""Pagination of HTML lists: cursors and page numbers in the query string."""

import re

from starlette.requests import Request

from blog.domain.core.models import CursorKey
from blog.errors import NotFound
from blog.framework.response import pagination
from blog.web.rendering.redirects import current_path

_PAGE_NUMBER = re.compile("[1-9][0-9]{0,5}")


def page_cursor(request: Request) -> CursorKey | None:
    """Return the position given by `?cursor=`, or None for the first page. Raises InvalidInput."""
    return pagination.decode_cursor(request.query_params.get("cursor"))


def next_page_path(request: Request, key: CursorKey | None) -> str | None:
    """Return the path of the next page, or None if `key` is None: there is no next page."""
    cursor = pagination.encode_cursor(key)
    return current_path(request, cursor=cursor) if cursor else None


def page_number(request: Request) -> int:
    """Return the page number given by `?page=`, from 1. Raises NotFound if it is not a positive number."""
    text = request.query_params.get("page", "1")
    if not _PAGE_NUMBER.fullmatch(text):
        raise NotFound("We couldn't find that page")
    return int(text)
