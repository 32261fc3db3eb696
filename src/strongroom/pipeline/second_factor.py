"""Second factor: a login that needs one brings it in a header, or waits for it. Where nobody needs one nothing is done.

    X-Vault-MFA: <method's id or name>:<passcode>

Several are separated by commas, or sent in a header each. Source: Vault's documentation of login MFA.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from strongroom.api.messages import Auth, Request
from strongroom.core.identity_view import EntityView
from strongroom.core.mfa_model import Enforcement
from strongroom.errors import BadRequest, PermissionDenied
from strongroom.pipeline.call import Call

log = logging.getLogger("strongroom.auth")

HEADER: Final = "x-vault-mfa"
WAITS: Final = (
    "A login request was issued that is subject to MFA validation. Please make sure to validate the login by sending "
    "another request to mfa/validate endpoint."
)


async def second_factor(call: Call, auth: Auth, view: EntityView | None) -> bool:
    """Whether the login has to wait; `call.response` then says for what.

    Raises:
        PermissionDenied: what the header brought does not do.
    """
    mfa, mount = call.live.mfa, call.mount
    assert mount is not None
    demands = mfa.demands(mount, view)
    if not demands:
        return False
    if view is None:
        raise PermissionDenied(reason="a second factor is demanded of a login without an entity, which can have none")
    given = _sent(call.request)
    if not given:
        _wait(call, auth, demands)
        return True
    where = call.live.mounts.only("identity").info.uuid

    async def lock(kind: str, name: str) -> None:
        await call.held.take(f"{where}/{kind}/{name}")

    try:
        await mfa.check(call.transaction, lock, demands, view.entity.id, given)
    except PermissionDenied as e:
        log.info("login at %s refused (request %s): %s", mount.path, call.request.id, e.reason)
        raise PermissionDenied(reason=e.reason) from None
    return False


def _wait(call: Call, auth: Auth, demands: Sequence[Enforcement]) -> None:
    mfa, response = call.live.mfa, call.response
    assert call.mount is not None
    assert response is not None
    pending = mfa.keep(auth, call.mount, call.request.path)
    needs = mfa.requirement(pending, demands)
    response.auth = Auth(orphan=False, token_type="default", mfa_requirement=needs)  # noqa: S106 - a kind
    response.warnings = [*response.warnings, WAITS]
    # Not secret, and needed at once; it is the token that may be wrapped, by the request that validates.
    call.flags = replace(call.flags, no_wrap=True)


def _sent(request: Request) -> Mapping[str, Sequence[str]]:
    """What the headers bring, by method; a method without a passcode brings none."""
    value = request.headers.get(HEADER)
    if value is None:
        return {}
    every: Any = getattr(request.headers, "all", None)
    values = every(HEADER) if every is not None else [value]
    given: dict[str, list[str]] = {}
    for part in ",".join(values).split(","):
        method, colon, passcode = part.strip().partition(":")
        if not method and not colon:
            continue
        if not method:
            raise BadRequest('invalid data in header "X-Vault-MFA"; missing method name or ID')
        if colon and not passcode:
            raise BadRequest('invalid data in header "X-Vault-MFA"; missing method value')
        codes = given.setdefault(method, [])
        if passcode:
            codes.append(passcode)
    return given
