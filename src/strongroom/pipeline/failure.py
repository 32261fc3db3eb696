"""What becomes of a request that fails: what it wrote is forgotten, what it took is given back."""

from __future__ import annotations

import logging
import traceback

from strongroom.api.messages import Request, Response
from strongroom.core.tokens import Tokens
from strongroom.errors import InternalError, RequestError, StorageFull, StrongroomError
from strongroom.pipeline.call import Call

log = logging.getLogger("strongroom.core")


async def give_up(call: Call) -> None:
    """Forget what a failed request wrote, and undo the leases and tokens that it took: nobody will hear of them."""
    call.transaction.discard()
    for lease in call.leases:
        try:
            await call.live.leases.abandon(lease.id)
        except Exception as e:
            # The lease is durable and pending: the next start revokes it, or its own end does.
            log.warning("the lease %s of a failed request could not be given up yet: %s", lease.id, words(e))
    if call.response is not None:
        try:
            await _revoke_tokens(call.live.tokens, call.response)
        except Exception as e:
            log.warning("a token made by a failed request could not be revoked; it lasts until its end: %s", words(e))


async def _revoke_tokens(tokens: Tokens, response: Response) -> None:
    """Revoke what an answer gives out: its new token, or the wrapping token and the token that waits behind it."""
    auth, wrap = response.auth, response.wrap
    if auth is not None and auth.client_token and not auth.issue_time:
        await tokens.revoke_tree(tokens.key_of(auth.client_token))
    if wrap is not None:
        behind = await tokens.by_accessor(wrap.wrapped_accessor)
        for key in (tokens.key_of(wrap.token), *((behind.key,) if behind is not None else ())):
            await tokens.revoke_tree(key)


def unexpected(request: Request, error: Exception) -> RequestError:
    """The answer to a failure that is ours: it says nothing; the log has the request's id and the place."""
    if isinstance(error, StorageFull):
        log.error("request %s failed: storage is full", request.id)
        return InternalError("the storage is full; nothing was stored")
    log.error("request %s (%s) failed: %s", request.id, request.operation, trace(error))
    return InternalError()


def words(error: BaseException) -> str:
    """An error as far as a log may have it: the message of one of ours, of others the class alone.

    What Python and the libraries put into messages may be what a client sent.
    """
    return f"{type(error).__name__}: {error}" if isinstance(error, StrongroomError) else type(error).__name__


def trace(error: BaseException) -> str:
    """An error, what it came from, and the lines of code that it went through; no values."""
    parts, seen = [], set[int]()
    current: BaseException | None = error
    while current is not None and id(current) not in seen:
        seen.add(id(current))
        frames = traceback.extract_tb(current.__traceback__)
        parts.append(words(current) + "".join(f"\n  {f.filename}:{f.lineno} {f.name}" for f in frames))
        current = current.__cause__ or current.__context__
    return "\nfrom ".join(parts)
