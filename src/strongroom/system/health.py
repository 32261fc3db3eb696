"""`sys/health` and `sys/leader`."""

from __future__ import annotations

import re
from typing import Any, Final

from strongroom import VAULT_VERSION, __version__
from strongroom.api.args import Args, field
from strongroom.api.fields import Invalid, parse_bool
from strongroom.api.messages import Response
from strongroom.clock import rfc3339
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.system.engine import system
from strongroom.system.flags import STATUS

#: The parameters that choose a state's status code, and what it is without them.
CODES: Final = {
    "activecode": 200,
    "standbycode": 429,
    "drsecondarycode": 472,
    "performancestandbycode": 473,
    "uninitcode": 501,
    "sealedcode": 503,
}
_CODE = re.compile(r"[2-5]\d\d", re.ASCII)
_NO_BODY = frozenset({204, 304})
_NOT_ACTIVE: Final = {
    "standby": True,
    "performance_standby": False,
    "replication_performance_mode": "unknown",
    "replication_dr_mode": "unknown",
}
_ACTIVE: Final = {
    "standby": False,
    "performance_standby": False,
    "replication_performance_mode": "disabled",
    "replication_dr_mode": "disabled",
}


class HealthArgs(Args):
    """Which status code means what."""

    standbyok: str = field("Whether a standby answers with the code of an active node.")
    perfstandbyok: str = field("The same for a performance standby, of which there are none.")
    activecode: str = field("Status code of an active node, 200 unless given.")
    standbycode: str = field("Status code of a standby, 429 unless given.")
    drsecondarycode: str = field("Taken for Vault's sake; it has no effect.")
    performancestandbycode: str = field("Taken for Vault's sake; it has no effect.")
    sealedcode: str = field("Status code of a sealed node, 503 unless given.")
    uninitcode: str = field("Status code of a node that is not initialised, 501 unless given.")


@system.read("health", **STATUS)
async def health(ctx: SystemContext, args: HealthArgs) -> Response:
    """Tell the state of the node, by a status code above all.

    Made for load balancers and probes: every state's code can be chosen by a parameter. HEAD gives the code alone.
    """
    codes = _codes(args) if args.given else CODES
    core = ctx.core
    live = core.live
    body: dict[str, Any]
    if live is not None and not core.seal.sealed:
        code = codes["activecode"]
        body = {"initialized": True, "sealed": False, **_ACTIVE}
    else:
        live = None
        initialised = await core.seal.initialised()
        code = codes["sealedcode" if initialised else "uninitcode"]
        body = {"initialized": initialised, "sealed": True, **_NOT_ACTIVE}
    if code in _NO_BODY:
        return Response(status=code)
    body["server_time_utc"] = int(ctx.clock.now())
    body["version"] = VAULT_VERSION
    if live is not None:
        body["cluster_name"] = live.cluster.name
        body["cluster_id"] = live.cluster.id
    body["strongroom_version"] = __version__
    return Response(status=code, bare=body)


@system.read("internal/ui/feature-flags", **STATUS)
async def feature_flags(ctx: SystemContext) -> Response:
    """Show which features a user interface is to offer beside the usual ones: none."""
    return Response(bare={"feature_flags": []})


@system.read("leader", **STATUS)
async def leader(ctx: SystemContext) -> Response:
    """Tell which node of the cluster is active."""
    config, live = ctx.core.config, ctx.core.live
    # A single node in raft's place answers as a raft cluster of one does.
    alone = config.storage_type == "raft" and live is not None and not ctx.core.seal.sealed
    return Response(
        bare={
            "ha_enabled": config.storage_type == "raft",
            "is_self": alone,
            "active_time": rfc3339(live.since_ns) if alone and live is not None else "0001-01-01T00:00:00Z",
            "leader_address": config.api_addr if alone else "",
            "leader_cluster_address": _https(config.cluster_addr) if alone else "",
            "performance_standby": False,
            "performance_standby_last_remote_wal": 0,
        }
    )


def _https(address: str) -> str:
    """A cluster address as nodes reach it: always over TLS."""
    return "https://" + address.partition("://")[2] if "://" in address else address


def _codes(args: HealthArgs) -> dict[str, int]:
    """The status codes, chosen ones included; all are checked, whichever state is at hand."""
    codes = dict(CODES)
    try:
        for flag in ("standbyok", "perfstandbyok"):
            parse_bool(getattr(args, flag))
    except Invalid:
        raise BadRequest from None
    for name in args.given & CODES.keys():
        text = getattr(args, name)
        # Only what can end an exchange: 1xx would leave the client waiting.
        if not _CODE.fullmatch(text):
            raise BadRequest
        codes[name] = int(text)
    return codes
