"""Logins with a browser that are under way: in memory, each with a state of its own."""

from __future__ import annotations

import hmac
import secrets
from dataclasses import dataclass, field
from typing import Final

from strongroom.api.context import Context
from strongroom.auth.jwt.engine import OIDC, ROLES, Role
from strongroom.auth.jwt.grants import FAILED
from strongroom.auth.jwt.login import denied
from strongroom.auth.refusals import refused
from strongroom.errors import BadRequest

#: Seconds for a person to log in, and how many may be at it; beyond that the oldest are forgotten.
TIME: Final = 600
MOST: Final = 10_000
EXPIRED: Final = f"{FAILED} Expired or missing OAuth state."


@dataclass(frozen=True, slots=True)
class Flow:
    """A login that is under way; `named` is the role as the login wrote it, `until` on the monotonic clock.

    One in a browser has a `redirect_uri`, a `nonce` and PKCE's `verifier`, one of a device a `device_code`.
    """

    role: str
    named: str
    until: float
    client_nonce: str = field(repr=False)
    redirect_uri: str = ""
    nonce: str = field(default="", repr=False)
    verifier: str = field(default="", repr=False)
    device_code: str = field(default="", repr=False)


def _flows(ctx: Context) -> dict[str, Flow]:
    flows: dict[str, Flow] = ctx.memory.setdefault("flows", {})
    return flows


def keep(ctx: Context, flow: Flow) -> str:
    """Remember a login; returns its state."""
    flows, state = _flows(ctx), secrets.token_urlsafe(32)
    while len(flows) >= MOST:
        del flows[next(iter(flows))]
    flows[state] = flow
    return state


def forget(ctx: Context, state: str) -> bool:
    """A login has ended; False when it had already."""
    return _flows(ctx).pop(state, None) is not None


async def find(ctx: Context, state: str, client_nonce: str, *, device: bool = False) -> tuple[Flow, Role]:
    """The login of a state, and its role. What is asked for with the wrong nonce is forgotten.

    Raises:
        BadRequest: there is none, or it was begun by somebody else.
    """
    flow = _flows(ctx).get(state)
    if flow is None or ctx.clock.monotonic() > flow.until or bool(flow.device_code) is not device:
        raise BadRequest(EXPIRED)
    if not hmac.compare_digest(flow.client_nonce.encode(), client_nonce.encode()):
        forget(ctx, state)
        raise refused(ctx, flow.role, denied(f"{FAILED} Invalid client_nonce.", "the client_nonce is another"))
    role = await ROLES.get(ctx, flow.role)
    if role is None or role.role_type != OIDC:
        raise BadRequest(f"{FAILED} Role could not be found")
    return flow, role
