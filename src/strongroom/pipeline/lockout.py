"""Logins are counted when they fail; a name that fails too often is refused for a while, unasked."""

from __future__ import annotations

import logging
from typing import Any

from strongroom.errors import InvalidCredentials, PermissionDenied
from strongroom.pipeline.call import Call

log = logging.getLogger("strongroom.auth")


async def run_login(call: Call) -> Any:
    """Run a login's handler, unless the name that it claims is locked."""
    mount, route, lockouts = call.mount, call.route, call.live.lockouts
    assert mount is not None
    assert route is not None
    name = mount.engine.login_name(call.arguments)
    if name and lockouts.locked(mount, name):
        raise PermissionDenied("permission denied", reason="the name is locked after too many failed logins")
    try:
        result = await route.run(call.context, call.arguments)
    except InvalidCredentials as e:
        # The name is not logged: it may be a password in the wrong place.
        log.info("login at %s refused (request %s): %s", mount.path, call.request.id, e)
        if name:
            lockouts.failed(mount, name)
        raise
    lockouts.forget(mount.info.accessor, name)
    return result
