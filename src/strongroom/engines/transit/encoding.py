"""Base64 as Go reads it, and the form `vault:v<version>:<base64>` of everything that transit makes.

Line breaks are skipped; missing padding and the URL-safe alphabet are refused, and the refusal says where.
"""

from __future__ import annotations

import base64
import binascii
import re
from binascii import a2b_base64, b2a_base64

from strongroom.api.aside import breathe
from strongroom.errors import BadRequest

PREFIX = "vault:v"

#: Larger texts are converted in pieces, between which other threads get their turn.
CHUNK = 1 << 20

_STRANGE = re.compile(r"[^A-Za-z0-9+/\r\n]")
_VISIBLE = re.compile(r"[^\r\n]")


class InvalidBase64(ValueError):
    """Text that is not base64; the message is for the client."""


def decode(text: str) -> bytes:
    """The bytes that standard base64 stands for; raises `InvalidBase64` with the place of the first fault."""
    if len(text) > CHUNK:
        return _decode_large(text)
    try:
        return _strict(text)
    except ValueError:  # binascii.Error is one; so is the refusal of what is not ASCII
        return _decode_lines(text)


def _strict(text: str) -> bytes:
    if len(text) % 4 or text[-3:] == "===":
        raise ValueError("padding that Python lets pass")  # behind a whole group
    return a2b_base64(text, strict_mode=True)


def encode(data: bytes, prefix: str = "") -> str:
    """Standard base64 with padding, behind a prefix."""
    if len(data) <= CHUNK:
        return prefix + b2a_base64(data, newline=False).decode()
    step = CHUNK // 3 * 3
    pieces = []
    for at in range(0, len(data), step):
        pieces.append(b2a_base64(data[at : at + step], newline=False).decode())
        breathe()
    return "".join((prefix, *pieces))  # one copy: the text may be long


def _decode_large(text: str) -> bytes:
    if "\n" in text or "\r" in text:
        return _decode_lines(text)
    pieces = []
    for at in range(0, len(text), CHUNK):
        piece = text[at : at + CHUNK]
        try:
            pieces.append(_strict(piece))
        except ValueError:
            raise _fault(text) from None
        if piece[-1] == "=" and at + CHUNK < len(text):
            raise _fault(text)
        breathe()
    return b"".join(pieces)


def _decode_lines(text: str) -> bytes:
    bare = text.replace("\n", "").replace("\r", "")
    try:
        return _strict(bare)
    except ValueError:
        raise _fault(text) from None


def _fault(text: str) -> InvalidBase64:
    return InvalidBase64(f"illegal base64 data at input byte {fault_at(text)}")


def fault_at(text: str) -> int:
    """Where Go's decoder stops: at the first character it cannot take, or where an incomplete group begins."""
    found = _STRANGE.search(text)
    at = found.start() if found else len(text)
    in_group = (at - text.count("\n", 0, at) - text.count("\r", 0, at)) % 4
    if found is None:
        return at - in_group
    if found[0] != "=" or in_group < 2:
        return at
    following = _VISIBLE.search(text, at + 1)
    if in_group == 2:
        if following is None:
            return len(text)
        if following[0] != "=":
            return following.start() - 1
        following = _VISIBLE.search(text, following.end())
    return following.start() if following else len(text)


def decode_input(text: str) -> bytes:
    """What is to be signed or hashed; raises `BadRequest`."""
    try:
        return decode(text)
    except InvalidBase64 as e:
        raise BadRequest(f"unable to decode input as base64: {e}") from None


def decode_context(text: str) -> bytes:
    """A key's context, outside batches of encryption; raises `BadRequest`."""
    try:
        return decode(text)
    except InvalidBase64:
        raise BadRequest("failed to base64-decode context") from None


def url_encode(data: bytes) -> str:
    """URL-safe base64 without padding, as JWS has it."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def url_decode(text: str) -> bytes:
    """The bytes of URL-safe base64 without padding; raises `InvalidBase64`."""
    if "=" in text or "+" in text or "/" in text:
        raise InvalidBase64("illegal base64 data")
    try:
        return a2b_base64(text.replace("-", "+").replace("_", "/") + "=" * (-len(text) % 4), strict_mode=True)
    except (binascii.Error, ValueError):
        raise InvalidBase64("illegal base64 data") from None


def split(text: str, kind: str, prefix_kind: str = "") -> tuple[int, str]:
    """The version and the base64 of a ciphertext, signature or HMAC (`kind` in refusals); raises `BadRequest`."""
    if not text.startswith(PREFIX):
        raise BadRequest(f"invalid {prefix_kind or kind}: no prefix")
    # Not by `partition`, which copies a long text once more.
    colon = text.find(":", len(PREFIX))
    if colon < 0:
        raise BadRequest(f"invalid {kind}: wrong number of fields")
    version = text[len(PREFIX) : colon]
    digits = version[1:] if version[:1] in ("-", "+") else version
    if not digits.isascii() or not digits.isdecimal() or len(digits) > 18:
        raise BadRequest(f"invalid {kind}: version number could not be decoded")
    return int(version), text[colon + 1 :]
