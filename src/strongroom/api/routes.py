"""`Engine` and its routes: how an endpoint is declared, and how a path finds it.

A pattern is literal segments and parameters: `{name}` is a name (letters, digits, `_`, `-`, `.`), `{x:segment}`
anything but a slash, `{x:path}` the rest, slashes included and possibly empty, `{x:subpath}` the same but never empty.
A list route matches with and without the slash that lists carry at their end; `{x:path}` is then empty for the folder
above.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from strongroom.api.args import Args
from strongroom.api.batch import PARTIAL, Batch, Items, parse_items, run_items
from strongroom.api.context import Context
from strongroom.api.doctor import Evidence, Findings
from strongroom.api.messages import Operation, Request
from strongroom.errors import UnsupportedOperation, UnsupportedPath
from strongroom.memo import remember

C = TypeVar("C", bound=Context)
Handler = Callable[..., Awaitable[Any]]
Exists = Callable[[Any, Any], Awaitable[bool]]
H = TypeVar("H", bound=Handler)
Revoker = Callable[[Any, dict[str, Any]], Awaitable[None]]
Renewer = Callable[[Any, dict[str, Any]], Awaitable[Any]]

#: How many paths an engine remembers the routes of.
KNOWN = 2048
_PARAMETER = re.compile(r"\{(\w+)(?::(\w+))?\}")
_SHAPES = {None: r"\w(?:[\w.-]*\w)?", "segment": r"[^/]+", "path": r".*", "subpath": r".+"}


@dataclass(frozen=True, slots=True)
class Flags:
    """What is special about an endpoint; the pipeline looks at these and at no path."""

    unauthenticated: bool = False
    """Needs no token."""
    sudo: bool = False
    """Needs the sudo capability beside the operation's."""
    sealed_ok: bool = False
    """Works while the server is sealed."""
    standby_local: bool = False
    """A standby answers it itself."""
    login: bool = False
    """Its failures count towards locking out the name that it claims (`Engine.login_name`)."""
    unaudited: bool = False
    """Leaves no audit entry."""
    root_only: bool = False
    """Needs a root token."""
    no_wrap: bool = False
    """Its answer is never wrapped."""
    terse: bool = False
    """A wrong method is refused with an empty list of errors."""
    effectless: bool = False
    """Changes nothing beyond its own storage, and that seldom: its request may be put on record together with its
    answer, or before what it stores."""
    light: bool = False
    """Waits for nothing but locks and its own commit, and so needs no task."""
    raw_body: bool = False
    """Its body is handed over as bytes, in chunks."""
    wrapping: bool = False
    """Its `token`, else the request's own, must be an unspent wrapping token; that is judged before anything else."""
    request_entry_only: bool = False
    """The device or the token is gone by the time of the answer: only the request is audited."""
    oauth: bool = False
    """Its refusals have the form of OAuth's (RFC 6749, section 5.2)."""
    accepted: bool = False
    """May answer 202: the work goes on after the answer."""
    may_be_empty: bool = False
    """A read that may answer 204."""

    @property
    def status(self) -> bool:
        """Whether it tells the state of the node, to all, unrecorded, and in any state the same."""
        return self.sealed_ok and self.unauthenticated and self.unaudited


