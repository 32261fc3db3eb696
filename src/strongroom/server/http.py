"""Bytes → `Request`. Pure: it knows neither sockets nor the HTTP server in front of it."""

from __future__ import annotations

import ipaddress
import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from strongroom.api.fields import FALSE, TRUE, Invalid, parse_duration
from strongroom.api.messages import Operation, Request
from strongroom.config import Listener
from strongroom.errors import (
    BadRequest,
    NotFound,
    PreconditionFailed,
    TooLarge,
    UnsupportedMediaType,
    UnsupportedOperation,
)
from strongroom.server.bodies import parse_body
from strongroom.server.forwarded import Proxies, split_peer
from strongroom.server.urls import checked, first, parse_query, redirect

PREFIX = "/v1/"
MERGE_PATCH = "application/merge-patch+json"
OPERATIONS: Mapping[str, Operation] = {
    "GET": Operation.READ,
    "POST": Operation.UPDATE,
    "PUT": Operation.UPDATE,
    "DELETE": Operation.DELETE,
    "LIST": Operation.LIST,
    "PATCH": Operation.PATCH,
    "HEAD": Operation.HEADER,
    "HELP": Operation.HELP,
}
#: Where HEAD means "the status of a GET"; load balancers ask that way.
HEAD_READS = frozenset({"sys/health"})
#: Operations whose parameters come in a body.
WRITES = frozenset({Operation.UPDATE, Operation.PATCH})


class HeaderMap(Protocol):
    """A request's headers by lower-case name; of a repeated one `get` gives the first value."""

    def get(self, name: str, default: Any = None, /) -> Any:
        """The first value of a header."""

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""


class HeaderDict(dict[str, str]):
    """Headers in a plain dictionary; for tests, and wherever each comes once."""

    def all(self, name: str) -> list[str]:
        """Every value of a header, in order."""
        return [self[name]] if name in self else []


