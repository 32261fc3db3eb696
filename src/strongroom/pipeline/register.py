"""Register: a login's answer becomes a token."""

from __future__ import annotations

from collections.abc import Awaitable

from strongroom.api.messages import Auth, Response
from strongroom.core.identity_view import EntityView
from strongroom.core.mounts import Mount
from strongroom.pipeline.call import Call
from strongroom.pipeline.second_factor import second_factor


def register(call: Call) -> Awaitable[None] | None:
    """Make the token that a login asked for, unless it has to wait; its entry joins the request's transaction."""
    response = call.response
    assert response is not None
    if response.auth is None or call.mount is None:
        return None
    return _register(call, call.mount, response, response.auth)


async def _register(call: Call, mount: Mount, response: Response, auth: Auth) -> None:
    if auth.client_token or auth.accessor:  # its handler has made or renewed it
        if auth.entity_id and (view := await call.live.identity.view(auth.entity_id)) is not None:
            _add_policies(auth, view)
        return
    view = None
    if auth.alias_name:
        view = await call.live.identity.login(call.transaction, call.held, auth, mount)
        auth.entity_id = view.entity.id
    if call.live.mfa.enforcements and await second_factor(call, auth, view):
        return
    tokens = call.live.tokens
    response.warnings += await tokens.register_login(call.transaction, auth, mount, call.request.path)
    call.live.logins.note(mount, auth, call.request.remote_address)
    if view is not None:
        _add_policies(auth, view)


def _add_policies(auth: Auth, view: EntityView) -> None:
    auth.identity_policies = list(view.policies)
    auth.policies = list(view.with_policies(tuple(auth.token_policies)))