@dataclass(slots=True)
class Route:
    """One pattern and one operation."""

    pattern: str
    operation: Operation
    handler: Handler
    args: type[Args] | None
    flags: Flags
    exists: Exists | None = None
    free_form: bool = False
    batch: Batch | None = None
    summary: str = ""
    description: str = ""
    regex: re.Pattern[str] = field(init=False)

    def __post_init__(self) -> None:
        self.regex = re.compile(_regex(self.pattern), re.ASCII | re.DOTALL)

    @property
    def parameters(self) -> list[str]:
        """The names of the path's parameters."""
        return [m[1] for m in _PARAMETER.finditer(self.pattern)]

    def parse(self, params: Mapping[str, str], request: Request) -> tuple[Any, list[str]]:
        """The handler's arguments (or a batch of them), and the names of parameters that it does not know."""
        if self.args is None:
            return None, [] if self.free_form else sorted(request.data)
        if self.batch is not None and self.batch.given(request.data):
            return parse_items(self.batch, self.args, params, request.data, request.raw), []
        arguments, unknown = self.args.parse(params, request.data, request.raw)
        known = self.batch is not None and {PARTIAL, self.batch.name}
        return arguments, [] if self.free_form else [n for n in unknown if not known or n not in known]

    async def run(self, ctx: Any, arguments: Any) -> Any:
        """Call the handler with what `parse` gave."""
        if self.args is None:
            return await self.handler(ctx)
        if isinstance(arguments, Items):
            assert self.batch is not None
            return await run_items(self.batch, self.args, self.handler, ctx, arguments)
        return await self.handler(ctx, arguments)

    async def there(self, ctx: Any, arguments: Any) -> bool:
        """Whether a write would change what is there, rather than create it."""
        assert self.exists is not None
        return await self.exists(ctx, arguments.shared if isinstance(arguments, Items) else arguments)


def _regex(pattern: str) -> str:
    out, at = "", 0
    for m in _PARAMETER.finditer(pattern):
        out += re.escape(pattern[at : m.start()]) + f"(?P<{m[1]}>{_SHAPES[m[2]]})"
        at = m.end()
    return out + re.escape(pattern[at:])


# A name of its own, since inside Engine `list` is the decorator.
Routes = list[Route]


def _nobody(arguments: Any) -> str:
    return ""


