"""Batch tokens: everything about the token is in the token, encrypted by the barrier; nothing is stored.

    hvb.<base64url without padding of the barrier's blob>

The blob (drawn in crypto/keyring.py) is bound to the context "token/batch" and holds the JSON array of `_Sealed`,
whose first element is the format's version.
"""

from __future__ import annotations

import base64
import binascii
from typing import TYPE_CHECKING, Final

import msgspec

from strongroom.core.token_model import BATCH_PREFIX, MAX_TOKEN_CHARS, Hasher, TokenEntry
from strongroom.errors import CryptoError

if TYPE_CHECKING:
    from strongroom.storage.barrier import Barrier

CONTEXT: Final = "token/batch"


class _Sealed(msgspec.Struct, frozen=True, array_like=True):
    v: int
    path: str
    policies: tuple[str, ...]
    creation_ns: int
    ttl: int
    display_name: str = ""
    parent: str = ""
    meta: dict[str, str] | None = None
    role: str = ""
    entity_id: str = ""
    bound_cidrs: tuple[str, ...] = ()
    mount: str = ""


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(_Sealed).decode


def seal(barrier: Barrier, entry: TokenEntry) -> str:
    """The token for an entry."""
    sealed = _Sealed(
        1,
        entry.path,
        entry.policies,
        entry.creation_ns,
        entry.ttl,
        entry.display_name,
        entry.parent,
        entry.meta,
        entry.role,
        entry.entity_id,
        entry.bound_cidrs,
        entry.mount,
    )
    blob = barrier.encrypt_blob(CONTEXT, _encode(sealed))
    return BATCH_PREFIX + base64.urlsafe_b64encode(blob).decode().rstrip("=")


def unseal(barrier: Barrier, hasher: Hasher, token: str) -> TokenEntry | None:
    """The entry in a batch token; None for anything that this server did not make, to the letter."""
    if len(token) > MAX_TOKEN_CHARS:
        return None
    text = token.removeprefix(BATCH_PREFIX)
    try:
        blob = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        # A last character may carry bits that decoding drops: only one spelling is the token.
        if base64.urlsafe_b64encode(blob).decode().rstrip("=") != text:
            return None
        sealed = _decode(barrier.decrypt_blob(CONTEXT, blob))
    except (CryptoError, ValueError, binascii.Error, msgspec.MsgspecError):
        return None
    if sealed.v != 1:
        return None
    return TokenEntry(
        key=hasher.token(token),
        accessor="",
        path=sealed.path,
        policies=sealed.policies,
        creation_ns=sealed.creation_ns,
        display_name=sealed.display_name,
        parent=sealed.parent,
        type="batch",
        meta=sealed.meta,
        ttl=sealed.ttl,
        last_ttl=sealed.ttl,
        expire_ns=sealed.creation_ns + sealed.ttl * 1_000_000_000,
        role=sealed.role,
        entity_id=sealed.entity_id,
        bound_cidrs=sealed.bound_cidrs,
        mount=sealed.mount,
    )
