"""Pagination of pages: the page number or cursor in the URL, and the link to the next page."""

import re

from starlette.requests import Request

from blog.errors import NotFound
from blog.framework.response import pagination
from blog.framework.response.pagination import CursorKey
from blog.web.rendering.redirects import current_path

_PAGE_NUMBER = re.compile("[1-9][0-9]{0,5}")


def page_number(request: Request) -> int:
    """Return `?page=`, by default 1. Raises NotFound if it is not a page number."""
    text = request.query_params.get("page", "1")
    if not _PAGE_NUMBER.fullmatch(text):
        raise NotFound("This page does not exist")
    return int(text)


def page_cursor(request: Request) -> CursorKey | None:
    """Return the sort key in `?cursor=`, or None. Ignores other parameters. Raises InvalidInput."""
    return pagination.decode_cursor(request.query_params.get("cursor"))


def next_page_path(request: Request, key: CursorKey | None) -> str | None:
    """Return the path of the next page, or None if there is none."""
    cursor = pagination.encode_cursor(key)
    return current_path(request, cursor=cursor) if cursor else None