class Engine(Generic[C]):
    """A kind of mount: its routes and what it does when mounted, renewed, revoked or upgraded."""

    def __init__(self, type: str, *, kind: str = "secret", help: str = "", free_form: bool = False) -> None:  # noqa: A002
        self.type = type
        #: "secret", "auth" or "system".
        self.kind = kind
        self.help = help
        #: Whether every parameter is welcome (KV version 1); then none is reported as ignored.
        self.free_form = free_form
        self.routes: Routes = []
        self._by_head: dict[str, Routes] = {}
        #: What was found lately: the same few paths come again and again. What is found is never changed.
        self._known: dict[tuple[str, Operation], tuple[Route, dict[str, str]]] = {}
        self.revokers: dict[str, Revoker] = {}
        self.renewers: dict[str, Renewer] = {}
        self.on_mount: Callable[[C], Awaitable[None]] | None = None
        #: The mount's own recurring work, about every five seconds and soon after unsealing; never twice at a time.
        self.tick: Callable[[C], Awaitable[None]] | None = None
        #: Stores what `Context.note` gathered, by its keys: every few seconds while there is something, before the
        #: server seals, and once with nothing soon after unsealing or mounting; never twice at a time. What fails for
        #: want of storage is tried again, with what is newer.
        self.settle: Callable[[C, Mapping[Any, Any]], Awaitable[None]] | None = None
        #: The role that a login names, for limits by role: called with the path below the mount.
        self.role_of: Callable[[C, str], Awaitable[str]] | None = None
        #: The name that the arguments of a login claim, as it is counted for lockouts; "" for none.
        self.login_name: Callable[[Any], str] = _nobody
        #: Explains why a login fails.
        self.doctor: Callable[[C, Evidence, Findings], Awaitable[None]] | None = None
        #: Names that are the same to a login become the same text.
        self.fold_alias: Callable[[str], str] = str
        #: The message of a 404 for a path without a route; None for the usual one.
        self.unknown_path: Callable[[str, Operation], Exception] | None = None

    @property
    def counts_logins(self) -> bool:
        """Whether names are locked out here after failed logins."""
        return self.login_name is not _nobody

    def _declare(
        self,
        operation: Operation,
        pattern: str,
        flags: dict[str, bool],
        exists: Exists | None = None,
        free_form: bool = False,
        batch: Batch | None = None,
    ) -> Callable[[H], H]:
        def register(handler: H) -> H:
            hints = typing.get_type_hints(handler, include_extras=True)
            args = hints.get("args")
            doc = (handler.__doc__ or "").strip().partition("\n")
            self.add(
                Route(
                    pattern,
                    operation,
                    handler,
                    args,
                    Flags(**flags),
                    exists,
                    free_form or self.free_form,
                    batch,
                    doc[0].strip(),
                    doc[2].strip(),
                )
            )
            return handler

        return register

    def add(self, route: Route) -> None:
        """Register a route; of two that match a path the earlier wins."""
        self.routes.append(route)
        self._by_head.clear()
        self._known.clear()

    def read(self, pattern: str, **flags: bool) -> Callable[[H], H]:
        """Declare a GET."""
        return self._declare(Operation.READ, pattern, flags)

    def list(self, pattern: str, **flags: bool) -> Callable[[H], H]:
        """Declare a LIST (or GET with `list=true`)."""
        return self._declare(Operation.LIST, pattern, flags)

    def delete(self, pattern: str, **flags: bool) -> Callable[[H], H]:
        """Declare a DELETE."""
        return self._declare(Operation.DELETE, pattern, flags)

    def patch(self, pattern: str, **flags: bool) -> Callable[[H], H]:
        """Declare a PATCH with a JSON merge patch."""
        return self._declare(Operation.PATCH, pattern, flags)

    def write(
        self,
        pattern: str,
        *,
        exists: Exists | None = None,
        free_form: bool = False,
        batch: Batch | str = "",
        **flags: bool,
    ) -> Callable[[H], H]:
        """Declare a POST or PUT. With `exists`, writing what is not there needs `create`, else `update`.

        With `batch`, the name of a list of objects, the handler is called for each of them where that is given.
        """
        taken = Batch(batch) if isinstance(batch, str) and batch else batch or None
        return self._declare(Operation.UPDATE, pattern, flags, exists, free_form, taken)

    def revoke(self, lease_kind: str) -> Callable[[Revoker], Revoker]:
        """Declare how leases of a kind are undone; called with what the lease was given to remember."""

        def register(handler: Revoker) -> Revoker:
            self.revokers[lease_kind] = handler
            return handler

        return register

    def renew(self, lease_kind: str) -> Callable[[Renewer], Renewer]:
        """Declare what renewing a lease of a kind means to the engine."""

        def register(handler: Renewer) -> Renewer:
            self.renewers[lease_kind] = handler
            return handler

        return register

    def match(self, path: str, operation: Operation) -> tuple[Route, dict[str, str]]:
        """Find the route of a path below the mount.

        Raises:
            UnsupportedPath: no pattern matches.
            UnsupportedOperation: one matches, but not for this operation.
        """
        if operation is Operation.CREATE:
            operation = Operation.UPDATE
        known = self._known.get((path, operation))
        if known is not None:
            return known
        other: Route | None = None
        for route, matched in self._matching(path, operation is Operation.LIST):
            if route.operation is operation:
                return remember(self._known, (path, operation), (route, matched.groupdict()), KNOWN)
            other = route
        if other:
            raise UnsupportedOperation.terse() if other.flags.terse else UnsupportedOperation()
        raise (self.unknown_path(path, operation) if self.unknown_path else UnsupportedPath())

    def at(self, path: str) -> Routes:
        """All routes of a path, whatever their operation."""
        return [route for route, _ in self._matching(path, False)]

    def _matching(self, path: str, listing: bool) -> Iterator[tuple[Route, re.Match[str]]]:
        bare = path.removesuffix("/")
        for route in self._candidates(bare.partition("/")[0]):
            lists = route.operation is Operation.LIST
            matched = route.regex.fullmatch(bare if lists else path)
            if matched is None and lists and listing:
                matched = route.regex.fullmatch(bare + "/")
            if matched is not None:
                yield route, matched

    def _candidates(self, head: str) -> Routes:
        """The routes whose first segment is `head` or has a parameter, in the order of their declaration."""
        if not self._by_head:
            firsts = [r.pattern.partition("/")[0] for r in self.routes]
            for known in {"", *firsts}:
                self._by_head[known] = [
                    r for r, first in zip(self.routes, firsts, strict=True) if first == known or "{" in first
                ]
        return self._by_head.get(head) or self._by_head[""]
