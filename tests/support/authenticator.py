"""A software authenticator for passkeys: the responses of a browser, and forged ones."""

import base64
import hashlib
import json
import os
from collections.abc import Mapping
from typing import Any

import cbor2
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

PRESENT, VERIFIED, ATTESTED = 0x01, 0x04, 0x40


class Device:
    """One key (ECDSA P-256) for one account. Set `count`, `flags`, `rp_id`, `origin` or `user_handle` to forge a response."""

    def __init__(self, origin: str, rp_id: str, *, counts: bool = True) -> None:
        self.origin, self.rp_id, self.counts = origin, rp_id, counts
        self.credential_id = os.urandom(16)
        self.count = 0
        self.flags = PRESENT | VERIFIED
        self.user_handle = b""
        self._key = ec.generate_private_key(ec.SECP256R1())

    def create(self, options: Mapping[str, Any]) -> str:
        """Return the result of `navigator.credentials.create()` as JSON."""
        self.user_handle = unpacked(options["user"]["id"])
        key = self.credential_id
        attested = bytes(16) + len(key).to_bytes(2, "big") + key + cbor2.dumps(self._public_key())
        statement = {"fmt": "none", "attStmt": {}, "authData": self._data(self.flags | ATTESTED) + attested}
        response = {
            "attestationObject": packed(cbor2.dumps(statement)),
            "clientDataJSON": packed(self._client_data("webauthn.create", options)),
            "transports": ["internal"],
        }
        return self._credential(response)

    def get(self, options: Mapping[str, Any]) -> str:
        """Return the result of `navigator.credentials.get()` as JSON."""
        self.count += self.counts
        data, client_data = self._data(self.flags), self._client_data("webauthn.get", options)
        signature = self._key.sign(data + hashlib.sha256(client_data).digest(), ec.ECDSA(hashes.SHA256()))
        response = {
            "authenticatorData": packed(data),
            "clientDataJSON": packed(client_data),
            "signature": packed(signature),
            "userHandle": packed(self.user_handle),
        }
        return self._credential(response)

    def _data(self, flags: int) -> bytes:
        return hashlib.sha256(self.rp_id.encode()).digest() + bytes([flags]) + self.count.to_bytes(4, "big")

    def _public_key(self) -> dict[int, Any]:
        numbers = self._key.public_key().public_numbers()
        return {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")}

    def _client_data(self, kind: str, options: Mapping[str, Any]) -> bytes:
        return json.dumps({"type": kind, "challenge": options["challenge"], "origin": self.origin}).encode()

    def _credential(self, response: Mapping[str, Any]) -> str:
        name = packed(self.credential_id)
        return json.dumps({"id": name, "rawId": name, "type": "public-key", "response": response, "clientExtensionResults": {}})


def packed(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unpacked(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
