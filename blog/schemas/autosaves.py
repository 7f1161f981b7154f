"""Schemas of autosaves and previews, sent by the editor while someone types."""

import datetime as dt
from typing import Annotated

from pydantic import AfterValidator, RootModel, StringConstraints
from pydantic_core import PydanticCustomError

from blog.schemas.fields import MAX_CONTENT_BYTES, Content, Input, Output

MAX_FORM_BYTES = 2 * MAX_CONTENT_BYTES
_MAX_FIELDS = 30
_FieldName = Annotated[str, StringConstraints(pattern=r"^[a-z_]{1,30}$")]


def _check_size(form: dict[str, str]) -> dict[str, str]:
    if len(form) > _MAX_FIELDS or sum(len(value.encode(errors="replace")) for value in form.values()) > MAX_FORM_BYTES:
        raise PydanticCustomError("too_long", "The form is too large to autosave: shorten it or save the post")
    return form


class AutosaveForm(RootModel[Annotated[dict[_FieldName, str], AfterValidator(_check_size)]]):
    """The fields by name, each as typed, valid or not. Up to twice the maximum content size of a post."""


class AutosaveOut(Output):
    """The stored autosave: its id (null: the form was empty, so nothing is stored) and time."""

    id: int | None
    saved_at: dt.datetime


class PreviewText(Input):
    """Markdown to render as in a post."""

    content: Content
