"""Parse and validate JSON bodies, query strings and ids in paths."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.convertors import IntegerConvertor, PathConvertor, register_url_convertor
from starlette.requests import Request
from starlette.types import Message

from blog.errors import FieldError, InvalidInput, MalformedInput, PayloadTooLarge, UnsupportedMedia
from blog.framework.request.json_limits import check_limits, check_value_count
from blog.framework.request.state import app_state

M = TypeVar("M", bound=BaseModel)


FieldCheck = Callable[[Mapping[str, Any]], Awaitable[Sequence[FieldError]]]


async def read_json(
    request: Request, model: type[M], check_valid: FieldCheck | None = None, *, max_bytes: int | None = None
) -> M:
    """Return the JSON body as a model.

    max_bytes: the limit of the body; defaults to the setting `max_body_bytes`.
    check_valid: gets the valid members of a body with invalid ones, and returns further errors, so that all are reported at once.

    Raises UnsupportedMedia, PayloadTooLarge, MalformedInput (not JSON) and InvalidInput (JSON that does not fit the model).
    """
    # By hand: body parameters. FastAPI reads, decodes and validates the body for a parameter `new: NewPost`.
    if media_type(request) != "application/json":
        raise UnsupportedMedia("Send the body as application/json")
    body = await with_body_limit(request, max_bytes).body()
    value = decode_json(body)
    try:
        # Strict: "3" is a number in a form but a string in JSON.
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        errors = field_errors(error, "body")
    if check_valid and isinstance(value, dict):
        invalid = {error.loc[1] for error in errors if len(error.loc) > 1}
        errors += await check_valid({name: member for name, member in value.items() if name not in invalid})
    raise InvalidInput(errors)


def media_type(request: Request) -> str:
    """Return the media type of the body, in lower case and without parameters."""
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def with_body_limit(request: Request, limit: int | None = None) -> Request:
    """Return the request with a limited body: reading more than `limit` bytes raises PayloadTooLarge.

    limit: defaults to the setting `max_body_bytes`. Starlette's own limit answers in plain text instead of a problem or a page.
    """
    max_bytes = limit or app_state(request).site.settings.max_body_bytes
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > max_bytes:
            raise PayloadTooLarge(f"The body is larger than {max_bytes} bytes. Send a smaller one.")
        return message

    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > max_bytes):
        raise PayloadTooLarge(f"The body is larger than {max_bytes} bytes. Send a smaller one.")
    return Request(request.scope, receive)


def decode_json(body: bytes | str) -> Any:
    """Decode JSON strictly. Raises MalformedInput, also for invalid UTF-8, NaN, lone surrogates and values over the limits."""
    check_value_count(body.encode(errors="surrogatepass") if isinstance(body, str) else body)
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedInput(f"The body is not JSON: {error}") from None
    check_limits(value)
    return value


def read_query(request: Request, model: type[M]) -> M:
    """Return the query string as a model. Raises InvalidInput, also for unknown and repeated parameters."""
    # By hand: query parameters. FastAPI declares each as a function parameter with Query().
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    values: dict[str, Any] = {name: request.query_params.getlist(name) for name in lists if name in request.query_params}
    for name, value in request.query_params.multi_items():
        if name in lists:
            continue
        if name in values:
            raise InvalidInput([FieldError(("query", name), "Use this parameter only once", "repeated")])
        values[name] = value
    if names := [name for name, value in request.query_params.multi_items() if "\0" in value]:
        raise InvalidInput([FieldError(("query", name), "Remove the null byte", "null_byte") for name in names])
    return validate(model, values, "query")


def validate(model: type[M], values: Any, source: str) -> M:
    """Return the values as a model. Raises InvalidInput.

    source: `body`, `query` or `header`, the first part of each error's `loc`.
    Only this module turns a ValidationError into a client error: any other one is a bug, and a 500.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidInput(field_errors(error, source)) from None


def parse_number(text: str) -> int:
    """Return a submitted version or id; 0, which no row has, if it is not a number."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def field_errors(error: ValidationError, *source: str) -> list[FieldError]:
    """Return Pydantic's errors without the rejected values."""
    details = error.errors(include_url=False, include_input=False)
    return [FieldError((*source, *detail["loc"]), _message(detail), detail["type"], detail.get("ctx", {})) for detail in details]


def _message(detail: ErrorDetails) -> str:
    # The reason after the colon, from the e-mail validator, quotes parts of the address.
    return detail["msg"].partition(":")[0] if detail["type"] == "value_error" else detail["msg"]


class IdConvertor(IntegerConvertor):
    """Path parameter `{id:id}`: a number that fits into 64 bits. Starlette's `int` accepts any number of digits."""

    # By hand: path parameters. FastAPI takes them from the signature and answers 422; here an invalid id matches no route: 404.
    regex = "[0-9]{1,18}"


register_url_convertor("id", IdConvertor())


class AnyPathConvertor(PathConvertor):
    """The path convertor `{…:path}`, of mounts too, which also takes line ends: a mount answers each path below it itself."""

    regex = "(?s:.*)"


register_url_convertor("path", AnyPathConvertor())
