"""Signed, URL-safe tokens, each valid for one purpose, and random secrets."""

import hashlib
import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import SecretStr


class Purpose(StrEnum):
    """Purposes of signed tokens. The value is the salt, so that a token of one purpose is invalid for every other."""

    TOKEN = "blog.token"  # noqa: S105 (a salt, not a secret)
    SETUP_LINK = "blog.setup-link"
    PASSWORD_LINK = "blog.password-link"  # noqa: S105 (a salt, not a secret)
    PREVIEW_LINK = "blog.preview-link"
    INVITATION = "blog.invitation"
    COMMENT_FORM = "blog.comment-form"
    PENDING_SIGN_IN = "blog.two-factor"
    DEVICE = "blog.device"
    PASSKEY_REGISTRATION = "blog.passkey-registration"
    PASSKEY_SIGN_IN = "blog.passkey-sign-in"
    EMAIL_LINK = "blog.email-link"


class Signer:
    """Signs with `SECRET_KEY` (itsdangerous, HMAC-SHA-256) and accepts signatures of `SECRET_KEY_PREVIOUS`."""

    def __init__(self, secret: SecretStr, previous_secrets: Sequence[SecretStr] = ()) -> None:
        oldest_first = [key.get_secret_value() for key in (*reversed(previous_secrets), secret)]  # the last one signs
        self._serializers = {
            purpose: URLSafeTimedSerializer(oldest_first, salt=purpose.value, signer_kwargs={"digest_method": hashlib.sha256})
            for purpose in Purpose
        }

    def sign(self, purpose: Purpose, payload: list[Any]) -> str:
        """Return a token that contains the payload (JSON values) and the time of signing."""
        text = self._serializers[purpose].dumps(payload)
        return text if isinstance(text, str) else text.decode("ascii")

    def unsign(self, purpose: Purpose, text: str, max_age: int | None = None) -> list[Any] | None:
        """Return the payload, or None if the token is not valid for this purpose or older than `max_age` seconds."""
        try:
            payload = self._serializers[purpose].loads(text, max_age=max_age)
        except BadData:
            return None
        return payload if isinstance(payload, list) else None


def generate_secret() -> str:
    """Return 256 random bits as URL-safe text."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """Return the SHA-256 of a random secret in hex, for storage. Only secrets that people choose need a slow hash."""
    return hashlib.sha256(secret.encode()).hexdigest()
