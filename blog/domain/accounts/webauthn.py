"""WebAuthn options and verification, with the package `webauthn`.

The package is optional (`pip install '.[passkeys]'`), so it is imported where it is used.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

TIMEOUT_SECONDS = 300
"""Time limit for the user to confirm with fingerprint, face or PIN, in seconds."""


class VerificationFailed(Exception):
    """A response that does not match the challenge or the key; the message is for the log."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """The blog as a relying party: the host name that keys are bound to (`rp_id`), its name, and the origin of its pages."""

    rp_id: str
    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A stored key: its id, its public part (COSE), and its signature counter (0 if the authenticator has none)."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


@cache
def is_installed() -> bool:
    """Return whether the optional package is installed."""
    return find_spec("webauthn") is not None


def creation_options(
    relying_party: RelyingParty, challenge: bytes, user_handle: bytes, username: str, name: str, excluded_ids: Sequence[bytes]
) -> dict[str, Any]:
    """Return the options for `navigator.credentials.create()`: a discoverable credential with user verification required.

    `user_handle` is a random id of the account, `name` the display name; `excluded_ids` are the credentials that the user has.
    """
    from webauthn import generate_registration_options, options_to_json
    from webauthn.helpers.structs import (
        AuthenticatorSelectionCriteria,
        PublicKeyCredentialDescriptor,
        ResidentKeyRequirement,
        UserVerificationRequirement,
    )

    options = generate_registration_options(
        rp_id=relying_party.rp_id,
        rp_name=relying_party.name,
        user_id=user_handle,
        user_name=username,
        user_display_name=name,
        challenge=challenge,
        timeout=TIMEOUT_SECONDS * 1000,
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=credential_id) for credential_id in excluded_ids],
    )
    return _options_from_json(options_to_json(options))


def request_options(relying_party: RelyingParty, challenge: bytes) -> dict[str, Any]:
    """Return the options for `navigator.credentials.get()`: any credential of this site."""
    from webauthn import generate_authentication_options, options_to_json
    from webauthn.helpers.structs import UserVerificationRequirement

    options = generate_authentication_options(
        rp_id=relying_party.rp_id,
        challenge=challenge,
        timeout=TIMEOUT_SECONDS * 1000,
        user_verification=UserVerificationRequirement.REQUIRED,
    )
    return _options_from_json(options_to_json(options))


def verify_registration(relying_party: RelyingParty, challenge: bytes, response_json: str) -> Credential:
    """Return the key in a registration response (the JSON of `PublicKeyCredential.toJSON()`). Raises VerificationFailed."""
    from webauthn import verify_registration_response

    try:
        verified = verify_registration_response(
            credential=response_json,
            expected_challenge=challenge,
            expected_rp_id=relying_party.rp_id,
            expected_origin=relying_party.origin,
            require_user_verification=True,
        )
    except _invalid_input_errors() as error:
        raise VerificationFailed(f"{type(error).__name__}: {error}") from error
    return Credential(verified.credential_id, verified.credential_public_key, verified.sign_count)


def parse_assertion(response_json: str) -> tuple[bytes, bytes]:
    """Return the credential id and the user handle in a sign-in response, not verified yet. Raises VerificationFailed."""
    from webauthn.helpers import parse_authentication_credential_json

    try:
        parsed = parse_authentication_credential_json(response_json)
    except _invalid_input_errors() as error:
        raise VerificationFailed(f"{type(error).__name__}: {error}") from error
    return parsed.raw_id, parsed.response.user_handle or b""


def verify_assertion(relying_party: RelyingParty, challenge: bytes, stored_credential: Credential, response_json: str) -> int:
    """Verify a sign-in response with the stored key, and return the new signature counter.

    Raises VerificationFailed, also if the counter has not increased, as with a cloned key.
    """
    from webauthn import verify_authentication_response

    try:
        verified = verify_authentication_response(
            credential=response_json,
            expected_challenge=challenge,
            expected_rp_id=relying_party.rp_id,
            expected_origin=relying_party.origin,
            credential_public_key=stored_credential.public_key,
            credential_current_sign_count=stored_credential.sign_count,
            require_user_verification=True,
        )
    except _invalid_input_errors() as error:
        raise VerificationFailed(f"{type(error).__name__}: {error}") from error
    return verified.new_sign_count


def _invalid_input_errors() -> tuple[type[Exception], ...]:
    """Return the exceptions that the package raises for invalid input: its own, and those of its parsers."""
    from webauthn.helpers.exceptions import WebAuthnException

    return WebAuthnException, ValueError, KeyError, TypeError, AttributeError


def _options_from_json(options: str) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(options)
    return parsed
