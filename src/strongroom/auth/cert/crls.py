"""Revocation lists that logins are checked against; those with a URL are fetched again when they are due.

A list is trusted because of who wrote it here, or for where it was fetched from; its signature is not looked at.
"""

from __future__ import annotations

import logging
from functools import partial
from typing import Any, Final

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import LowerName
from strongroom.api.resource import Resource
from strongroom.auth import outbound
from strongroom.auth.cert.engine import CRL, Revoked, cert
from strongroom.errors import MULTI, BadRequest, InternalError

log = logging.getLogger("strongroom.auth")

LOCK: Final = "crl"
#: Seconds from one round to the next, and until a list is fetched again that does not say when it is due.
INTERVAL: Final = 60.0
UNTOLD: Final = 3600.0
_NEXT: Final = "next round of revocation lists"
_FETCHED: Final = "when lists were fetched"


class CRLName(Args):
    """Which list."""

    name: LowerName = field("The list; upper case counts as lower case.")


class CRLArgs(CRLName):
    """A revocation list: itself, or where it is."""

    crl: str = field("The list in PEM. That it has expired is no matter; delete it when it is no longer to count.")
    url: str = field("Where to fetch it, now and whenever it is due; PEM or DER.")


Resource(Revoked, CRL, noun="a revocation list", lower=True).serve_list(cert, "crls")


@cert.read("crls/{name}")
async def read_crl(ctx: Context, args: CRLName) -> dict[str, Any]:
    """Read the serial numbers on a revocation list."""
    found = await ctx.storage.load(CRL + args.name, Revoked)
    if found is None:
        raise _unknown(args.name)
    return found.shown()


@cert.write("crls/{name}")
async def write_crl(ctx: Context, args: CRLArgs) -> None:
    """Store a revocation list, or fetch it."""
    from strongroom.auth.cert.revocation import BadList, revoked_in

    if "crl" in args.given:
        try:
            found = await revoked_in(args.crl.encode("utf-8", "surrogatepass"))
        except BadList as e:
            raise BadRequest(f"failed to parse CRL: {e}") from None
    elif "url" in args.given:
        if not args.url:
            raise BadRequest("empty CRL url")
        if problem := outbound.url_problem(args.url):
            raise BadRequest(f"invalid CRL url: {problem}")
        try:
            found = await fetched(ctx, args.url)
        except (BadList, outbound.Unreachable) as e:
            raise InternalError(MULTI.format(f"fetching the CRL failed: {e}")) from None
        _fetches(ctx)[args.name] = ctx.clock.monotonic()
    else:
        raise BadRequest("one of 'crl' or 'url' must be provided")
    await ctx.lock(LOCK, args.name)
    ctx.storage.store(CRL + args.name, found)


@cert.delete("crls/{name}")
async def delete_crl(ctx: Context, args: CRLName) -> None:
    """Delete a revocation list."""
    await ctx.lock(LOCK, args.name)
    if await ctx.storage.load(CRL + args.name, Revoked) is None:
        raise _unknown(args.name)
    ctx.storage.delete(CRL + args.name)


async def load_crls(ctx: Context) -> dict[str, Revoked]:
    """All revocation lists, by name."""
    found: dict[str, Revoked] = {}
    for name in await ctx.storage.list(CRL):
        listed = await ctx.storage.load(CRL + name, Revoked)
        if listed is not None:
            found[name] = listed
    return found


async def fetched(ctx: Context, url: str) -> Revoked:
    """Fetch a list; raises `Unreachable` or `BadList`."""
    from strongroom.auth.cert.revocation import MOST_BYTES, revoked_in

    answer = await outbound.of(ctx).get(url, headers={"Accept": "application/pkix-crl, */*"}, most=MOST_BYTES)
    return await revoked_in(answer.body, url)


async def refresh(ctx: Context) -> None:
    """Fetch each list that is due, once a minute; one that cannot be fetched stays as it is."""
    from strongroom.auth.cert.revocation import BadList

    now = ctx.clock.monotonic()
    if now < ctx.memory.get(_NEXT, 0.0):
        return
    ctx.memory[_NEXT] = now + INTERVAL
    for name, listed in (await load_crls(ctx)).items():
        if not listed.url or not _due(ctx, name, listed):
            continue
        try:
            found = await fetched(ctx, listed.url)
        except (BadList, outbound.Unreachable) as e:
            log.warning("revocation list %s of %s could not be fetched: %s", name, ctx.mount.path, e)
        else:
            _fetches(ctx)[name] = now
            await ctx.apart(partial(_replace, name, found))


def _due(ctx: Context, name: str, listed: Revoked) -> bool:
    if listed.valid_until_ns:
        return ctx.clock.now_ns() > listed.valid_until_ns
    last = _fetches(ctx).get(name)
    return last is None or ctx.clock.monotonic() - last >= UNTOLD


async def _replace(name: str, found: Revoked, ctx: Context) -> None:
    await ctx.lock(LOCK, name)
    current = await ctx.storage.load(CRL + name, Revoked)
    if current is not None and current.url == found.url:  # nobody has deleted or changed it in the meantime
        ctx.storage.store(CRL + name, found)


def _fetches(ctx: Context) -> dict[str, float]:
    kept: dict[str, float] = ctx.memory.setdefault(_FETCHED, {})
    return kept


def _unknown(name: str) -> BadRequest:
    return BadRequest(f"no such CRL {name}")


cert.tick = refresh
