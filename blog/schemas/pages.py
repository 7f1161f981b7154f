"""Pages that stand by themselves, as owners write them."""

from blog.schemas.fields import Content, Input, Slug, Title


class StaticPageInput(Input):
    """A whole page. Without a slug, one is made from the title."""

    title: Title
    slug: Slug | None = None
    content: Content
