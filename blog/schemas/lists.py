"""Lists and how clients page through them."""

from typing import Annotated

from pydantic import Field, StringConstraints

from blog.schemas.fields import Input, Line
from blog.schemas.posts import PostStatus

Limit = Annotated[int, Field(ge=1, le=100)]
Cursor = Annotated[str, StringConstraints(min_length=1, max_length=200)]


class PageQuery(Input):
    """`limit` items after the opaque `cursor` of the page before."""

    limit: Limit = 20
    cursor: Cursor | None = None


class PostQuery(PageQuery):
    """The filters of a list of posts; several narrow it together."""

    tag: Annotated[Line, Field(min_length=1, max_length=50)] | None = None
    author: Annotated[Line, Field(min_length=1, max_length=50)] | None = None
    q: Annotated[Line, Field(min_length=1, max_length=200)] | None = None
    status: PostStatus | None = None
