"""Logging in with a certificate, and renewing the tokens that came of it.

The TLS handshake has proven that the client has the certificate's key; what the certificate is worth is decided here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from strongroom.api.args import Args, field
from strongroom.api.cidrs import within
from strongroom.api.context import Context
from strongroom.api.doctor import Findings
from strongroom.api.fields import NAME
from strongroom.api.messages import Auth, Response
from strongroom.auth.cert.crls import load_crls
from strongroom.auth.cert.engine import ROLE, ROLES, Role, cert, load_config
from strongroom.auth.refusals import refused
from strongroom.auth.token_params import policy_set
from strongroom.errors import MULTI, BadRequest, InternalError, PermissionDenied, RequestError

if TYPE_CHECKING:
    from strongroom.auth.cert.presented import Presented

NO_TLS: Final = "tls connection required"
NONE_SHOWN: Final = "client certificate must be supplied"
UNTRUSTED: Final = "invalid certificate or no client certificate supplied"
NO_MATCH: Final = "no chain matching all constraints could be found for this login certificate"
UNTOLD: Final = "{}; additionally got errors during verification: the OCSP status could not be determined"
UNVERIFIED: Final = "failed to verify client's certificate: x509: {}"
NO_NAME: Final = "missing alias name: the certificate has no common name"
#: Of how many roles a reason tells why they do not match.
MOST_TOLD: Final = 5


class LoginArgs(Args):
    """What a machine says beside its certificate."""

    name: str = field("The role; without it every role is tried, in the order of their names.")


def denied(text: str, reason: str) -> BadRequest:
    """A refused login: what the client is told, and what the log and the audit entry tell."""
    return BadRequest(text, reason=reason, kind="permission denied")


@cert.write("login", unauthenticated=True, login=True)
async def login(ctx: Context, args: LoginArgs) -> Response:
    """Log in with the certificate of the TLS connection; the answer is a token."""
    try:
        shown = client_of(ctx)
        role = await matching(ctx, shown, args.name)
        _check(ctx, role, shown)
    except RequestError as e:
        raise refused(ctx, args.name if NAME.fullmatch(args.name) else "(any)", e) from None
    config = await load_config(ctx)
    facts = metadata(role, shown)
    return Response(
        auth=role.auth(
            metadata=facts,
            display_name=role.display_name,
            alias_name=shown.common_name,
            alias_metadata=facts if config.enable_identity_alias_metadata else None,
            role=role.name,
            internal={
                "role": role.name,
                "key": shown.key,
                "holder": shown.holder,
                "policies": policy_set(role.token_policies),
            },
        )
    )


def client_of(ctx: Context) -> Presented:
    """What the client showed on its connection; raises `BadRequest`."""
    from strongroom.auth.cert.pem import BadCertificate
    from strongroom.auth.cert.presented import presented

    shown = ctx.request.certificates
    if shown is None:
        raise denied(NO_TLS, "the listener speaks no TLS, or is behind something that ends it")
    if not shown:
        reason = "the client showed no certificate; a listener asks for one when it has tls_client_ca_file"
        raise denied(NONE_SHOWN, reason)
    try:
        return presented(shown)
    except BadCertificate as e:
        raise denied(UNTRUSTED, str(e)) from None


async def matching(ctx: Context, shown: Presented, name: str, *, online: bool = True) -> Role:
    """The first role that lets the certificate in; with a name only that one. Own certificates come before authorities.

    Raises:
        BadRequest: there is none.
    """
    from strongroom.auth.cert.paths import times
    from strongroom.auth.cert.pem import for_clients
    from strongroom.auth.cert.trust import TRUST, Grounds, examine, outline_of

    if problem := times(shown.leaf, ctx.clock.now()):
        raise denied(UNVERIFIED.format("certificate has expired or is not yet valid"), f"the certificate {problem}")
    if not for_clients(shown.leaf):
        reason = "the certificate's extended key usage does not include client authentication"
        raise denied(UNVERIFIED.format("certificate specifies an incompatible key usage"), reason)
    grounds = Grounds(await load_config(ctx), await load_crls(ctx), online)
    roles = await _roles(ctx, name)
    roles.sort(key=lambda role: outline_of(ctx, role, grounds.config).authority)
    near: list[str] = []  # of roles that trust the certificate, which are what its holder is after
    far: list[str] = []
    trusted = untold = False
    for role in roles:
        found = Findings()
        verdict = await examine(ctx, shown, role, grounds, found)
        if verdict.matched:
            return role
        trusted, untold = trusted or verdict.trusted, untold or verdict.untold
        why = [f"role {role.name}: {step.check}: {step.detail}" for step in found.failed]
        (near if found.failed[0].check != TRUST else far).extend(why)
    reasons = near + far
    more = f"; and {len(reasons) - MOST_TOLD} more" if len(reasons) > MOST_TOLD else ""
    text = NO_MATCH if trusted else UNTRUSTED
    raise denied(UNTOLD.format(text) if untold else text, ("; ".join(reasons[:MOST_TOLD]) or _no_role(name)) + more)


async def _roles(ctx: Context, name: str) -> list[Role]:
    if name:
        role = await ROLES.get(ctx, name) if NAME.fullmatch(name) else None
        return [role] if role is not None else []
    found = [await ROLES.get(ctx, one) for one in await ctx.storage.list(ROLE)]
    return [role for role in found if role is not None]


def _no_role(name: str) -> str:
    return "the mount has no role of that name" if name else "the mount has no roles"


def _check(ctx: Context, role: Role, shown: Presented) -> None:
    """What no other role could make good."""
    if not within(role.token_bound_cidrs, ctx.request.remote_address):
        reason = f"role {role.name} is bound to other addresses than {ctx.request.remote_address}"
        raise PermissionDenied("permission denied", reason=reason)
    if not shown.common_name:
        raise denied(NO_NAME, f"role {role.name}: the certificate has no common name to know its holder by")


def metadata(role: Role, shown: Presented) -> dict[str, str]:
    """What the token tells of the certificate; extensions by their OID with hyphens."""
    from strongroom.auth.cert.presented import colons

    extensions = shown.texts(role.allowed_metadata_extensions or ())
    return {
        "cert_name": role.name,
        "common_name": shown.common_name,
        "serial_number": shown.serial,
        "subject_key_id": colons(shown.subject_key_id),
        "authority_key_id": colons(shown.authority_key_id),
        **{oid.replace(".", "-"): text for oid, text in extensions.items()},
    }


@cert.renew("token")
async def renew(ctx: Context, internal: dict[str, Any]) -> Auth:
    """Renew a login's token as the role is now, for whom it was given to.

    Unless `disable_binding` says otherwise, the connection must show a certificate that could log in with the role, and
    that has the same key as the one that did, or the same names and issuer.
    """
    name = internal.get("role", "")
    role = await ROLES.get(ctx, name)
    if role is None:
        raise _not_renewed("the role does not exist any more")
    if policy_set(role.token_policies) != internal.get("policies", []):
        raise _not_renewed("policies have changed, not renewing")
    if not (await load_config(ctx)).disable_binding:
        try:
            shown = client_of(ctx)
            await matching(ctx, shown, name)
        except BadRequest as e:
            raise _not_renewed("; ".join(refused(ctx, name, e).errors)) from None
        if shown.key != internal.get("key") and shown.holder != internal.get("holder"):
            reason = "the certificate has neither the key of the login's, nor its names and issuer"
            text = "client identity during renewal not matching client identity used during login"
            raise _not_renewed("; ".join(refused(ctx, name, denied(text, reason)).errors))
    return role.renewed(internal)


def _not_renewed(text: str) -> InternalError:
    return InternalError(MULTI.format(f"failed to renew entry: {text}"))


async def _role_of(ctx: Context, path: str) -> str:
    """The role that a login would get, for limits by role."""
    if path != "login":
        return ""
    name = ctx.request.data.get("name")
    if name:
        return name.lower() if isinstance(name, str) and NAME.fullmatch(name) else ""
    try:
        return (await matching(ctx, client_of(ctx), "", online=False)).name
    except RequestError:
        return ""


cert.role_of = _role_of
