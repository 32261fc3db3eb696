"""Revocation lists as they come: PEM or DER, read within limits, away from the event loop when they are long."""

from __future__ import annotations

from typing import Final

from cryptography import x509

from strongroom.api.aside import LARGE, aside
from strongroom.auth.cert.engine import Revoked
from strongroom.auth.cert.pem import UNREADABLE

#: Bytes of a list, and entries.
MOST_BYTES: Final = 16 << 20
MOST_ENTRIES: Final = 250_000
#: Serial numbers have 20 bytes at most; some makers have not counted exactly.
_MOST_BITS: Final = 512


class BadList(ValueError):
    """No revocation list; the text says why."""


async def revoked_in(raw: bytes, url: str = "") -> Revoked:
    """What a list says; raises `BadList`."""
    return await aside(_read, raw, url) if len(raw) > LARGE else _read(raw, url)


def _read(raw: bytes, url: str) -> Revoked:
    if len(raw) > MOST_BYTES:
        raise BadList(f"it is longer than {MOST_BYTES} bytes")
    try:
        pem = raw.lstrip().startswith(b"-----BEGIN")
        listed = x509.load_pem_x509_crl(raw) if pem else x509.load_der_x509_crl(raw)
        if len(listed) > MOST_ENTRIES:
            raise BadList(f"it has more than {MOST_ENTRIES} entries")
        serials = frozenset(str(number) for one in listed if (number := one.serial_number).bit_length() <= _MOST_BITS)
        due = listed.next_update_utc
    except BadList:
        raise
    except UNREADABLE:
        raise BadList("it is no revocation list in PEM or DER") from None
    return Revoked(serials=serials, url=url, valid_until_ns=int(due.timestamp()) * 1_000_000_000 if due else 0)
