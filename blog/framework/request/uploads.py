"""Forms with files: multipart/form-data (RFC 7578)."""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, BinaryIO, TypeVar

from pydantic import BaseModel
from starlette.datastructures import FormData, UploadFile
from starlette.formparsers import MultiPartException, MultiPartParser
from starlette.requests import Request

from blog.errors import FieldError, InvalidInput, MalformedInput, Unavailable, UnsupportedMedia
from blog.framework.request.parsing import media_type, validate, with_body_limit

M = TypeVar("M", bound=BaseModel)
MAX_FILES = 20
"""The number of files of one form."""
_MAX_FIELDS = 10
_MAX_FIELD_BYTES = 16_384
_MISSING_FILE = "Send a form with a file in this field"


@dataclass(frozen=True, slots=True)
class UploadedFile:
    """A file of a form. `name` is what the client sent and may be anything: never use it as a path."""

    content: BinaryIO
    name: str


@contextlib.asynccontextmanager
async def read_upload(
    request: Request, model: type[M], *, field: str = "file", limit: int
) -> AsyncIterator[tuple[M, UploadedFile]]:
    """Yield the text fields of a form as a model, and its file, which is closed at the end of the block.

    field: name of the file's field. limit: maximum size of the whole body, in bytes.
    Raises UnsupportedMedia, PayloadTooLarge, MalformedInput (broken, or more than one file), InvalidInput and Unavailable
    (no disk space).
    """
    async with _read_files(request, model, field, limit, max_files=1) as (values, files):
        yield values, files[0]


@contextlib.asynccontextmanager
async def read_uploads(
    request: Request, model: type[M], *, field: str = "file", limit: int
) -> AsyncIterator[tuple[M, Sequence[UploadedFile]]]:
    """Yield the text fields and the files, at least one, as `read_upload` does."""
    async with _read_files(request, model, field, limit, max_files=MAX_FILES) as found:
        yield found


@contextlib.asynccontextmanager
async def _read_files(
    request: Request, model: type[M], field: str, limit: int, *, max_files: int
) -> AsyncIterator[tuple[M, Sequence[UploadedFile]]]:
    # FastAPI's UploadFile and Form() read the whole form, whatever its size.
    if media_type(request) != "multipart/form-data":
        raise UnsupportedMedia("Send the file as multipart/form-data")
    form = await _parse_form(with_body_limit(request, limit), max_files)
    try:
        yield validate(model, _text_fields(form, field), "body"), _uploaded_files(form, field)
    finally:
        await form.close()


class _CompleteFormParser(MultiPartParser):
    """Starlette's parser, which accepts a truncated body, with a flag for the end of the form."""

    is_complete = False

    def on_end(self) -> None:
        """Record that the final boundary has been read."""
        self.is_complete = True


async def _parse_form(request: Request, max_files: int) -> FormData:
    async def chunks() -> AsyncGenerator[bytes, None]:
        async for chunk in request.stream():
            yield chunk
        if not parser.is_complete:
            raise MultiPartException("The form is incomplete: its final boundary is missing")

    async with contextlib.aclosing(chunks()) as stream:
        parser = _CompleteFormParser(
            request.headers, stream, max_files=max_files, max_fields=_MAX_FIELDS, max_part_size=_MAX_FIELD_BYTES
        )
        try:
            return await parser.parse()
        except MultiPartException as error:
            raise MalformedInput(error.message) from None
        except UnicodeError:  # from the charset that the client declares
            raise MalformedInput("The text of the form cannot be decoded. Send it as UTF-8.") from None
        except OSError as error:  # the parser writes large files to disk
            raise Unavailable("There is no disk space for the file. Try again later.", retry_after=60) from error


def _text_fields(form: FormData, field: str) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in form.multi_items():
        if name == field:
            continue
        if name in values:
            raise InvalidInput([FieldError(("body", name), "Give this field once", "repeated")])
        values[name] = value
    return values


def _uploaded_files(form: FormData, field: str) -> list[UploadedFile]:
    values = form.getlist(field)
    files = [UploadedFile(value.file, value.filename or "") for value in values if isinstance(value, UploadFile)]
    if len(values) > max(len(files), 1):
        raise InvalidInput([FieldError(("body", field), "Give this field once", "repeated")])
    if not files:
        raise InvalidInput([FieldError(("body", field), _MISSING_FILE, "missing")])
    return files
