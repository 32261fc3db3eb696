"""Last use: a token that this request has used up ends, with all that it holds."""

from __future__ import annotations

import logging
from collections.abc import Awaitable

from strongroom.core.tokens import TokenEntry
from strongroom.pipeline.call import Call
from strongroom.pipeline.failure import words

log = logging.getLogger("strongroom.core")


def last_use(call: Call) -> Awaitable[None] | None:
    """Revoke a token whose last use this was. The answer does not depend on it: the token is spent already."""
    token = call.token
    return None if token is None or token.num_uses >= 0 else _end(call, token)


async def _end(call: Call, token: TokenEntry) -> None:
    try:
        await call.live.tokens.after_last_use(token)
    except Exception as e:
        # Its children and leases end with it when it expires, or when the tokens are tidied.
        log.warning("a token that is used up could not be revoked yet: %s", words(e))
