"""Signed texts, each for one purpose only, and the random secrets inside them."""

import hashlib
import secrets
from collections.abc import Sequence
from enum import StrEnum
from typing import Any

from itsdangerous import BadData, URLSafeTimedSerializer
from pydantic import SecretStr


class Purpose(StrEnum):
    """What a signed text may be used for: each has a salt of its own, so that none passes as another."""

    TOKEN = "blog.token"  # noqa: S105 (a salt, no secret)
    SETUP_LINK = "blog.owner-link"
    PASSWORD_LINK = "blog.password-link"  # noqa: S105 (likewise)
    PREVIEW_LINK = "blog.preview-link"
    INVITATION = "blog.invitation"
    COMMENT_FORM = "blog.comment-form"
    PENDING_SIGN_IN = "blog.second-factor"
    DEVICE = "blog.device"
    PASSKEY_REGISTRATION = "blog.passkey-registration"
    PASSKEY_SIGN_IN = "blog.passkey-sign-in"
    EMAIL_LINK = "blog.email-link"


class Signer:
    """Signs with the site's secret (itsdangerous, HMAC-SHA-256); what the secrets before it signed still holds."""

    def __init__(self, secret: SecretStr, previous_secrets: Sequence[SecretStr] = ()) -> None:
        oldest_first = [key.get_secret_value() for key in (*reversed(previous_secrets), secret)]  # the last one signs
        self._serializers = {
            purpose: URLSafeTimedSerializer(oldest_first, salt=purpose.value, signer_kwargs={"digest_method": hashlib.sha256})
            for purpose in Purpose
        }

    def sign(self, purpose: Purpose, payload: list[Any]) -> str:
        """A URL-safe text that carries the payload (JSON values) and the instant of signing."""
        text = self._serializers[purpose].dumps(payload)
        return text if isinstance(text, str) else text.decode("ascii")

    def unsign(self, purpose: Purpose, text: str, max_age: int | None = None) -> list[Any] | None:
        """The payload, or None when the text was not signed for this purpose or more than `max_age` seconds ago."""
        try:
            payload = self._serializers[purpose].loads(text, max_age=max_age)
        except BadData:
            return None
        return payload if isinstance(payload, list) else None


def generate_secret() -> str:
    """256 random bits, URL-safe."""
    return secrets.token_urlsafe(32)


def hash_secret(secret: str) -> str:
    """What the database keeps of a random secret: SHA-256 in hex (a slow hash is for secrets that people choose)."""
    return hashlib.sha256(secret.encode()).hexdigest()
