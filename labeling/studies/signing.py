"""The key that this server signs bundles with."""

import base64
import hmac

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat


def signing_key(secret: str) -> Ed25519PrivateKey:
    """This server's key, from its secret: nothing more to keep, and the same after a restore from backup."""
    return Ed25519PrivateKey.from_private_bytes(hmac.digest(secret.encode(), b"boxwise.studies.bundle", "sha256"))


def public_key(key: Ed25519PrivateKey) -> str:
    return base64.b64encode(key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)).decode()
