"""Keys as text: base32 (RFC 4648) and the `otpauth://` URLs of authenticator apps."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, quote, unquote, urlencode, urlsplit

from strongroom.errors import BadRequest

#: What a label keeps as it is; the rest is percent-encoded.
_SAFE = "$&+,/:;=@"
_STRANGE = re.compile(r"[^A-Z2-7]")
#: Lengths (modulo 8) that no whole number of bytes has.
_IMPOSSIBLE = (1, 3, 6)


def decode_key(text: str) -> bytes:
    """The bytes of base32 in either case, its padding optional; raises `BadRequest` with the place of the fault."""
    bare = text.upper().replace("\n", "").replace("\r", "").rstrip("=")
    strange = _STRANGE.search(bare)
    if strange or len(bare) % 8 in _IMPOSSIBLE or not bare:
        at = strange.start() if strange else len(bare)
        raise BadRequest(f"invalid key value: illegal base32 data at input byte {at}")
    return base64.b32decode(bare + "=" * (-len(bare) % 8))


def encode_key(secret: bytes) -> str:
    """Base32 without padding."""
    return base64.b32encode(secret).decode().rstrip("=")


@dataclass(frozen=True, slots=True)
class Imported:
    """What a URL says; what it leaves out is None or empty."""

    key: str
    issuer: str
    account: str
    period: int | None = None
    digits: int | None = None
    algorithm: str = ""

    def __repr__(self) -> str:
        return f"Imported({self.issuer!r}, {self.account!r})"


def parse_url(text: str) -> Imported:
    """Read an `otpauth://` URL; raises `BadRequest`."""
    try:
        url = urlsplit(text)
        query = {name: values[0] for name, values in parse_qs(url.query, keep_blank_values=True).items()}
    except ValueError:
        raise BadRequest("an error occurred while parsing url string") from None
    issuer, colon, account = unquote(url.path.removeprefix("/")).partition(":")
    if not colon:
        issuer, account = "", issuer
    return Imported(
        key=query.get("secret", ""),
        issuer=query.get("issuer") or issuer,
        account=account,
        period=_number(query, "period"),
        digits=_number(query, "digits"),
        algorithm=query.get("algorithm", ""),
    )


def _number(query: dict[str, str], name: str) -> int | None:
    text = query.get(name, "")
    if not text:
        return None
    if not (text.isascii() and text.isdecimal() and len(text) < 19):
        raise BadRequest(f"an error occurred while parsing {name} value in url")
    return int(text)


def make_url(issuer: str, account: str, secret: bytes, *, period: int, digits: int, algorithm: str) -> str:
    """The URL of a key, its parameters in the order of their names."""
    query = {
        "algorithm": algorithm,
        "digits": digits,
        "issuer": issuer,
        "period": period,
        "secret": encode_key(secret),
    }
    label = quote(f"{issuer}:{account}", safe=_SAFE)
    return f"otpauth://totp/{label}?{urlencode(query, quote_via=quote, safe='')}"
