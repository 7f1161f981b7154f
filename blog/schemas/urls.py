"""Field types of URLs."""

import re
from typing import Annotated

from pydantic import AfterValidator, AnyUrl, Field, StringConstraints, TypeAdapter, UrlConstraints, ValidationError
from pydantic_core import PydanticCustomError

from blog.schemas.fields import EMPTY_IS_NULL

MAX_URL_LENGTH = 2000
_HTTP_URL: TypeAdapter[AnyUrl] = TypeAdapter(
    Annotated[AnyUrl, UrlConstraints(allowed_schemes=["http", "https"], host_required=True)]
)
_MEDIA_PATH = re.compile(r"(?:/[\w.~-]+)*/media/[0-9a-f]{64}\.[a-z]{3,4}")


def _normalise_url(value: str) -> str:
    try:
        url = _HTTP_URL.validate_python(value)
    except ValidationError:
        raise PydanticCustomError("url", "Not a web address. Use a URL such as https://example.org/page") from None
    if url.username is not None or url.password is not None:
        raise PydanticCustomError("url", "Remove the user name and the password from this URL")
    if len(str(url)) > MAX_URL_LENGTH:  # encoding makes it longer
        raise PydanticCustomError("too_long", "Use at most {limit} characters", {"limit": MAX_URL_LENGTH})
    return str(url)


def _normalise_image_url(value: str) -> str:
    return value if _MEDIA_PATH.fullmatch(value) else _normalise_url(value)


WebUrl = Annotated[
    str,
    StringConstraints(max_length=MAX_URL_LENGTH),
    AfterValidator(_normalise_url),
    Field(json_schema_extra={"pattern": "^(?:[Hh][Tt][Tt][Pp][Ss]?:|$)"}),  # no format: browsers know more URLs than RFC 3986
]
"""An absolute http or https URL without credentials, in the spelling of browsers. Empty text is accepted as null."""
ImageUrl = Annotated[
    str,
    StringConstraints(strip_whitespace=True, min_length=1, max_length=MAX_URL_LENGTH),
    AfterValidator(_normalise_image_url),
    Field(json_schema_extra={"format": "uri-reference", "pattern": "^(?:[Hh][Tt][Tt][Pp][Ss]?:|/)"}),
]
"""The URL of an image: of another site, or of an uploaded image, which may be a path."""
OptionalUrl = Annotated[WebUrl | None, EMPTY_IS_NULL]
