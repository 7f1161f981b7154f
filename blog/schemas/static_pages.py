"""Schemas of static pages."""

import datetime as dt
from enum import StrEnum

from pydantic import Field

from blog.schemas.fields import Changes, Content, Output, Slug, Title


class PageStatus(StrEnum):
    """Whether a static page is public, or visible to owners alone."""

    PUBLISHED = "published"
    DRAFT = "draft"


class StaticPageInput(Changes):
    """A static page. Without a slug, one is made from the title."""

    title: Title
    slug: Slug | None = None
    content: Content
    status: PageStatus = Field(
        default=PageStatus.PUBLISHED,
        description="If absent, POST publishes the page. A page without visible content can only be a draft",
    )


class StaticPageChanges(StaticPageInput):
    """The fields to change. Absent fields keep their values; none can be null."""

    title: Title = ""
    slug: Slug = ""
    content: Content = ""


class StaticPageOut(Output):
    """A static page."""

    id: int
    slug: str
    url: str
    title: str
    content: str
    html: str
    status: PageStatus
    version: int
    created_at: dt.datetime
    updated_at: dt.datetime
