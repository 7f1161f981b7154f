"""Schemas of static pages."""

from blog.schemas.fields import Content, Input, Slug, Title


class StaticPageInput(Input):
    """A static page. Without a slug, one is generated from the title."""

    title: Title
    slug: Slug | None = None
    content: Content
