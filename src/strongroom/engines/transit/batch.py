"""Batches: `batch_input`, a list of objects, each with the parameters of one operation.

The list is decoded into structs in one go. Only when that fails is it walked item by item, to say what is wrong in the
words that clients know.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Final, TypeVar

import msgspec

from strongroom.api.aside import aside
from strongroom.api.context import Context
from strongroom.api.fields import type_name
from strongroom.api.messages import Response
from strongroom.engines.transit.engine import perform
from strongroom.engines.transit.errors import Failed, text_of
from strongroom.errors import BadRequest, RequestError


class Item(msgspec.Struct, gc=False):
    """What items of all kinds have."""

    context: str | None = None
    reference: str | None = None
    key_version: int | str | None = None


class EncryptItem(Item, kw_only=True, gc=False):
    """Something to encrypt."""

    plaintext: str
    nonce: str | None = None
    associated_data: str | None = None


class DecryptItem(Item, kw_only=True, gc=False):
    """Something to decrypt or rewrap."""

    ciphertext: str
    nonce: str | None = None
    associated_data: str | None = None


class InputItem(Item, kw_only=True, gc=False):
    """Something to sign, verify or authenticate."""

    input: str | None = None
    signature: str | None = None
    hmac: str | None = None
    cmac: str | None = None
    mac_length: int | str | None = None


I = TypeVar("I", bound=Item)  # noqa: E741 - an item

#: Batches of more items go aside; fewer of them where an item costs ten times as much as an encryption.
MANY: Final = 1000
MANY_COSTLY: Final = 100

_PREFIX = "failed to parse batch input: "
_NUMBERS = ("key_version", "mac_length")
_MISSING = {"plaintext": "missing plaintext to encrypt", "ciphertext": "missing ciphertext to decrypt"}


async def parse(ctx: Context, value: object, kind: type[I], *, contexts: bool = False) -> list[I]:
    """The items of a batch; with `contexts` all of them must have one, or none.

    Raises:
        BadRequest: there are none, or only some have contexts.
        Failed: it is no list of objects, or an item has a value of the wrong type.
    """
    items = await aside(_parsed, value, kind) if ctx.request.large else _parsed(value, kind)
    if contexts:
        _check_contexts(items)
    return items


def _parsed(value: object, kind: type[I]) -> list[I]:
    if value == []:
        raise BadRequest("missing batch input to process")
    try:
        return msgspec.convert(value, list[kind])  # type: ignore[valid-type]
    except msgspec.ValidationError:
        raise Failed(_PREFIX + _fault(value, kind)) from None


def _fault(value: object, kind: type[Item]) -> str:
    if not isinstance(value, list):
        return f"source data must be an array or slice, got {type_name(value)}"
    for at, item in enumerate(value):
        if not isinstance(item, dict):
            return f"[{at}] expected a map, got '{type_name(item)}'"
        for name in _MISSING:
            if name in kind.__struct_fields__ and name not in item:
                return f"'[{at}].{name}' {_MISSING[name]}"
        for name in kind.__struct_fields__:
            held = item.get(name)
            wanted = "int" if name in _NUMBERS else "string"
            if not isinstance(held, str) and (held is not None or name in _MISSING):
                if name in _NUMBERS and isinstance(held, int):
                    continue
                return f"'[{at}].{name}' expected type '{wanted}', got unconvertible type '{type_name(held)}'"
    return "an item does not fit"


def version_of(item: Item) -> int:
    """The version that an item asks for; raises `BadRequest`."""
    wanted = item.key_version
    return wanted if type(wanted) is int else number(wanted, "key version")


def number(text: int | str | None, what: str) -> int:
    """A number that may be written as text, 0 when there is none; raises `BadRequest`."""
    try:
        return int(text or 0)
    except ValueError:
        raise BadRequest(f"the {what} is not a number") from None


def _check_contexts(items: Sequence[Item]) -> None:
    have = bool(items[0].context)
    for item in items:
        if bool(item.context) is not have:
            raise BadRequest("context should be set either in all the request blocks or in none")


def run(
    items: Iterable[I], work: Callable[[I, int], dict[str, Any]], failed: dict[str, Any] | None = None
) -> tuple[list[dict[str, Any]], list[RequestError]]:
    """The results of all items, in order, and the errors among them; `failed` is what a failed one says beside."""
    results: list[dict[str, Any]] = []
    errors: list[RequestError] = []
    for at, item in enumerate(items):
        try:
            result = work(item, at)
        except RequestError as e:
            errors.append(e)
            result = {**failed, "error": text_of(e)} if failed else {"error": text_of(e)}
        result["reference"] = item.reference or ""
        results.append(result)
    return results, errors


async def each(
    ctx: Context,
    items: Sequence[I],
    work: Callable[[I, int], dict[str, Any]],
    failed: dict[str, Any] | None = None,
    *,
    threaded: bool = False,
    costly: bool = False,
) -> tuple[list[dict[str, Any]], list[RequestError]]:
    """`run`, where it holds up nobody."""
    if not threaded and len(items) > (MANY_COSTLY if costly else MANY):
        return await aside(run, items, work, failed)
    return await perform(ctx, threaded, run, items, work, failed)


def answer(results: list[dict[str, Any]]) -> dict[str, Any]:
    """The answer to a batch whose failed items do not fail the request."""
    return {"batch_results": results}


def partial_answer(
    ctx: Context, results: list[dict[str, Any]], errors: list[RequestError], wanted: int | None
) -> Response:
    """The answer to a batch of which each failed item shows in the status: 400, 500 or what the client chose."""
    status = 0
    if errors:
        status = 500 if all(isinstance(e, Failed) for e in errors) else 400
        if wanted is not None and len(errors) < len(results):
            if 1 <= wanted <= 599:
                status = wanted
            else:
                text = "invalid HTTP response code override from partial_failure_response_code, reverting to 400"
                ctx.warn(text)
    return Response(data=answer(results), status=status)
