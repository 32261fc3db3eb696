"""`Call`: one request on its way through the stages."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from strongroom.api.context import Caller, Context
from strongroom.api.messages import Lease, Request, Response
from strongroom.api.routes import Flags, Route
from strongroom.core.locks import HeldLocks
from strongroom.errors import RequestError

if TYPE_CHECKING:
    from strongroom.audit.entry import Exchange
    from strongroom.core.core import Core
    from strongroom.core.identity_view import EntityView
    from strongroom.core.live import Live
    from strongroom.core.mounts import Mount
    from strongroom.core.tokens import TokenEntry
    from strongroom.policy.decision import Decision
    from strongroom.policy.match import ACL

NO_FLAGS = Flags()
NOBODY = Caller()


class Call:
    """What the stages have found out so far."""

    __slots__ = (
        "acl",
        "arguments",
        "arguments_error",
        "caller",
        "context",
        "core",
        "decision",
        "exchange",
        "flags",
        "headers",
        "held",
        "identity",
        "leases",
        "live",
        "mount",
        "params",
        "refusal",
        "request",
        "response",
        "route",
        "route_error",
        "subpath",
        "token",
        "transaction",
        "unknown",
        "uses_left",
    )

    def __init__(self, core: Core, live: Live, request: Request) -> None:
        self.core = core
        self.live = live
        self.request = request
        self.held = HeldLocks(live.locks)
        self.transaction = live.transaction()
        self.mount: Mount | None = None
        #: The path below the mount.
        self.subpath = ""
        self.route: Route | None = None
        self.params: dict[str, str] = {}
        #: Why there is no route; raised only when the caller may know.
        self.route_error: Exception | None = None
        self.flags = NO_FLAGS
        #: What the answer is sent with beyond what its handler says.
        self.headers: dict[str, str] = {}
        self.arguments: Any = None
        self.arguments_error: RequestError | None = None
        #: Parameters that the endpoint does not know.
        self.unknown: list[str] = []
        self.token: TokenEntry | None = None
        #: The uses that the token had before this request; 0 without limit.
        self.uses_left = 0
        #: The token's entity and its groups; None without.
        self.identity: EntityView | None = None
        self.acl: ACL | None = None
        self.decision: Decision | None = None
        self.caller = NOBODY
        #: Decided, recorded, then enforced: the refusal that `enforce` raises.
        self.refusal: RequestError | None = None
        self.context: Context | None = None
        self.leases: list[Lease] = []
        self.response: Response | None = None
        self.exchange: Exchange | None = None
