"""Schemas of images."""

from typing import Annotated

from pydantic import Field, StringConstraints

from blog.schemas.fields import NORMALISED, Changes, Input, Line, Output

Alt = Annotated[Line, StringConstraints(max_length=500), NORMALISED]


class NewMedia(Input):
    """Data of a new image."""

    alt: Alt = Field(default="", description="A description of the image for people who can't see it")


class MediaUpload(NewMedia):
    """The form to upload an image."""

    file: bytes = Field(description="A PNG, JPEG, WebP, GIF or AVIF image, checked by its content")


class MediaChanges(Changes):
    """Changes to an image. Absent members stay unchanged."""

    alt: Alt = ""


class VariantOut(Output):
    """A smaller copy of an image, as WebP; width and height in pixels."""

    url: str
    width: int
    height: int


class MediaOut(VariantOut):
    """An image: upright, in sRGB, without its original metadata. Animations keep their frames and have no smaller copies."""

    id: int
    alt: str
    media_type: str
    variants: list[VariantOut] = Field(description="Smaller copies, widest first")
