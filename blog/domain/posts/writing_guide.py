"""The draft with which the owner of a new blog begins: it shows each construct of Markdown that posts support."""

from importlib.resources import files

from blog.schemas.posts import NewPost, PostStatus

TITLE = "How to write a post"


def draft() -> NewPost:
    """Return the draft."""
    text = files("blog.domain.posts").joinpath("writing_guide.md").read_text(encoding="utf-8")
    return NewPost(title=TITLE, content=text, status=PostStatus.DRAFT, language="en")
