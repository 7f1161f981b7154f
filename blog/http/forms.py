"""HTML forms: what was typed comes back with a message at each field, and nothing typed is lost."""

from dataclasses import dataclass, field
from typing import Any, TypeVar

from pydantic import BaseModel
from starlette.datastructures import UploadFile
from starlette.requests import Request

from blog.errors import BlogError, Conflict, InvalidInput, UnsupportedMedia
from blog.http.parsing import bounded, validate

M = TypeVar("M", bound=BaseModel)
_SECRET = frozenset({"password", "current"})
_KINDS = frozenset({"application/x-www-form-urlencoded", "multipart/form-data"})
_FIELDS = 50


@dataclass(slots=True)
class Form:
    """The values as typed and the messages by field; the key `""` is for the form as a whole."""

    values: dict[str, str] = field(default_factory=dict)
    errors: dict[str, str] = field(default_factory=dict)

    def value(self, name: str) -> str:
        """What the field shows: passwords are never sent back."""
        return "" if name in _SECRET else self.values.get(name, "")

    def refuse(self, error: BlogError) -> None:
        """Take in an error of parsing or of the domain."""
        match error:
            case InvalidInput():
                for fault in error.errors:
                    self.errors.setdefault(_field(fault.loc), fault.msg)
            case Conflict():
                self.errors.setdefault(_field(error.loc), error.detail)
            case _:
                self.errors.setdefault("", error.detail)

    def parse(self, model: type[M], **changed: Any) -> M | None:
        """The values as a model; `changed` replaces some of them first (None leaves one out).

        None when they are not valid: `errors` then says why.
        """
        given = {name: value for name, value in (self.values | changed).items() if value is not None}
        try:
            return validate(model, given, "body")
        except InvalidInput as error:
            self.refuse(error)
            return None


async def read_form(request: Request) -> Form:
    """The form that was sent, line ends as LF. Raises UnsupportedMedia; a broken or oversized form is an HTTPException 400."""
    # By hand: form parameters. FastAPI's Form() reads the same python-multipart.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in _KINDS:
        raise UnsupportedMedia("Send this as a form")
    form = await bounded(request).form(max_files=0, max_fields=_FIELDS)
    return Form({name: _unix(value) for name, value in form.items()})


def _unix(value: str | UploadFile) -> str:
    return value.replace("\r\n", "\n") if isinstance(value, str) else ""


def _field(loc: tuple[str | int, ...]) -> str:
    names = [part for part in loc if part not in ("body", "query")]
    return str(names[0]) if names else ""
