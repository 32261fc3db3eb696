"""Register: a login's answer becomes a token."""

from __future__ import annotations

from strongroom.pipeline.call import Call


async def register(call: Call) -> None:
    """Make the token that a login asked for; its entry joins the request's transaction."""
    response = call.response
    assert response is not None
    if response.auth is None or response.auth.client_token or response.auth.accessor or call.mount is None:
        return  # no login, or a token that its handler has made or renewed
    tokens = call.live.tokens
    response.warnings += await tokens.register_login(call.transaction, response.auth, call.mount, call.request.path)
