"""Query of the oEmbed endpoint, with which other sites embed a post."""

from typing import Annotated

from pydantic import BaseModel, Field

from blog.schemas.fields import Line

Pixels = Annotated[int, Field(ge=1, le=100_000)]


class OEmbedQuery(BaseModel):
    """The URL of a post, and the maximum size in pixels. Unknown parameters are ignored, as many consumers send some."""

    url: Annotated[Line, Field(min_length=1, max_length=2000)]
    format: Line = "json"
    maxwidth: Pixels | None = None
    maxheight: Pixels | None = None
