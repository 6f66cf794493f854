"""Encryption of a backup with age (https://age-encryption.org), by the library pyrage.

The server needs the public key alone: whoever takes over the server reads no earlier backup.
"""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from labeling.server.dumps import BackupError

HEAD = b"age-encryption.org/v1"


def is_encrypted(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(len(HEAD)) == HEAD


@contextmanager
def encrypting(target: IO[bytes], recipient: str) -> Iterator[IO[bytes]]:
    """A stream, not seekable, whose bytes are encrypted into `target` for a public key `age1...`.

    The plain bytes pass through a pipe and reach no disk. Raises BackupError: for a key that is none before anything
    is written, and where `target` cannot be written.
    """
    key = _public_key(recipient)
    reading, writing = os.pipe()
    with ThreadPoolExecutor(max_workers=1) as pool:
        encrypted = pool.submit(_encrypt, reading, target, key)
        try:
            with os.fdopen(writing, "wb") as plain:
                yield plain
        except BrokenPipeError:
            encrypted.result()  # raises why the other end was closed
            raise
        encrypted.result()


def _public_key(recipient: str) -> Any:  # untyped: pyrage has no types
    pyrage = _library()
    try:
        return pyrage.x25519.Recipient.from_str(recipient)
    except pyrage.RecipientError as error:
        raise BackupError(f"{recipient!r} is no public key of age, which begins with age1: {error}") from None


def _encrypt(reading: int, target: IO[bytes], key: Any) -> None:  # untyped: pyrage has no types
    """Encrypt what comes from a pipe; its end is closed whatever happens, so that the writer does not wait for ever."""
    with os.fdopen(reading, "rb") as source:
        pyrage = _library()
        try:
            pyrage.encrypt_io(source, target, [key])
        except pyrage.EncryptError as error:  # also where the disk is full
            raise BackupError(f"The backup cannot be encrypted: {error}") from None


def decrypt(path: Path, target: Path, identity: Path) -> None:
    """Write what an encrypted backup holds to `target`. Raises BackupError."""
    pyrage = _library()
    lines = identity.read_text().splitlines()
    secret = next((line.strip() for line in lines if line.startswith("AGE-SECRET-KEY-")), "")
    try:
        key = pyrage.x25519.Identity.from_str(secret)
    except pyrage.IdentityError:
        raise BackupError(f"{identity} holds no private key of age (a line AGE-SECRET-KEY-1...).") from None
    try:
        target.touch(mode=0o600)
        pyrage.decrypt_file(str(path), str(target), [key])
    except pyrage.DecryptError as error:
        raise BackupError(f"{path} cannot be decrypted by {identity}: {error}") from None  # or the disk is full


def new_key() -> tuple[str, str]:
    """A private and a public key, as age-keygen makes them."""
    made = _library().x25519.Identity.generate()
    return str(made), str(made.to_public())


def _library() -> Any:  # untyped: pyrage has no types
    import pyrage  # type: ignore[import-untyped]

    return pyrage
