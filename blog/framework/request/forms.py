"""HTML forms: an invalid form is rendered again with the submitted values and a message at each field."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.requests import Request

from blog.errors import BlogError, Conflict, FieldError, InvalidInput, MalformedInput, UnsupportedMedia
from blog.framework.request.parsing import media_type, validate, with_body_limit
from blog.framework.request.state import app_state

M = TypeVar("M", bound=BaseModel)
MAX_FORM_FIELDS = 50
FORM_KEY = "form_key"
"""The field with the one-time key of a form (`blog.framework.endpoints.form_keys`)."""
SECRET_FIELDS = frozenset({"password", "current", "code"})
_CONTENT_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_INPUT_PATTERNS = {
    "color": re.compile(r"#[0-9A-Fa-f]{6}"),
    "number": re.compile(r"-?[0-9]+"),
    "datetime-local": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?"),
}
"""Values that browsers display in an input of this type. Browsers leave the field empty for any other value."""
_MESSAGES = {
    "missing": "Fill this in",
    "string_too_short": "Use at least {min_length} characters",
    "string_too_long": "Use at most {max_length} characters",
    "too_short": "Use at least {min_length} characters",
    "too_long": "Enter at most {max_length}",
    "string_pattern_mismatch": "Use only letters, digits, underscores and hyphens",
    "value_error": "Enter an e-mail address, such as name@example.org",
    **dict.fromkeys(("int_parsing", "int_parsing_size", "int_type", "int_from_float"), "Enter a whole number"),
    "greater_than_equal": "Enter {ge} or a larger number",
    "less_than_equal": "Enter {le} or a smaller number",
    **dict.fromkeys(("datetime_parsing", "datetime_from_date_parsing"), "Enter a date and a time, such as 2026-05-01T09:00"),
    **dict.fromkeys(
        ("date_parsing", "date_type", "date_from_datetime_parsing", "date_from_datetime_inexact"),
        "Enter a date, such as 2026-05-01",
    ),
    **dict.fromkeys(("enum", "literal_error", "bool_parsing"), "Choose one of these"),
    "extra_forbidden": "This form has an unknown field",
}
"""Messages for people, by Pydantic's error type: Pydantic's own are for programmers. Braces name values of its context."""


@dataclass(slots=True)
class Form:
    """Submitted values and error messages, both by field name. The message under `""` is about the whole form."""

    values: dict[str, str] = field(default_factory=dict, repr=False)  # may contain a password
    errors: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """Return the value to display in a field. Passwords and codes are never sent back."""
        return "" if name in SECRET_FIELDS else self.values.get(name, "")

    def can_display(self, name: str, input_type: str) -> bool:
        """Return whether browsers display the value in an input of this type."""
        pattern, value = _INPUT_PATTERNS.get(input_type), self.value(name)
        return pattern is None or not value or pattern.fullmatch(value) is not None

    def add_error(self, error: BlogError) -> None:
        """Add the messages of a parsing or domain error."""
        match error:
            case InvalidInput() | Conflict() if error.errors:
                self.add_field_errors(error.errors)
            case _:
                self.errors.setdefault("", error.detail)

    def add_field_errors(self, errors: Sequence[FieldError]) -> None:
        """Add the messages of fields that have none yet."""
        for error in errors:
            self.errors.setdefault(_field_name(error.loc), _humanise(error))

    def parse(self, model: type[M], **overrides: Any) -> M | None:
        """Return the values as a model, or None if they are not valid; `errors` then has the messages.

        overrides: values that replace submitted ones; None removes a field.
        """
        values = {name: value for name, value in (self.values | overrides | {FORM_KEY: None}).items() if value is not None}
        try:
            return validate(model, values, "body")
        except InvalidInput as error:
            self.add_error(error)
            return None


async def read_form(request: Request, *, max_bytes: int | None = None) -> Form:
    """Return the submitted form, with LF line ends.

    max_bytes: the limit of the body; defaults to the setting `max_body_bytes`.

    Raises UnsupportedMedia, MalformedInput and PayloadTooLarge, and HTTPException 400 if the form is broken or has more than
    `MAX_FORM_FIELDS` fields.
    """
    # By hand: form parameters. FastAPI's Form() reads the same python-multipart.
    if media_type(request) not in _CONTENT_TYPES:
        raise UnsupportedMedia("Send this as a form")
    limit = max_bytes or app_state(request).site.settings.max_body_bytes
    try:
        form = await with_body_limit(request, limit).form(max_files=0, max_fields=MAX_FORM_FIELDS, max_part_size=limit)
        values = {name: _normalise_newlines(value) for name, value in form.items()}
        "".join([*values, *values.values()]).encode()  # fails for a lone surrogate, which can be neither stored nor displayed
    except UnicodeError:  # also from the charset that the client declares
        raise MalformedInput("The text of the form cannot be decoded. Send it as UTF-8.") from None
    return Form(values)


def split_lines(text: str) -> list[str]:
    """Return the lines of a text field that are not blank, without spaces around them."""
    return [stripped for line in text.split("\n") if (stripped := line.strip())]


def _normalise_newlines(value: str | UploadFile) -> str:
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _humanise(error: FieldError) -> str:
    if error.context is None:  # our own error: its message is for people
        return error.msg
    if error.type in ("string_too_short", "too_short") and error.context.get("min_length") == 1:
        return "Choose at least one" if error.context.get("field_type") in ("List", "Set", "Frozenset") else "Fill this in"
    message = _MESSAGES.get(error.type)
    try:
        return message.format_map(error.context) if message else error.msg
    except KeyError:  # a custom validation error with one of Pydantic's types: its message is for people
        return error.msg


def _field_name(loc: tuple[str | int, ...]) -> str:
    names = [part for part in loc if part not in ("body", "query")]
    return str(names[0]) if names else ""
