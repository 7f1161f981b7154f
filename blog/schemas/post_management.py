"""Models of the lists of all posts: their filters, and changes of several posts at once."""

import datetime as dt
from enum import StrEnum
from typing import Annotated

from pydantic import Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

from blog.schemas.fields import NORMALISED, Id, Input, Line, TagName
from blog.schemas.posts import ListedStatus, PostSort

MAX_BULK_POSTS = 500
"""The number of posts that one request changes."""


class ManagedPostQuery(Input):
    """Filters and order of a list of all posts. `since` and `until` are days of the blog, both included."""

    status: ListedStatus | None = None
    author: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED] | None = None
    tag: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED] | None = None
    since: dt.date | None = None
    until: dt.date | None = None
    q: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    sort: PostSort = PostSort.NEWEST
    cursor: str | None = None

    @field_validator("until")
    @classmethod
    def _check_order(cls, value: dt.date | None, info: ValidationInfo) -> dt.date | None:
        if value is not None and (since := info.data.get("since")) and value < since:
            raise PydanticCustomError("contradiction", "Choose a day that is not before the first one")
        return value


class BulkAction(StrEnum):
    """The change of each selected post."""

    PUBLISH = "publish"
    UNPUBLISH = "unpublish"
    ADD_TAG = "add-tag"
    REMOVE_TAG = "remove-tag"
    SET_AUTHOR = "set-author"
    DELETE = "delete"
    RESTORE = "restore"


class BulkChange(Input):
    """A change of several posts."""

    action: BulkAction
    tag: TagName | None = Field(default=None, validate_default=True)
    author: Annotated[Line, Field(min_length=1, max_length=50), NORMALISED] | None = Field(default=None, validate_default=True)

    @field_validator("tag")
    @classmethod
    def _require_tag(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("action") in (BulkAction.ADD_TAG, BulkAction.REMOVE_TAG):
            raise PydanticCustomError("missing_tag", "Enter the tag to add or remove")
        return value

    @field_validator("author")
    @classmethod
    def _require_author(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is None and info.data.get("action") is BulkAction.SET_AUTHOR:
            raise PydanticCustomError("missing_author", "Enter the username of the new author")
        return value


class BulkSelection(Input):
    """The ids of the selected posts."""

    ids: Annotated[list[Id], Field(min_length=1, max_length=MAX_BULK_POSTS)]
