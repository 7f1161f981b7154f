"""What the client sent, checked: JSON bodies, query strings, ids in paths."""

from typing import Any, TypeVar, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails, from_json
from starlette.convertors import IntegerConvertor, register_url_convertor
from starlette.requests import Request
from starlette.types import Message

from blog.errors import FieldError, InvalidInput, MalformedInput, PayloadTooLarge, UnsupportedMedia
from blog.framework.request.json_limits import check_limits, check_value_count
from blog.framework.request.state import app_state
from blog.settings import Settings

M = TypeVar("M", bound=BaseModel)


async def read_json(request: Request, model: type[M]) -> M:
    """The body as a model. Raises UnsupportedMedia, MalformedInput (not JSON at all), InvalidInput (JSON, but not this model)."""
    # By hand: body parameters. FastAPI reads, decodes and validates the body for a parameter `new: NewPost`.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise UnsupportedMedia("Send the body as application/json")
    body = await with_body_limit(request).body()
    decode_json(body, app_state(request).site.settings)
    try:
        # Strictly: a form's "3" is a number, but that of a JSON body is text.
        return model.model_validate_json(body, strict=True)
    except ValidationError as error:
        raise InvalidInput(field_errors(error, "body")) from None


def with_body_limit(request: Request, limit: int | None = None) -> Request:
    """The same request with a body of at most `limit` (else `max_body_bytes`) bytes; reading more raises TooLarge.

    Starlette's own limit answers in plain text, whatever the door.
    """
    most = limit or app_state(request).site.settings.max_body_bytes
    received = 0

    async def receive() -> Message:
        nonlocal received
        message = await request.receive()
        received += len(message.get("body", b""))
        if received > most:
            raise PayloadTooLarge(f"The body is larger than {most} bytes")
        return message

    declared = request.headers.get("content-length", "0")
    if declared.isascii() and declared.isdigit() and (len(declared) > 18 or int(declared) > most):
        raise PayloadTooLarge(f"The body is larger than {most} bytes")
    return Request(request.scope, receive)


def decode_json(body: bytes | str, settings: Settings) -> Any:
    """Decode strictly. Raises MalformedInput, also for bad UTF-8, NaN, half surrogates, and what is beyond the bounds."""
    check_value_count(body.encode(errors="surrogatepass") if isinstance(body, str) else body, settings)
    try:
        value = from_json(body, allow_inf_nan=False)
    except ValueError as error:
        raise MalformedInput(f"The body is not JSON: {error}") from None
    check_limits(value, settings)
    return value


def read_query(request: Request, model: type[M]) -> M:
    """The query string as a model. Raises InvalidInput, also for unknown and repeated names."""
    # By hand: query parameters. FastAPI declares each as a function parameter with Query().
    lists = {name for name, field in model.model_fields.items() if get_origin(field.annotation) is list}
    values: dict[str, Any] = {name: request.query_params.getlist(name) for name in lists if name in request.query_params}
    for name, value in request.query_params.multi_items():
        if name in lists:
            continue
        if name in values:
            raise InvalidInput([FieldError(("query", name), "Give this parameter once", "repeated")])
        values[name] = value
    if named := [name for name, value in request.query_params.multi_items() if "\0" in value]:
        raise InvalidInput([FieldError(("query", name), "A null byte can be no part of this", "null_byte") for name in named])
    return validate(model, values, "query")


def validate(model: type[M], values: Any, source: str) -> M:
    """Raises InvalidInput with each place as `(source, …)`. Only here and above is a ValidationError the client's fault."""
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InvalidInput(field_errors(error, source)) from None


def field_errors(error: ValidationError, *source: str) -> list[FieldError]:
    """Pydantic's errors without the rejected values."""
    details = error.errors(include_url=False, include_input=False, include_context=False)
    return [FieldError((*source, *detail["loc"]), _message(detail), detail["type"]) for detail in details]


def _message(detail: ErrorDetails) -> str:
    # The e-mail validator's reason, behind the colon, quotes parts of the address.
    return detail["msg"].partition(":")[0] if detail["type"] == "value_error" else detail["msg"]


class IdConvertor(IntegerConvertor):
    """`{id:id}`: a number that fits into 64 bits; Starlette's `int` takes any number of digits."""

    # By hand: path parameters. FastAPI takes them from the signature and answers 422; here what is no id is no page: 404.
    regex = "[0-9]{1,18}"


register_url_convertor("id", IdConvertor())
