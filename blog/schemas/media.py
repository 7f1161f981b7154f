"""Images on the wire."""

from typing import Annotated

from pydantic import Field, StringConstraints

from blog.schemas.fields import Changes, Input, Line, Output

Alt = Annotated[Line, StringConstraints(strip_whitespace=True, max_length=500)]


class NewMedia(Input):
    """What is said of an image when it is sent."""

    alt: Alt = Field(default="", description="What the image shows, for those who do not see it")


class MediaUpload(NewMedia):
    """The form that sends an image."""

    file: bytes = Field(description="A PNG, JPEG, WebP, GIF or AVIF image, checked by its content")


class MediaChanges(Changes):
    """What PATCH changes. An absent member stays as it is."""

    alt: Alt = ""


class VariantOut(Output):
    """A smaller copy of an image, as WebP; sizes in pixels."""

    url: str
    width: int
    height: int


class MediaOut(VariantOut):
    """An image: upright, in sRGB, without the metadata it came with. An animation has no smaller copies."""

    id: int
    alt: str
    media_type: str
    variants: list[VariantOut] = Field(description="Smaller copies, widest first; none wider than the image")
