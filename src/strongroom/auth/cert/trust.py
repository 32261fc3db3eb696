"""Whether a role lets a client's certificate in. The login and the doctor ask the same questions here.

1. Is it the role's own certificate, or is there a path from it to one of the role's authorities?
2. Is a certificate of the path on a revocation list? A path around a revoked authority is as good.
3. Do the role's rules about names and extensions hold?
4. Does OCSP say that it is good, if the role wants that known?
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from strongroom.api.context import Context
from strongroom.api.doctor import Findings
from strongroom.auth.cert import ocsp, pem
from strongroom.auth.cert.engine import Config, Revoked, Role
from strongroom.auth.cert.paths import Untrusted, called, issued, path, times
from strongroom.auth.cert.pem import Certificates
from strongroom.auth.cert.presented import Presented, serial_of
from strongroom.auth.cert.rules import judge

_ROLES: Final = "certificates of roles"


class Trusted(NamedTuple):
    """What a role trusts: a client's own certificate, or authorities with the names that they sign under."""

    certificates: Certificates
    authority: bool
    subjects: frozenset[bytes]
    responders: Certificates


class Verdict(NamedTuple):
    """Whether there is a path from the certificate, it is let in, and that could not be told."""

    trusted: bool
    matched: bool = False
    untold: bool = False


@dataclass(frozen=True, slots=True)
class Grounds:
    """What all roles of a mount are judged with. Without `online` nobody is asked by OCSP."""

    config: Config
    lists: Mapping[str, Revoked]
    online: bool = True


def trusted_by(ctx: Context, role: Role, config: Config) -> Trusted:
    """What a role trusts; read once for as long as it stays in memory."""
    kept: dict[str, tuple[Role, Trusted]] = ctx.memory.setdefault(_ROLES, {})
    known = kept.get(role.name)
    if known is not None and (known[0] is role or known[0] == role):
        return known[1]
    found = pem.certificates(role.certificate)
    subjects = frozenset(one.subject.public_bytes() for one in found)
    trusted = Trusted(found, pem.is_authority(found[0]), subjects, pem.certificates(role.ocsp_ca_certificates))
    kept.pop(role.name, None)
    while kept and len(kept) >= max(config.role_cache_size, 1):
        del kept[next(iter(kept))]
    if config.role_cache_size > 0:
        kept[role.name] = (role, trusted)
    return trusted


def validity(shown: Presented, now: float) -> str:
    """Why the certificate serves nobody at the moment, whoever may trust it; "" when it does."""
    return (problem := times(shown.leaf, now)) and f"the certificate {problem}"


async def examine(ctx: Context, shown: Presented, role: Role, grounds: Grounds, found: Findings) -> Verdict:
    """Judge a certificate by a role; each check is put down."""
    trusted = trusted_by(ctx, role, grounds.config)
    try:
        chain = _chain(ctx, shown, trusted)
    except Untrusted as e:
        found.wrong("trust", str(e))
        return Verdict(trusted=False)
    what = called(chain[-1].subject)
    found.right("trust", f"the path ends at {what}" if trusted.authority else "it is the role's own certificate")
    holds = [_not_revoked(ctx, shown, trusted, chain, grounds, found)]
    holds += [found.judge(rule.name, rule.holds, rule.detail, rule.detail) for rule in judge(role, shown)]
    if not all(holds):
        return Verdict(trusted.authority)
    return await _online(ctx, shown, role, trusted, chain, grounds, found)


def _chain(ctx: Context, shown: Presented, trusted: Trusted, without: Iterable[str] = ()) -> Certificates:
    """The path to what the role trusts, which has none of some serial numbers; raises `Untrusted`."""
    if not trusted.authority:
        own = trusted.certificates[0].public_bytes(Encoding.DER)
        if hmac.compare_digest(own, shown.leaf.public_bytes(Encoding.DER)):
            return (shown.leaf,)
        raise Untrusted("it is another certificate than the role's")
    without = frozenset(without)
    rest = tuple(one for one in shown.rest if serial_of(one) not in without)
    anchors = tuple(one for one in trusted.certificates if serial_of(one) not in without)
    # Names are compared before signatures are checked: a mount may have many roles.
    issuers = {one.issuer.public_bytes() for one in (shown.leaf, *rest)}
    if trusted.subjects.isdisjoint(issuers) and shown.leaf not in anchors:
        names = ", ".join(sorted({called(one.issuer) for one in (shown.leaf, *rest)}))
        raise Untrusted(f"it is issued by none of the role's authorities, but by {names}")
    return path(shown.leaf, rest, anchors, ctx.clock.now())


def _not_revoked(
    ctx: Context, shown: Presented, trusted: Trusted, chain: Certificates, grounds: Grounds, found: Findings
) -> bool:
    """Whether no revocation list has a certificate of the path, or of another path that there is."""
    if not grounds.lists:
        found.skip("revocation lists", "the mount has none")
        return True
    listed = _listed(chain, grounds.lists)
    if not listed:
        found.right("revocation lists", "no certificate of the path is on one")
        return True
    serial, name = next(iter(listed.items()))
    if serial != shown.serial:
        every = _listed((*shown.rest, *trusted.certificates), grounds.lists)
        try:
            _chain(ctx, shown, trusted, every)
        except Untrusted:
            pass
        else:
            found.right("revocation lists", f"serial number {serial} is on {name}, and there is a path without it")
            return True
    found.wrong("revocation lists", f"serial number {serial} of the path is on revocation list {name}")
    return False


def _listed(certificates: Iterable[x509.Certificate], lists: Mapping[str, Revoked]) -> dict[str, str]:
    """The serial numbers that are on a list, and on which."""
    serials = [serial_of(one) for one in certificates]
    return {serial: name for serial in serials for name, listed in lists.items() if serial in listed.serials}


async def _online(
    ctx: Context,
    shown: Presented,
    role: Role,
    trusted: Trusted,
    chain: Certificates,
    grounds: Grounds,
    found: Findings,
) -> Verdict:
    if not role.ocsp_enabled or not grounds.online:
        found.skip("OCSP", "the role does not want it" if not role.ocsp_enabled else "not asked here")
        return Verdict(trusted.authority, matched=True)
    told = await _told(ctx, shown, role, trusted, chain, grounds.config.ocsp_cache_size)
    if told.status is ocsp.Status.UNKNOWN and role.ocsp_fail_open:
        found.note("OCSP", f"{told.detail}; the role lets it in all the same")
        return Verdict(trusted.authority, matched=True)
    good = found.judge("OCSP", told.status is ocsp.Status.GOOD, told.detail, told.detail)
    return Verdict(trusted.authority, matched=good, untold=told.status is ocsp.Status.UNKNOWN)


async def _told(
    ctx: Context, shown: Presented, role: Role, trusted: Trusted, chain: Certificates, cached: int
) -> ocsp.Told:
    # Of a role's own certificate nothing is above it in the path; the issuer has to be among what the role has.
    issuer = chain[1] if len(chain) > 1 else next((o for o in trusted.responders if issued(shown.leaf, o)), None)
    if issuer is None:
        return ocsp.Told(ocsp.Status.UNKNOWN, "the issuer of the certificate is not among ocsp_ca_certificates")
    servers = role.ocsp_servers_override or ocsp.servers_of(shown.leaf)
    question = ocsp.Question(shown.leaf, issuer, tuple(servers), trusted.responders, every=role.ocsp_query_all_servers)
    return await ocsp.status(ctx, question, cached)
