"""Files of OpenPGP keys that flags name."""

from __future__ import annotations

import base64
import binascii

from strongroom.cli.command import Refused
from strongroom.cli.data import os_error


def pgp_keys(words: list[str]) -> list[str]:
    """The public keys in base64, of files in binary, base64 or armour.

    Each word is one or more file names with commas between, and may have a `@` before each.

    Raises:
        Refused: a file does not read, or holds a private key.
    """
    names = (part.strip().removeprefix("@") for word in words for part in word.split(","))
    return [base64.b64encode(_read(name)).decode() for name in names]


def _read(name: str) -> bytes:
    from strongroom.crypto.openpgp import is_private

    if name.startswith("keybase:"):
        raise Refused(f"{name}: keys are not fetched from Keybase; save the key to a file")
    try:
        with open(name, "rb") as file:  # noqa: PTH123
            content = file.read()
    except OSError as error:
        raise Refused(f"open {name}: {os_error(error)}") from None
    key = content if is_private(content) else _binary(name, content)
    # Before it leaves the machine.
    if is_private(key):
        raise Refused(f"{name}: this is a private key; give the public one, as by: gpg --armor --export NAME")
    return key


def _binary(name: str, content: bytes) -> bytes:
    if b"-----BEGIN PGP" in content:
        return _unarmoured(name, content)
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        return content


def _unarmoured(name: str, content: bytes) -> bytes:
    """The bytes within armour (RFC 9580, section 6): header lines, an empty line, base64, perhaps a checksum."""
    blocks = content.replace(b"\r", b"").split(b"-----BEGIN PGP")[1:]
    if len(blocks) > 1:
        raise Refused(f'more than one key found in file "{name}"')
    lines = [line.strip() for line in blocks[0].split(b"\n")]
    if b"" not in lines:
        raise Refused(f"{name}: the armour has no empty line after its headers")
    text = b""
    for line in lines[lines.index(b"") + 1 :]:
        if line[:1] in b"=-" and line:
            break
        text += line
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise Refused(f"{name}: what is within the armour is not base64") from None