#: What a listener can be set to serve without a token.
OPEN = {
    "sys/metrics": "unauthenticated_metrics_access",
    "sys/in-flight-req": "unauthenticated_in_flight_request_access",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """What a listener asks of requests; sizes in bytes, 0 for no limit."""

    max_request_size: int = 32 << 20
    require_request_header: bool = False
    proxies: Proxies | None = None
    printable: bool = True
    open_paths: frozenset[str] = frozenset()

    @classmethod
    def of(cls, listener: Listener, *, printable: bool = True) -> Rules:
        """A listener's settings as rules."""
        networks = tuple(ipaddress.ip_network(n, strict=False) for n in listener.x_forwarded_for_authorized_addrs)
        proxies = Proxies(
            networks,
            hop_skips=listener.x_forwarded_for_hop_skips,
            reject_not_present=listener.x_forwarded_for_reject_not_present,
            reject_not_authorized=listener.x_forwarded_for_reject_not_authorized,
        )
        return cls(
            max_request_size=max(listener.max_request_size, 0),
            require_request_header=listener.require_request_header,
            proxies=proxies if networks else None,
            printable=printable,
            open_paths=frozenset(path for path, setting in OPEN.items() if getattr(listener, setting)),
        )


class RequestIds:
    """Random UUIDs, drawn from the operating system 256 at a time: a system call each is what costs."""

    def __init__(self) -> None:
        self._pool = ""
        self._at = 0

    def __call__(self) -> str:
        """The next one."""
        at = self._at
        if at == len(self._pool):
            self._pool, at = os.urandom(16 * 256).hex(), 0
        self._at = at + 32
        h = self._pool[at : at + 32]
        # Version 4, variant 10: of the variant's digit the two upper bits are given.
        return f"{h[:8]}-{h[8:12]}-4{h[13:16]}-{_VARIANT[h[16]]}{h[17:20]}-{h[20:]}"


_VARIANT = {digit: "89ab"[int(digit, 16) & 3] for digit in "0123456789abcdef"}
new_request_id: Callable[[], str] = RequestIds()


def begin(
    method: str,
    path: str,
    query: str,
    headers: HeaderMap,
    peer: str,
    rules: Rules,
    *,
    request_id: str = "",
    certificates: tuple[bytes, ...] | None = None,
) -> Request:
    """A request but for its body. `path` is percent-decoded and begins with a slash, `query` is as it was sent.

    Raises `RequestError`, or `Elsewhere` for what is not answered in JSON.
    """
    path = checked(path, query, printable=rules.printable)
    if path[:4] != PREFIX:
        raise NotFound
    path = path[4:]
    if path == "sys":
        raise redirect("/v1/sys/", query)
    operation = OPERATIONS.get(method)
    if operation is None:
        raise UnsupportedOperation.terse()
    if operation is Operation.HEADER and path in HEAD_READS:
        operation = Operation.READ
    parameters: dict[str, Any] = {}
    if query:
        parameters = parse_query(query)
        if "help" in parameters:
            operation = Operation.HELP
            del parameters["help"]
        elif operation is Operation.READ and "list" in parameters and _wants_list(parameters.pop("list")):
            operation = Operation.LIST
    if operation is Operation.LIST and path[-1:] != "/":
        path += "/"
    if rules.require_request_header and headers.get("x-vault-request") != "true":
        raise PreconditionFailed("missing required header 'X-Vault-Request'")
    if operation is Operation.PATCH:
        _check_patch(headers.get("content-type") or "")
    address, port = split_peer(peer)
    if rules.proxies is not None:
        address = rules.proxies.client(address, headers.all("x-forwarded-for"))
    return Request(
        id=request_id or new_request_id(),
        operation=operation,
        path=path,
        method=method,
        data=None if operation in WRITES else parameters,
        query={name: first(value) for name, value in parameters.items()} if parameters else None,
        headers=headers,  # type: ignore[arg-type]  # all that is asked of it is get, items and in
        token=headers.get("x-vault-token") or _bearer(headers),
        wrap_ttl=_wrap_ttl(headers.get("x-vault-wrap-ttl")),
        open_paths=rules.open_paths,
        remote_address=address,
        remote_port=port,
        certificates=certificates,
    )


def finish(request: Request, body: bytes) -> None:
    """Fill in a body's parameters. Raises `BadRequest`."""
    if body:
        request.data, request.raw = parse_body(body, request.headers.get("content-type") or "")
    if request.path[-1:] == "/":
        raise BadRequest("cannot write to a path ending in '/'")


def parse(
    method: str, path: str, query: str, headers: HeaderMap, body: bytes, peer: str = "", rules: Rules | None = None
) -> Request:
    """A whole request whose body is at hand."""
    rules = rules or Rules()
    request = begin(method, path, query, headers, peer, rules)
    if request.operation in WRITES:
        check_size(len(body), rules)
        finish(request, body)
    return request


def check_size(size: int, rules: Rules) -> None:
    """Raise `TooLarge` for a body of more bytes than the listener takes."""
    if size > rules.max_request_size > 0:
        raise TooLarge("http: request body too large")


def _wants_list(value: str | list[str]) -> bool:
    text = first(value)
    if text in TRUE:
        return True
    if text in FALSE or text == "":
        return False
    error = BadRequest()
    error.errors = []
    raise error


def _bearer(headers: HeaderMap) -> str:
    value: str = headers.get("authorization") or ""
    return value[7:].strip() if value.startswith("Bearer ") else ""


def _wrap_ttl(value: str | None) -> int:
    if not value:
        return 0
    try:
        seconds = parse_duration(value)
    except Invalid as e:
        raise BadRequest(f"error parsing X-Vault-Wrap-TTL header: {e}") from None
    if seconds < 0:
        raise BadRequest("error parsing X-Vault-Wrap-TTL header: requested wrap ttl cannot be negative")
    return math.ceil(seconds)  # half a second must not become "do not wrap"


def _check_patch(content_type: str) -> None:
    if content_type.partition(";")[0].strip().lower() != MERGE_PATCH:
        raise UnsupportedMediaType(f"PATCH requires Content-Type of {MERGE_PATCH}, provided {content_type[:100]}")
