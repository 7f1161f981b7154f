"""The type of e-mail addresses in models."""

from typing import Annotated

from pydantic import AfterValidator, Field, validate_email


def _validate(value: str) -> str:
    return validate_email(value)[1]


EmailAddress = Annotated[str, AfterValidator(_validate), Field(json_schema_extra={"format": "email"})]
"""As pydantic's `EmailStr`, which imports `email_validator` when a model is defined: 0.1 s of a start. This waits for a value."""
