"""HTML forms: what was typed comes back with a message at each field, and nothing typed is lost."""

import re
from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.requests import Request

from blog.errors import BlogError, Conflict, InvalidInput, MalformedInput, UnsupportedMedia
from blog.framework.request.parsing import validate, with_body_limit
from blog.framework.request.state import app_state

M = TypeVar("M", bound=BaseModel)
_SECRET_FIELDS = frozenset({"password", "current", "code"})
_CONTENT_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_INPUT_PATTERNS = {
    "color": re.compile(r"#[0-9A-Fa-f]{6}"),
    "number": re.compile(r"-?[0-9]+"),
    "datetime-local": re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?"),
}
"""What a browser shows in such a field; anything else it would hide."""
# Pydantic's sentences are for programmers; these are for people. `{0}` is the number in the sentence.
_READABLE_MESSAGES = (
    (re.compile(r"Field required|(?:String|Value) should have at least 1 (?:character|item).*"), "Fill this in"),
    (re.compile(r"(?:List|Set|Frozenset) should have at least 1 item.*"), "Choose at least one"),
    (re.compile(r"(?:String|Value) should have at least (\d+) (?:characters|items).*"), "Use at least {0} characters"),
    (re.compile(r"(?:String|Value) should have at most (\d+) characters.*"), "Use at most {0} characters"),
    (re.compile(r"(?:Value|List) should have at most (\d+) items.*"), "At most {0} fit here"),
    (re.compile(r"String should match pattern.*"), "Use only letters, digits, underscores and hyphens"),
    (re.compile(r"value is not a valid email address"), "Write an e-mail address, such as name@example.org"),
    (re.compile(r"Input should be a valid integer.*"), "Write a whole number"),
    (re.compile(r"Input should be greater than or equal to (\d+)"), "Write {0} or a larger number"),
    (re.compile(r"Input should be less than or equal to (\d+)"), "Write {0} or a smaller number"),
    (re.compile(r"Input should be a valid datetime.*"), "Write a date and a time, such as 2026-05-01T09:00"),
    (re.compile(r"Input should be .*"), "Choose one of these"),
    (re.compile(r"Extra inputs are not permitted"), "This form has a field that is not known here"),
)


@dataclass(slots=True)
class Form:
    """The values as typed and the messages by field; the key `""` is for the form as a whole."""

    values: dict[str, str] = field(default_factory=dict, repr=False)  # a password may be among them
    errors: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """What the field shows: passwords are never sent back."""
        return "" if name in _SECRET_FIELDS else self.values.get(name, "")

    def can_display(self, name: str, input_type: str) -> bool:
        """Whether a field of this type shows the value: one of numbers stays empty when a program sent words."""
        shape = _INPUT_PATTERNS.get(input_type)
        return shape is None or not self.value(name) or shape.fullmatch(self.value(name)) is not None

    def add_error(self, error: BlogError) -> None:
        """Take in an error of parsing or of the domain."""
        match error:
            case InvalidInput():
                for fault in error.errors:
                    self.errors.setdefault(_field_name(fault.loc), _humanise(fault.msg))
            case Conflict():
                self.errors.setdefault(_field_name(error.loc), error.detail)
            case _:
                self.errors.setdefault("", error.detail)

    def parse(self, model: type[M], **overrides: Any) -> M | None:
        """The values as a model; `changed` replaces some of them first (None leaves one out).

        None when they are not valid: `errors` then says why.
        """
        given = {name: value for name, value in (self.values | overrides).items() if value is not None}
        try:
            return validate(model, given, "body")
        except InvalidInput as error:
            self.add_error(error)
            return None


async def read_form(request: Request) -> Form:
    """The form that was sent, line ends as LF. Raises UnsupportedMedia, MalformedInput, TooLarge; a broken form, or one of too
    many fields, is an HTTPException 400.
    """
    # By hand: form parameters. FastAPI's Form() reads the same python-multipart.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _CONTENT_TYPES:
        raise UnsupportedMedia("Send this as a form")
    settings = app_state(request).site.settings
    try:
        form = await with_body_limit(request).form(
            max_files=0, max_fields=settings.max_form_fields, max_part_size=settings.max_body_bytes
        )
        values = {name: _normalise_newlines(value) for name, value in form.items()}
        "".join([*values, *values.values()]).encode()  # half a surrogate pair could be neither kept nor shown
    except UnicodeError:  # of a charset that the client names
        raise MalformedInput("The form's text cannot be read") from None
    return Form(values)


def _normalise_newlines(value: str | UploadFile) -> str:
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _humanise(message: str) -> str:
    for pattern, words in _READABLE_MESSAGES:
        if match := pattern.fullmatch(message):
            return words.format(*match.groups())
    return message


def _field_name(loc: tuple[str | int, ...]) -> str:
    names = [part for part in loc if part not in ("body", "query")]
    return str(names[0]) if names else ""
