"""WebAuthn, as the package `webauthn` verifies it: what a browser is asked for, and whether its answer is true.

The package is an extra (`pip install '.[passkeys]'`): it is loaded when somebody uses a passkey, not before.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from typing import Any

TIMEOUT_SECONDS = 300
"""How long a browser may ask its user for a finger, a face or a PIN."""


class VerificationFailed(Exception):
    """What the browser sent is not what was asked for; the message is for the log."""


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Who asks: the host name that keys are bound to (`rp_id`), the name of the blog, and the origin of its pages."""

    rp_id: str
    name: str
    origin: str


@dataclass(frozen=True, slots=True)
class Credential:
    """A key: id and public part (COSE) as bytes, and how often its authenticator says that it has signed (0: it does not)."""

    credential_id: bytes
    public_key: bytes
    sign_count: int


@cache
def is_installed() -> bool:
    """Is the extra there?"""
    return find_spec("webauthn") is not None


def creation_options(
    relying_party: RelyingParty, challenge: bytes, user_handle: bytes, username: str, name: str, excluded_ids: Sequence[bytes]
) -> dict[str, Any]:
    """What `navigator.credentials.create` is asked for: a key that can be found without a name, and verifies its user."""
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
    """What `navigator.credentials.get` is asked for: any key of this site, whoever has it."""
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
    """The key that the browser made (JSON as of `PublicKeyCredential.toJSON`). Raises NotProved."""
    from webauthn import verify_registration_response

    try:
        made = verify_registration_response(
            credential=response_json,
            expected_challenge=challenge,
            expected_rp_id=relying_party.rp_id,
            expected_origin=relying_party.origin,
            require_user_verification=True,
        )
    except _invalid_input_errors() as error:
        raise VerificationFailed(f"{type(error).__name__}: {error}") from error
    return Credential(made.credential_id, made.credential_public_key, made.sign_count)


def parse_assertion(response_json: str) -> tuple[bytes, bytes]:
    """Which key the browser says that it used, and whose it is by the authenticator's memory. Raises NotProved."""
    from webauthn.helpers import parse_authentication_credential_json

    try:
        parsed = parse_authentication_credential_json(response_json)
    except _invalid_input_errors() as error:
        raise VerificationFailed(f"{type(error).__name__}: {error}") from error
    return parsed.raw_id, parsed.response.user_handle or b""


def verify_assertion(relying_party: RelyingParty, challenge: bytes, stored_credential: Credential, response_json: str) -> int:
    """How often the key has signed by now. Raises NotProved: also when it is no more than before, as that of a copy."""
    from webauthn import verify_authentication_response

    try:
        proved = verify_authentication_response(
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
    return proved.new_sign_count


def _invalid_input_errors() -> tuple[type[Exception], ...]:
    """What the package raises for what a client sends: its own errors, and those of the parsers below it."""
    from webauthn.helpers.exceptions import WebAuthnException

    return WebAuthnException, ValueError, KeyError, TypeError, AttributeError


def _options_from_json(options: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(options)
    return found
