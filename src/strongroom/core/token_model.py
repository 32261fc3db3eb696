"""What is stored about tokens, where it lies, and how a token is turned into the name of its entry.

    sys/token/salt                        the server's salt: JSON of Salt
    sys/token/id/<key>                    JSON of TokenEntry; <key> is 40 hex digits, see `Hasher`
    sys/token/accessor/<hash>             JSON of AccessorEntry
    sys/token/parent/<parent>/<child>     empty; the children of a token, by key
    sys/token/role/<name>                 JSON of RoleEntry (core/token_roles.py)
    sys/lease/id/<token's lease id>       JSON of LeaseEntry (core/lease_model.py) that points here
    sys/lease/expiry/...                  the token's place in the expiry index (core/lease_index.py)

No token is stored, only what it hashes to. Batch tokens are stored nowhere (core/token_batch.py).
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from strongroom.crypto.mac import HMACSHA256
from strongroom.errors import BadRequest

PREFIX: Final = "sys/token/"
SALT: Final = PREFIX + "salt"
ID: Final = PREFIX + "id/"
ACCESSOR: Final = PREFIX + "accessor/"
PARENT: Final = PREFIX + "parent/"

SERVICE_PREFIX: Final = "hvs."
BATCH_PREFIX: Final = "hvb."
ID_LENGTH: Final = 24

#: What no token of ours comes near; longer ones are not hashed.
MAX_TOKEN_CHARS: Final = 1 << 15

#: The mount that tokens are made at, unless a login made them.
TOKEN_MOUNT: Final = "auth/token/"  # noqa: S105 - a path

ROOT_POLICY: Final = "root"
DEFAULT_POLICY: Final = "default"
WRAPPING_POLICY: Final = "response-wrapping"

#: How a token that is being taken down takes its children along: with it, or leaving them as orphans.
TREE: Final = "tree"
ORPHAN: Final = "orphan"

#: Hex digits of a name: 160 bits.
KEY_DIGITS: Final = 40

NANO: Final = 1_000_000_000


class Salt(msgspec.Struct, frozen=True):
    """The secret that tokens and accessors are hashed with: 32 random bytes, base64 in JSON."""

    salt: bytes
    v: int = 1

    def __repr__(self) -> str:
        return "Salt()"


class AccessorEntry(msgspec.Struct, frozen=True):
    """Which token an accessor stands for."""

    accessor: str
    key: str
    v: int = 1


class TokenEntry(msgspec.Struct, frozen=True, omit_defaults=True):
    """A token as it is stored. Shared between requests: changed only by `msgspec.structs.replace`.

    Times are Unix nanoseconds, durations seconds. `expire_ns` 0 means never. `num_uses` counts down to 1; the use that
    finds 1 leaves -1, for the last use, and 0 means without limit. `period` and `explicit_max_ttl` are those that the
    token itself was asked for, a role's are read anew whenever they matter. `revoked` is "" while it lives.
    """

    key: str
    accessor: str
    path: str
    policies: tuple[str, ...]
    creation_ns: int
    display_name: str = ""
    parent: str = ""
    type: str = "service"
    meta: dict[str, str] | None = None
    ttl: int = 0
    """The TTL granted at creation."""
    last_ttl: int = 0
    """The TTL granted last: what a renewal without an increment gives again."""
    max_ttl: int = 0
    explicit_max_ttl: int = 0
    period: int = 0
    expire_ns: int = 0
    last_renewal_ns: int = 0
    num_uses: int = 0
    renewable: bool = False
    role: str = ""
    entity_id: str = ""
    bound_cidrs: tuple[str, ...] = ()
    mount: str = TOKEN_MOUNT
    internal: dict[str, Any] = {}
    revoked: str = ""
    due_ns: int = 0
    """Where it stands in the expiry index when that is not `expire_ns`."""
    v: int = 1

    def __repr__(self) -> str:
        return f"TokenEntry({self.accessor!r}, {self.path!r}, {self.policies!r}, {self.revoked or 'alive'})"

    @property
    def root(self) -> bool:
        """Whether it may do everything."""
        return ROOT_POLICY in self.policies

    @property
    def orphan(self) -> bool:
        """Whether it outlives the token that made it."""
        return not self.parent

    @property
    def batch(self) -> bool:
        """Whether it is a batch token, stored nowhere."""
        return self.type == "batch"

    @property
    def wrapping(self) -> bool:
        """Whether a wrapped answer waits behind it."""
        return self.policies == (WRAPPING_POLICY,)

    @property
    def lease_id(self) -> str:
        """The lease that stands for the token."""
        return f"{self.path.rstrip('/')}/h{self.key}"

    @property
    def index_ns(self) -> int:
        """Where it stands in the expiry index; 0 for nowhere."""
        return self.due_ns or self.expire_ns

    def lives(self, now_ns: int) -> bool:
        """Whether it can be used, the uses it has left aside."""
        return not self.revoked and (self.expire_ns == 0 or now_ns < self.expire_ns)

    def seconds_left(self, now_ns: int) -> int:
        """The whole seconds that it still has; 0 for one that never expires."""
        return max(0, (self.expire_ns - now_ns) // NANO) if self.expire_ns else 0


class Hasher:
    """Names of entries: HMAC-SHA256 under the server's salt, cut to 160 bits and written in hex.

    One letter in front keeps tokens and accessors apart. 160 bits are beyond search and, as nobody outside knows the
    salt, beyond collision too; shorter keys keep the indexes of a million tokens small.
    """

    __slots__ = ("_hex",)

    def __init__(self, salt: bytes) -> None:
        self._hex = HMACSHA256(salt).hex

    def token(self, token: str) -> str:
        """The key of a token's entry."""
        return self._hex(b"t" + token.encode("utf-8", "surrogatepass"))[:KEY_DIGITS]

    def accessor(self, accessor: str) -> str:
        """The name of an accessor's entry."""
        return self._hex(b"a" + accessor.encode("utf-8", "surrogatepass"))[:KEY_DIGITS]


def sanitize(policies: Any, add_default: bool) -> tuple[str, ...]:
    """Names trimmed, in lower case, once each, in order; `root` stands alone and without `default`."""
    names = {name for policy in policies if (name := policy.strip().lower())}
    if ROOT_POLICY in names:
        return (ROOT_POLICY,)
    if add_default:
        names.add(DEFAULT_POLICY)
    return tuple(sorted(names))


def check_custom_id(token: str) -> None:
    """Refuse a chosen token id that could be taken for one of ours."""
    for prefix in ("s.", "b.", "r.", SERVICE_PREFIX, BATCH_PREFIX, "hvr."):
        if token.startswith(prefix):
            raise BadRequest(f"custom token ID cannot have the '{prefix}' prefix")
    if "." in token:
        raise BadRequest("custom token ID cannot have a '.' in the value")
    if len(token) > MAX_TOKEN_CHARS:
        raise BadRequest("custom token ID is too long")
