"""Schemas of bookmark cards."""

from pydantic import Field

from blog.schemas.fields import Input, Output
from blog.schemas.urls import WebUrl


class NewBookmark(Input):
    """The page to make a bookmark card of."""

    url: WebUrl = Field(min_length=1, description="The address of a public web page")


class BookmarkOut(Output):
    """A bookmark card, as Markdown and in its parts. `title` and `description` are plain text."""

    markdown: str = Field(description="The card, for the `content` of a post")
    title: str
    description: str = Field(description="Empty if the page has none")
    url: str
    image: str | None = Field(description="The URL of the uploaded copy of the page's image; null without one")
