"""Last use: a token that this request has used up ends, with all that it holds."""

from __future__ import annotations

import logging

from strongroom.pipeline.call import Call
from strongroom.pipeline.failure import words

log = logging.getLogger("strongroom.core")


async def last_use(call: Call) -> None:
    """Revoke a token whose last use this was. The answer does not depend on it: the token is spent already."""
    if call.token is None or call.token.num_uses >= 0:
        return
    try:
        await call.live.tokens.after_last_use(call.token)
    except Exception as e:
        # Its children and leases end with it when it expires, or when the tokens are tidied.
        log.warning("a token that is used up could not be revoked yet: %s", words(e))
