"""Requests and answers as everything behind the HTTP edge sees them."""

from __future__ import annotations

import enum
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from strongroom.clock import rfc3339

#: What an answer's `data` may be: a mapping, a struct, JSON text to be sent as it is, or nothing.
Data = Mapping[str, Any] | msgspec.Struct | msgspec.Raw | None


class Operation(enum.StrEnum):
    """What a request asks for, in the words of policies and audit entries."""

    CREATE = "create"
    READ = "read"
    UPDATE = "update"
    DELETE = "delete"
    LIST = "list"
    PATCH = "patch"
    HELP = "help"
    #: HEAD: routed and judged like the others, but nothing serves it.
    HEADER = "header"

    @property
    def writes(self) -> bool:
        """Whether the request carries its parameters in a body."""
        return self in (Operation.CREATE, Operation.UPDATE, Operation.PATCH)


class Timestamp:
    """A moment in Unix nanoseconds, sent as RFC 3339 in UTC; unlike text it stays readable in the audit log."""

    __slots__ = ("ns",)

    def __init__(self, ns: int) -> None:
        self.ns = ns

    def __str__(self) -> str:
        return rfc3339(self.ns)

    def __repr__(self) -> str:
        return f"Timestamp({self})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timestamp) and self.ns == other.ns

    def __hash__(self) -> int:
        return hash(self.ns)


def encode_hook(value: object) -> object:
    """Turn what msgspec does not know into what it does; the `enc_hook` of every encoder of answers."""
    if isinstance(value, Timestamp):
        return str(value)
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"cannot encode {type(value).__name__}")


_encode: Final = msgspec.json.Encoder(enc_hook=encode_hook).encode


class Request:
    """One call. `path` has no `/v1/` in front; a list's path ends in "/". Nothing secret shows in its repr."""

    __slots__ = (
        "body",
        "certificates",
        "data",
        "headers",
        "id",
        "large",
        "method",
        "open_paths",
        "operation",
        "path",
        "query",
        "raw",
        "remote_address",
        "remote_port",
        "token",
        "wrap_ttl",
    )

    def __init__(
        self,
        *,
        id: str,  # noqa: A002 - the field's own name
        operation: Operation,
        path: str,
        method: str = "",
        data: dict[str, Any] | None = None,
        raw: dict[str, msgspec.Raw] | None = None,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        token: str = "",
        wrap_ttl: int = 0,
        remote_address: str = "",
        remote_port: int = 0,
        body: AsyncIterator[bytes] | None = None,
        open_paths: frozenset[str] = frozenset(),
        large: bool = False,
        certificates: tuple[bytes, ...] | None = None,
    ) -> None:
        self.id = id
        self.operation = operation
        self.path = path
        self.method = method
        #: The parameters: a body's top level for writes, the query for reads, deletes and lists.
        self.data: dict[str, Any] = {} if data is None else data
        #: The same parameters of a JSON body as they were written: integers, floats and key order untouched.
        self.raw: dict[str, msgspec.Raw] = {} if raw is None else raw
        self.query: Mapping[str, str] = query or {}
        #: Names in lower case; of a repeated header the first value.
        self.headers: Mapping[str, str] = headers or {}
        self.token = token
        #: Seconds the answer is to stay wrapped; 0 for an open answer.
        self.wrap_ttl = wrap_ttl
        self.remote_address = remote_address
        self.remote_port = remote_port
        #: The bytes of a body that is not parsed (snapshots); None once parsed.
        self.body = body
        #: What the listener that it came by serves to all, without a token.
        self.open_paths = open_paths
        #: Whether its body is so long that what goes over all of it, or over its answer, is done aside.
        self.large = large
        #: What the client showed of itself on a TLS connection, in DER, its own certificate first; None without TLS.
        self.certificates = certificates

    def __repr__(self) -> str:
        return f"Request({self.id}, {self.operation} {self.path!r})"


@dataclass(slots=True)
class Lease:
    """The envelope's lease. Without an `id` it only carries a duration (a KV v1 read); seconds."""

    duration: int
    id: str = ""
    renewable: bool = False
    #: What was cut when it was made, for the client.
    warnings: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Auth:
    """A token as its owner gets it. Logins fill in what is asked for; registering the token fills in the rest.

    `ttl`, `max_ttl`, `explicit_max_ttl` and `period` are seconds, 0 for the mount's own. `lease_duration` is what was
    granted.
    """

    policies: list[str] = field(default_factory=list)
    token_policies: list[str] = field(default_factory=list)
    identity_policies: list[str] = field(default_factory=list)
    metadata: dict[str, str] | None = None
    display_name: str = ""
    client_token: str = field(default="", repr=False)
    accessor: str = ""
    lease_duration: int = 0
    renewable: bool = False
    entity_id: str = ""
    token_type: str = "service"  # noqa: S105 - a kind, not a secret
    orphan: bool = True
    num_uses: int = 0
    ttl: int = 0
    max_ttl: int = 0
    explicit_max_ttl: int = 0
    period: int = 0
    bound_cidrs: list[str] = field(default_factory=list)
    no_default_policy: bool = False
    alias_name: str = ""
    alias_metadata: dict[str, str] | None = None
    #: The caller's groups by the method's account; they map to external groups of the identity store.
    group_aliases: list[str] = field(default_factory=list)
    #: When a token that is renewed was issued, in Unix nanoseconds; 0 for one issued by this very answer.
    issue_time: int = 0
    #: The role or the user that logs in, as the method names it; its last login is remembered under it.
    role: str = ""
    #: Set in place of a token: what the login still has to prove.
    mfa_requirement: dict[str, Any] | None = None
    #: What a later renewal by the method that issued the token needs to know.
    internal: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(slots=True)
class WrapInfo:
    """Where a wrapped answer waits: `ttl` in seconds, `creation_time` in Unix nanoseconds."""

    token: str = field(repr=False)
    accessor: str
    ttl: int
    creation_time: int
    creation_path: str
    wrapped_accessor: str = ""


@dataclass(slots=True)
class Response:
    """An answer. Without a `status` it is 200 with content and 204 without.

    `bare` is sent as it stands, outside the envelope (health, OpenAPI, a snapshot's chunks). `flat` repeats the keys of
    `data` beside the envelope, as the system backend does.
    """

    data: Data = field(default=None, repr=False)
    auth: Auth | None = None
    lease: Lease | None = None
    wrap: WrapInfo | None = None
    warnings: list[str] = field(default_factory=list)
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    bare: Mapping[str, Any] | msgspec.Struct | bytes | AsyncIterator[bytes] | None = field(default=None, repr=False)
    content_type: str = "application/json"
    flat: bool = False
    _text: bytes | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def text(self) -> bytes:
        """The data as JSON, made once: the client and the audit log get the same."""
        if self._text is None:
            self._text = _encode(self.data)
        return self._text

    @property
    def plain(self) -> bool:
        """Whether there is nothing to send but data."""
        return (
            self.auth is None
            and self.lease is None
            and self.wrap is None
            and self.bare is None
            and not self.warnings
            and not self.headers
        )

    @property
    def empty(self) -> bool:
        """Whether there is nothing to send but a status."""
        return (
            self.data is None
            and self.auth is None
            and self.lease is None
            and self.wrap is None
            and self.bare is None
            and not self.warnings
        )
