"""What other sites ask for to show a post (oEmbed)."""

from typing import Annotated

from pydantic import BaseModel, Field

from blog.schemas.fields import Line

Pixels = Annotated[int, Field(ge=1, le=100_000)]


class OEmbedQuery(BaseModel):
    """`url` of a post, and the room there is for it. Consumers send parameters of their own besides: those are ignored."""

    url: Annotated[Line, Field(min_length=1, max_length=2000)]
    format: Line = "json"
    maxwidth: Pixels | None = None
    maxheight: Pixels | None = None
