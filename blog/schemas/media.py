"""Schemas of images."""

from typing import Annotated, Self

from pydantic import AfterValidator, Field, StringConstraints

from blog.schemas.fields import NORMALISED, Changes, Input, Instant, Line, Output
from blog.text.file_names import MAX_FILE_NAME, clean_file_name

MAX_ALT_LENGTH = 500
Alt = Annotated[Line, StringConstraints(max_length=MAX_ALT_LENGTH), NORMALISED]
FileName = Annotated[Line, StringConstraints(max_length=MAX_FILE_NAME), AfterValidator(clean_file_name), NORMALISED]


class NewMedia(Input):
    """Data of a new image."""

    alt: Alt = Field(default="", description="A description of the image for people who can't see it")
    file_name: FileName = Field(default="", description="The name to show and to search for. Absent: the name of the sent file")

    def with_file_name(self, name: str) -> Self:
        """Return the data with the name of the sent file, unless another name was given."""
        return self.model_copy(update={"file_name": self.file_name or clean_file_name(name)})


class MediaUpload(NewMedia):
    """The form to upload an image."""

    file: bytes = Field(
        description="A PNG, JPEG, WebP, GIF, AVIF or SVG image, or a PDF, MP3, M4A, OGG, WAV, FLAC, MP4, WebM or ZIP file. "
        "The type is decided by the content, not by the name."
    )


class MediaChanges(Changes):
    """Changes to an image. Absent members stay unchanged."""

    alt: Alt = ""
    file_name: FileName = ""


class VariantOut(Output):
    """A smaller copy of an image, as WebP; width and height in pixels."""

    url: str
    width: int
    height: int


class MediaOut(Output):
    """An uploaded file.

    Images are upright, in sRGB and without their original metadata. Animations keep their frames and have no smaller copies.
    """

    id: int
    url: str
    width: int | None = Field(description="In pixels; null unless it is an image")
    height: int | None = Field(description="In pixels; null unless it is an image")
    alt: str
    file_name: str = Field(description="The name of the file when it was uploaded; empty if unknown")
    media_type: str
    bytes: int = Field(description="The size of the file")
    uploader: str = Field(description="The username of the person who uploaded it")
    created_at: Instant
    variants: list[VariantOut] = Field(description="Smaller copies, widest first")
