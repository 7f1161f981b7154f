"""Models of tags."""

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from blog.schemas.fields import Changes, Id, Input, Output, Slug, TagName, validate_text

ImageUrl = Annotated[str, StringConstraints(max_length=2000, pattern=r"^(https?://|/media/)[^\s\"'<>]+$")]


class TagOut(Output):
    """A tag and the number of published posts that have it."""

    name: str
    slug: str = Field(description="The last part of the URL: the tag's own slug, or its name")
    url: str
    description: str
    image: str | None = Field(description="The URL of an image")
    posts: int


class TagChanges(Changes):
    """The fields of a tag to change. Absent fields keep their values."""

    name: TagName = ""
    slug: Slug | None = Field(default=None, description="Null: the name is used")
    description: Annotated[str, StringConstraints(strip_whitespace=True, max_length=1000), AfterValidator(validate_text)] = Field(
        default="", description="Plain text, shown on the page of the tag"
    )
    image: Id | ImageUrl | None = Field(
        default=None, description="The id of an uploaded image, or the URL of one. Null: no image"
    )


class TagMerge(Input):
    """The tag into which another one is merged."""

    into: TagName = Field(description="The name or the slug of the tag that remains")
