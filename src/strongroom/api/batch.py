"""Batches: many inputs of one endpoint in one request, each answered for itself.

A body `{"batch_input": [{...}, {...}]}` runs the endpoint's handler once for each item, whose parameters are the item's
(the path's stay); parameters beside the list are ignored. The answer is `{"batch_results": [...]}` in the same order:
the handler's result, or `{"error": text}`, and the item's `reference` where it has one.

All items share the request's transaction, so a handler decides before it writes: what an item wrote before it failed
would be stored with the rest. Source: Vault's transit documentation and recorded answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

from strongroom.api.args import Args
from strongroom.api.context import Context
from strongroom.api.fields import type_name
from strongroom.api.messages import Response
from strongroom.errors import MULTI, BadRequest, InternalError, NotFound, PreconditionFailed, RequestError

RESULTS = "batch_results"
REFERENCE = "reference"
PARTIAL = "partial_failure_response_code"

#: What concerns one item alone; any other error ends the whole request.
OF_AN_ITEM = (BadRequest, NotFound, PreconditionFailed)
#: After so many items others get their turn.
TOGETHER = 64

Handler = Callable[..., Awaitable[Any]]
Raw = Mapping[str, msgspec.Raw]
_raw_items = msgspec.json.Decoder(list[dict[str, msgspec.Raw]]).decode


@dataclass(frozen=True, slots=True)
class Batch:
    """How an endpoint takes batches.

    `name` is the parameter. With `partial` an answer in which an item failed has the status 400, or what the client
    chose by `partial_failure_response_code` if another succeeded; else it is 200. `failed` is what a failed item's
    result has beside its error. `check` sees the items, each as it was sent, before the first runs; it may raise
    `BadRequest`.
    """

    name: str = "batch_input"
    partial: bool = False
    failed: Mapping[str, Any] = field(default_factory=dict)
    check: Callable[[Sequence[Mapping[str, Any]]], None] | None = None

    def given(self, data: Mapping[str, Any]) -> bool:
        """Whether a request is a batch."""
        return data.get(self.name) is not None


@dataclass(slots=True)
class Items:
    """The arguments of a batch. `shared` are those in the path, with defaults for the others."""

    shared: Args
    params: Mapping[str, str]
    items: Sequence[Mapping[str, Any]]
    raw: Sequence[Raw]
    code: Any = None


def parse_items(batch: Batch, args: type[Args], params: Mapping[str, str], data: Mapping[str, Any], raw: Raw) -> Items:
    """Read a request's list of inputs.

    Raises:
        BadRequest: there are no items.
        InternalError: it is no list of objects (the status that clients know).
    """
    items = data[batch.name]
    if not isinstance(items, list):
        raise _unreadable(f"source data must be an array or slice, got {type_name(items)}")
    for number, item in enumerate(items):
        if not isinstance(item, dict):
            raise _unreadable(f"[{number}] expected a map, got '{type_name(item)}'")
    if not items:
        raise BadRequest("missing batch input to process")
    if batch.check is not None:
        batch.check(items)
    shared, _ = args.parse(params, {}, {}, complete=False)
    written = _raw_items(raw[batch.name]) if batch.name in raw else [{}] * len(items)
    return Items(shared, params, items, written, data.get(PARTIAL) if batch.partial else None)


async def run_items(batch: Batch, args: type[Args], handler: Handler, ctx: Context, given: Items) -> Response:
    """Run a handler for each item."""
    results: list[dict[str, Any]] = []
    failures = 0
    for number, (item, raw) in enumerate(zip(given.items, given.raw, strict=True), 1):
        try:
            arguments, _ = args.parse(given.params, item, raw)
            result = _plain(await handler(ctx, arguments))
        except OF_AN_ITEM as e:
            failures += 1
            result = {**batch.failed, "error": _words(e)}
        if isinstance(item.get(REFERENCE), str):
            result[REFERENCE] = item[REFERENCE]
        results.append(result)
        if number % TOGETHER == 0:
            await asyncio.sleep(0)
    status = _status(ctx, given, failures) if batch.partial and failures else 0
    return Response(data={RESULTS: results}, status=status)


def _status(ctx: Context, given: Items, failures: int) -> int:
    code = given.code
    if code is None or failures == len(given.items):
        return 400
    if type(code) is int and 200 <= code <= 599:
        return code
    ctx.warn(f"invalid HTTP response code override from {PARTIAL}, reverting to 400")
    return 400


def _plain(result: Any) -> dict[str, Any]:
    """A handler's result as a dictionary of its own."""
    if isinstance(result, Response):
        result = result.data
    if result is None:
        return {}
    if isinstance(result, msgspec.Struct):
        names = zip(result.__struct_encode_fields__, result.__struct_fields__, strict=True)
        fields = {sent: getattr(result, name) for sent, name in names}
        return {name: value for name, value in fields.items() if value is not msgspec.UNSET}
    return dict(result)


def _words(error: RequestError) -> str:
    return "; ".join(error.errors) or "not found"


def _unreadable(why: str) -> InternalError:
    return InternalError(MULTI.format(f"failed to parse batch input: {why}"))
