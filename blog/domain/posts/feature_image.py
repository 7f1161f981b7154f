"""The image above a post: an uploaded image with its smaller copies, or an image on another site."""

import mimetypes
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlsplit

import sqlalchemy as sa

from blog.db import tables
from blog.domain.core.context import Context
from blog.domain.core.models import Variant
from blog.domain.core.rows import from_row
from blog.errors import FieldError, InvalidInput
from blog.schemas.accounts import Role
from blog.schemas.posts import FeatureImageInput

_m = tables.media.c
_MEDIA_PATH = "/media/"
_FILE_NAME = re.compile(rf"{_MEDIA_PATH}([0-9a-f]{{64}}\.[a-z]{{3,4}})")
_UNKNOWN = "This image is not in the library. Upload it first, or use the URL of an image on another site."


@dataclass(frozen=True, slots=True)
class FeatureImage:
    """An image with its texts. Sizes are in pixels and bytes.

    name: the name of the uploaded file, which identifies the image; None for an image on another site.
    url: the URL of an image on another site; its size is unknown, because it is never fetched.
    """

    name: str | None
    url: str | None
    alt: str = ""
    caption: str = ""
    width: int | None = None
    height: int | None = None
    bytes: int | None = None
    variants: tuple[Variant, ...] = ()

    @property
    def address(self) -> str:
        """The path of the uploaded file, or the URL on another site."""
        return self.url or f"{_MEDIA_PATH}{self.name}"

    @property
    def media_type(self) -> str | None:
        """The media type that the ending of the name suggests, if it is that of an image."""
        guess = mimetypes.guess_type(urlsplit(self.address).path)[0] or ""
        return guess if guess.startswith("image/") else None

    @property
    def smallest(self) -> Variant | None:
        """The smallest copy, for lists."""
        return self.variants[-1] if self.variants else None

    def describe(self) -> list[str]:
        """Return the image and its texts as lines of a comparison."""
        texts = (("alt text", self.alt), ("caption", self.caption))
        return [self.address, *(f"{name}: {text}" for name, text in texts if text)]


def from_input(chosen: FeatureImageInput) -> FeatureImage:
    """Return the image at a URL, without its size."""
    match = _FILE_NAME.search(chosen.url or "")
    name = match[1] if match and (chosen.url or "").endswith(match[1]) else None
    return FeatureImage(name, None if name else chosen.url, chosen.alt or "", chosen.caption)


async def resolve_change(ctx: Context, changes: Mapping[str, Any], before: FeatureImage | None) -> dict[str, Any]:
    """Return the changes of a post with the chosen feature image in place of the input.

    before: the present image. It stays allowed for other authors, and after its entry was deleted.

    Raises NotAuthenticated, and InvalidInput for an image that is not in the library.
    """
    chosen = changes.get("feature_image")
    if not isinstance(chosen, FeatureImageInput):
        return dict(changes)
    image = from_input(chosen)
    if before is not None and chosen.media_id is None and (image.name, image.url) == (before.name, before.url):
        found = replace(before, alt=before.alt if chosen.alt is None else chosen.alt, caption=chosen.caption)
    elif chosen.media_id is None and image.name is None:
        found = image
    else:
        found = await _find_upload(ctx, chosen, image, before)
    return {**changes, "feature_image": found}


async def complete(ctx: Context, image: FeatureImage) -> FeatureImage:
    """Return the image with the size and the smaller copies of its upload. The same image if there is none."""
    row = await ctx.db.fetch_one(_uploads().where(_m.name == image.name)) if image.name else None
    return image if row is None else from_row(FeatureImage, row, url=None, alt=image.alt, caption=image.caption)


def _uploads() -> sa.Select[Any]:
    columns = sa.select(_m.name, _m.width, _m.height, _m.bytes, _m.variants, _m.alt, _m.user_id)
    return columns.where(_m.width.is_not(None)).order_by(_m.id).limit(1)  # files without a width are not images


async def _find_upload(ctx: Context, chosen: FeatureImageInput, image: FeatureImage, before: FeatureImage | None) -> FeatureImage:
    is_chosen = _m.name == image.name if chosen.media_id is None else _m.id == chosen.media_id
    row = await ctx.db.fetch_one(_uploads().where(is_chosen))
    if row is not None and (chosen.media_id is None or _may_use(ctx, row, before)):
        alt = row["alt"] if chosen.alt is None else chosen.alt
        return from_row(FeatureImage, row, url=None, alt=alt, caption=chosen.caption)
    if chosen.url is not None and urlsplit(chosen.url).scheme:  # a file of another blog of this kind
        return replace(image, name=None, url=chosen.url)
    raise InvalidInput([FieldError(("feature_image",), _UNKNOWN, "feature_image")])


def _may_use(ctx: Context, row: Any, before: FeatureImage | None) -> bool:
    """Return whether the actor may name this upload by its id: their own, the present one of the post, or as an editor any."""
    actor = ctx.require_actor()
    is_present = before is not None and before.name == row["name"]
    return row["user_id"] == actor.id or actor.has_role(Role.EDITOR) or is_present
