"""Forms with one file, by the terms of multipart/form-data (RFC 7578)."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from blog.errors import FieldError, InvalidInput, MalformedInput, Unavailable, UnsupportedMedia
from blog.framework.request.parsing import validate, with_body_limit

M = TypeVar("M", bound=BaseModel)
_MAX_FIELDS = 10
_MAX_FIELD_BYTES = 16_384
_MISSING_FILE = "Send a form with a file in this field"


@contextlib.asynccontextmanager
async def read_upload(request: Request, model: type[M], *, field: str = "file", limit: int) -> AsyncIterator[tuple[M, BinaryIO]]:
    """The fields of a form as a model, and its one file, which is gone after the block; `limit` is of the whole body, in bytes.

    Raises UnsupportedMedia (no such form), TooLarge, MalformedInput (broken, or more than one file), InvalidInput,
    Unavailable (no room for the file).
    """
    # Multipart by hand, too: FastAPI's UploadFile and Form() read the same form, in whole, whatever its size.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "multipart/form-data":
        raise UnsupportedMedia("Send the file as multipart/form-data")
    form = await _parse_form(with_body_limit(request, limit))
    try:
        yield validate(model, _text_fields(form, field), "body"), _uploaded_file(form, field)
    finally:
        await form.close()


class _CompleteFormParser(MultiPartParser):
    """Starlette's, which takes a body that breaks off for a whole one."""

    is_complete = False

    def on_end(self) -> None:
        """The last boundary was read."""
        self.is_complete = True


async def _parse_form(request: Request) -> FormData:
    async def chunks() -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            yield chunk
        if not parser.is_complete:
            raise MultiPartException("The form breaks off before its end")

    async with contextlib.aclosing(chunks()) as stream:
        parser = _CompleteFormParser(request.headers, stream, max_files=1, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES)
        try:
            return await parser.parse()
        except MultiPartException as error:
            raise MalformedInput(error.message) from None
        except UnicodeError:  # of a charset that the client names
            raise MalformedInput("The form's text cannot be read") from None
        except OSError as error:  # large files are kept on disk meanwhile
            raise Unavailable("There is no room for the file for the moment: try again later", retry_after=60) from error


def _text_fields(form: FormData, field: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name in values:
            raise InvalidInput([FieldError(("body", name), "Give this field once", "repeated")])
        values[name] = value
    values.pop(field, None)
    return values


def _uploaded_file(form: FormData, field: str) -> BinaryIO:
    value = form.get(field)
    if not isinstance(value, UploadFile):
        raise InvalidInput([FieldError(("body", field), _MISSING_FILE, "missing")])
    return value.file
