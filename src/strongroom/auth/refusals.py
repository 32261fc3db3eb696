"""Refused logins: the log and the audit entry have the true reason, the client only Vault's words."""

from __future__ import annotations

import logging
from typing import TypeVar

from strongroom.api.context import Context
from strongroom.errors import RequestError

log = logging.getLogger("strongroom.auth")

E = TypeVar("E", bound=RequestError)


def refused(ctx: Context, role: str, error: E) -> E:
    """The error itself, after its reason went to the log. `role` is a name that is known to be one."""
    reason = error.reason or "; ".join(error.errors)
    log.info("login at %s with role %s refused (request %s): %s", ctx.mount.path, role, ctx.request.id, reason)
    return error
