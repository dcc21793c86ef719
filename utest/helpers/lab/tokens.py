"""JSON web tokens as the controller makes them: ES256 for identities (§8.11), HS256 for router streams (§8.6)."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

HALF = 32
"""Bytes of each half of a P-256 signature."""


class BadTokenError(Exception):
    """The text is no token, or somebody else signed it."""


class EllipticKey:
    """Signs with a P-256 key of its own."""

    algorithm = "ES256"

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())

    def sign(self, data: bytes) -> bytes:
        """The signature as two numbers, one after the other."""
        r, s = decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(HALF, "big") + s.to_bytes(HALF, "big")

    def fits(self, data: bytes, signature: bytes) -> bool:
        """Whether this key signed the data."""
        numbers = (int.from_bytes(signature[:HALF], "big"), int.from_bytes(signature[HALF:], "big"))
        try:
            self._key.public_key().verify(encode_dss_signature(*numbers), data, ec.ECDSA(hashes.SHA256()))
        except InvalidSignature:
            return False
        return True


class SharedKey:
    """Signs with a secret that controller and router share."""

    algorithm = "HS256"

    def __init__(self, secret: bytes) -> None:
        self._secret = secret

    def sign(self, data: bytes) -> bytes:
        """The HMAC of the data."""
        return hmac.new(self._secret, data, hashlib.sha256).digest()

    def fits(self, data: bytes, signature: bytes) -> bool:
        """Whether this secret signed the data."""
        return hmac.compare_digest(self.sign(data), signature)


def make(claims: dict[str, Any], key: EllipticKey | SharedKey) -> str:
    """A signed token."""
    signed = f"{_encode({'alg': key.algorithm, 'typ': 'JWT'})}.{_encode(claims)}"
    return f"{signed}.{_text(key.sign(signed.encode()))}"


def read(token: str, key: EllipticKey | SharedKey) -> dict[str, Any]:
    """The claims of a token that this key has signed; times are the caller's to judge.

    Raises:
        BadTokenError: it is none, or the key does not fit.
    """
    try:
        signed, _, signature = token.rpartition(".")
        header, claims = (json.loads(_bytes(part)) for part in signed.split("."))
        fits = header["alg"] == key.algorithm and key.fits(signed.encode(), _bytes(signature))
    except (ValueError, KeyError) as error:
        raise BadTokenError("malformed token") from error
    if not fits:
        raise BadTokenError("signature does not fit")
    return claims


def _encode(part: dict[str, Any]) -> str:
    return _text(json.dumps(part, separators=(",", ":")).encode())


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
