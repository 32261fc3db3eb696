"""What a login through the provider leaves with a client: a code at first, then an access token.

Codes are kept in this node's memory, by their SHA-256, each for five minutes and one attempt to redeem it. An access
token is kept nowhere; it is good for nothing but the provider's userinfo:

    hvb.<base64url without padding of the barrier's blob>

The blob (drawn in crypto/keyring.py) is bound to the context "identity/oidc/access" and holds the JSON array of
`Access`, whose first element is the format's version. To all other endpoints it is a token that does not exist.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass, field
from typing import Final

import msgspec

from strongroom.clock import random_text
from strongroom.core.context import SystemContext
from strongroom.core.token_model import BATCH_PREFIX, MAX_TOKEN_CHARS, NANO
from strongroom.errors import CryptoError

CONTEXT: Final = "identity/oidc/access"
CODE_CHARS: Final = 32
#: Seconds to redeem a code.
TIME: Final = 300
#: How many codes may wait; beyond that the oldest are forgotten.
MOST: Final = 10_000
#: How many of them may be of one entity, so that nobody crowds out the others.
MOST_OF_ONE: Final = 50


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code stands for. `until` is on the monotonic clock, `auth_time` Unix seconds, 0 when it was not asked."""

    provider: str
    client_id: str
    entity_id: str
    redirect_uri: str
    scopes: tuple[str, ...]
    until: float
    nonce: str = field(default="", repr=False)
    auth_time: int = 0
    challenge: str = field(default="", repr=False)
    method: str = ""


class Access(msgspec.Struct, frozen=True, array_like=True):
    """What an access token is for; `expire_ns` in Unix nanoseconds."""

    v: int
    provider: str
    client_id: str
    entity_id: str
    scopes: tuple[str, ...]
    expire_ns: int


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Access).decode


def _grants(ctx: SystemContext) -> dict[bytes, Grant]:
    grants: dict[bytes, Grant] = ctx.memory.setdefault("oidc grants", {})
    return grants


def _digest(code: str) -> bytes:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).digest()


def keep(ctx: SystemContext, grant: Grant) -> str:
    """Remember what a login allowed; returns its code."""
    grants, now = _grants(ctx), ctx.clock.monotonic()
    while grants and (len(grants) >= MOST or next(iter(grants.values())).until <= now):
        del grants[next(iter(grants))]  # the oldest, which is the next to end
    own = [digest for digest, other in grants.items() if other.entity_id == grant.entity_id]
    if len(own) >= MOST_OF_ONE:
        del grants[own[0]]
    code = random_text(CODE_CHARS)
    grants[_digest(code)] = grant
    return code


def redeem(ctx: SystemContext, code: str) -> Grant | None:
    """What a code stands for, the first time that it is asked for within its time; after that nothing."""
    grant = _grants(ctx).pop(_digest(code), None)
    return grant if grant is not None and ctx.clock.monotonic() < grant.until else None


def issue(ctx: SystemContext, grant: Grant, entity_id: str, ttl: int) -> str:
    """An access token for `ttl` seconds."""
    expire_ns = ctx.clock.now_ns() + ttl * NANO
    access = Access(1, grant.provider, grant.client_id, entity_id, grant.scopes, expire_ns)
    blob = ctx.live.barrier.encrypt_blob(CONTEXT, _encode(access))
    return BATCH_PREFIX + base64.urlsafe_b64encode(blob).decode().rstrip("=")


def read(ctx: SystemContext, token: str) -> Access | None:
    """What an access token is for; None for one that has ended, and for anything that is none."""
    if len(token) > MAX_TOKEN_CHARS or not token.startswith(BATCH_PREFIX):
        return None
    text = token.removeprefix(BATCH_PREFIX)
    try:
        blob = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        access = _decode(ctx.live.barrier.decrypt_blob(CONTEXT, blob))
    except (CryptoError, ValueError, binascii.Error, msgspec.MsgspecError):
        return None
    return access if access.v == 1 and ctx.clock.now_ns() < access.expire_ns else None
