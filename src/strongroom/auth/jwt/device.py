"""Logging in on a machine without a browser: a person types a code on another device, the machine polls.

Source: RFC 8628. The endpoints and the role's `callback_mode` are those of OpenBao.
"""

from __future__ import annotations

from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.messages import Response
from strongroom.auth import outbound
from strongroom.auth.jwt.engine import Config, Role, jwt
from strongroom.auth.jwt.flows import TIME, Flow, find, forget, keep
from strongroom.auth.jwt.grants import FAILED, Refused, ask, claims_of
from strongroom.auth.jwt.keys import Provider, provider_of
from strongroom.auth.jwt.login import auth_for, check_address, denied, load_config
from strongroom.auth.refusals import refused
from strongroom.errors import BadRequest, PermissionDenied

GRANT: Final = "urn:ietf:params:oauth:grant-type:device_code"
INTERVAL: Final = 5
PENDING: Final = ("authorization_pending", "slow_down")


class PollArgs(Args):
    """Which login."""

    state: str = field("The login's state.")
    client_nonce: str = field("The client_nonce that the login began with.")


def scopes(role: Role) -> str:
    """What the issuer is asked for."""
    return " ".join(dict.fromkeys(("openid", *(role.oidc_scopes or ()))))


async def begin(
    ctx: Context, config: Config, provider: Provider, role: Role, name: str, client_nonce: str
) -> dict[str, Any]:
    """Begin a login; raises `Unreachable`."""
    if not provider.device_authorization_endpoint:
        raise BadRequest("the issuer has no logins for devices")
    form = {"client_id": config.oidc_client_id, "scope": scopes(role)}
    answer = await ask(ctx, config, provider, provider.device_authorization_endpoint, form)
    texts = [answer.get(name) for name in ("device_code", "user_code", "verification_uri")]
    if not all(isinstance(text, str) and text for text in texts):
        raise outbound.Unreachable("the issuer's answer has no device_code, user_code or verification_uri")
    device_code, user_code, address = map(str, texts)
    complete = answer.get("verification_uri_complete")
    flow = Flow(
        role.name,
        name,
        ctx.clock.monotonic() + min(_seconds(answer.get("expires_in"), TIME), TIME),
        client_nonce,
        device_code=device_code,
    )
    return {
        "auth_url": complete if isinstance(complete, str) and complete else address,
        "user_code": user_code,
        "poll_interval": min(_seconds(answer.get("interval"), INTERVAL), 60),
        "state": keep(ctx, flow),
    }


def _seconds(value: Any, default: int) -> int:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else default


@jwt.write("oidc/poll", unauthenticated=True, login=True)
async def poll(ctx: Context, args: PollArgs) -> Response:
    """End a device's login once the person has let it in; the answer is a token.

    Until then it is refused with authorization_pending, or with slow_down when the polls come too fast.
    """
    flow, role = await find(ctx, args.state, args.client_nonce, device=True)
    config = await load_config(ctx)
    try:
        check_address(ctx, role)
        claims = await _poll(ctx, config, role, flow, args.state)
        return Response(auth=auth_for(role, flow.named, claims))
    except _Pending as e:
        raise BadRequest(str(e)) from None
    except (BadRequest, PermissionDenied) as e:
        forget(ctx, args.state)
        raise refused(ctx, role.name, e) from None


class _Pending(Exception):
    """Nobody has let the device in yet."""


async def _poll(ctx: Context, config: Config, role: Role, flow: Flow, state: str) -> dict[str, Any]:
    form = {"grant_type": GRANT, "device_code": flow.device_code, "client_id": config.oidc_client_id}
    try:
        provider = await provider_of(ctx, config)
        answer = await ask(ctx, config, provider, provider.token_endpoint, form)
    except Refused as e:
        if e.code in PENDING:
            raise _Pending(e.code) from None
        raise denied(f"{FAILED} The issuer refused the device.", str(e)) from None
    except outbound.Unreachable as e:
        raise denied(f"{FAILED} Error asking the issuer.", str(e)) from None
    forget(ctx, state)  # the code is spent
    return await claims_of(ctx, config, role, provider, answer)
