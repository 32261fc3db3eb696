"""`sys/audit`: the audit devices, what they hash, and the request headers they log."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.fields import Pairs
from strongroom.api.messages import Response
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.system.engine import system

_INVALID = "invalid request"
_NOT_BY_API = (
    "audit devices cannot be enabled over the API: the configuration has unsafe_allow_api_audit_creation = false"
)
_NO_PREFIX = 'the option "prefix" is not allowed: the configuration has allow_audit_log_prefixing = false'


class DeviceArgs(Args):
    """A device by its path."""

    path: str = field("Where the device is; may hold slashes.")


class EnableArgs(DeviceArgs):
    """A device to enable."""

    type: str = field("The kind of device: file, socket or syslog.")
    description: str = field("What the device is for.")
    options: Pairs = field("The device's settings.")
    local: bool = field("Keep the device to this cluster.")


class HashArgs(DeviceArgs):
    """A text for a device to hash."""

    input: str = field("Text to hash.")


class HeaderArgs(Args):
    """A request header by its name."""

    header: str = field("The header's name, in any case.")


class SetHeaderArgs(HeaderArgs):
    """How a request header is logged."""

    hmac: bool = field("Log a hash of the header's value instead of the value.")


@system.read("audit", sudo=True)
async def list_devices(ctx: SystemContext) -> Response:
    """List the enabled audit devices."""
    return Response(data=ctx.live.audits.table(), flat=True)


@system.write("audit/{path:subpath}", sudo=True)
async def enable_device(ctx: SystemContext, args: EnableArgs) -> None:
    """Enable an audit device.

    From then on nothing is answered that no device has recorded. A first line is written as a test.
    The configuration may forbid it (`unsafe_allow_api_audit_creation`), or the option `prefix`
    (`allow_audit_log_prefixing`).
    """
    config = ctx.core.config
    if not config.unsafe_allow_api_audit_creation:
        raise BadRequest(_NOT_BY_API, kind=_INVALID)
    if "prefix" in args.options and not config.allow_audit_log_prefixing:
        raise BadRequest(_NO_PREFIX, kind=_INVALID)
    await ctx.lock("audit", "devices")
    enabled = await ctx.live.audits.enable(
        ctx.transaction, args.path, args.type, args.description, args.options, args.local
    )
    ctx.after_commit(enabled)


@system.delete("audit/{path:subpath}", sudo=True)
async def disable_device(ctx: SystemContext, args: DeviceArgs) -> None:
    """Disable an audit device.

    Its salt is lost: hashes in its log cannot be compared with a value any more.
    """
    await ctx.lock("audit", "devices")
    disabled = await ctx.live.audits.disable(ctx.transaction, args.path)
    if disabled is not None:
        ctx.after_commit(disabled)


@system.write("audit-hash/{path:subpath}")
async def hash_input(ctx: SystemContext, args: HashArgs) -> Response:
    """Hash a text as an audit device does, to look for it in the device's log."""
    if not args.input:
        raise BadRequest('the "input" parameter is empty', kind=_INVALID)
    return Response(data={"hash": ctx.live.audits.hash(args.path, args.input)}, flat=True)


@system.read("config/auditing/request-headers", sudo=True)
async def list_headers(ctx: SystemContext) -> Response:
    """List the request headers that are logged."""
    headers = {name: {"hmac": hashed} for name, hashed in ctx.live.audits.headers().items()}
    return Response(data={"headers": headers}, flat=True)


@system.read("config/auditing/request-headers/{header:segment}", sudo=True)
async def read_header(ctx: SystemContext, args: HeaderArgs) -> Response:
    """Read whether a request header is logged hashed."""
    hashed = ctx.live.audits.headers().get(args.header.lower())
    if hashed is None:
        raise BadRequest("Could not find header in config", kind=_INVALID)
    found: dict[str, Any] = {args.header: {"hmac": hashed}}
    return Response(data=found, flat=True)


@system.write("config/auditing/request-headers/{header:segment}", sudo=True)
async def set_header(ctx: SystemContext, args: SetHeaderArgs) -> None:
    """Log a request header."""
    await ctx.lock("audit", "headers")
    ctx.after_commit(ctx.live.audits.set_header(ctx.transaction, args.header, args.hmac))


@system.delete("config/auditing/request-headers/{header:segment}", sudo=True)
async def delete_header(ctx: SystemContext, args: HeaderArgs) -> None:
    """Log a request header no more."""
    await ctx.lock("audit", "headers")
    ctx.after_commit(ctx.live.audits.delete_header(ctx.transaction, args.header))
