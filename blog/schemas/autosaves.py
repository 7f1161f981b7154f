"""What an open form of a post sends while somebody writes in it."""

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
        raise PydanticCustomError("too_long", "This is more than is kept of a form")
    return form


class AutosaveForm(RootModel[Annotated[dict[_FieldName, str], AfterValidator(_check_size)]]):
    """The fields by name, each as typed, valid or not: also twice the text that fits into a post is not lost."""


class AutosaveOut(Output):
    """What was kept: its id (null: nothing is typed, so nothing is kept) and since when."""

    id: int | None
    saved_at: dt.datetime


class PreviewText(Input):
    """Markdown to be shown as a post would show it."""

    content: Content
