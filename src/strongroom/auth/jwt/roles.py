"""Roles: whose tokens log in, and what their holders get."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration, LowerName, Pairs, SignedDuration
from strongroom.auth.jwt.claims import values_of
from strongroom.auth.jwt.engine import CLIENT, DEVICE, GLOB, JWT, OIDC, ROLES, STRING, Role, jwt
from strongroom.auth.token_params import (
    KEPT,
    OldLimits,
    OldPeriod,
    OldPolicies,
    OldUses,
    TokenArgs,
)
from strongroom.errors import BadRequest

VERBOSE = (
    "verbose_oidc_logging has been enabled for this role. "
    "This is not recommended in production since sensitive information may be present in OIDC responses."
)


class RoleArgs(TokenArgs, OldPolicies, OldLimits, OldPeriod, OldUses):
    """Who may log in with the role, and what the tokens are. What is not given stays as it is."""

    name: LowerName = field("The role; upper case counts as lower case.")
    role_type: str = field("jwt for those who have a token, oidc for logins in a browser.", default=OIDC)
    allowed_redirect_uris: CommaList = field("Where a login in a browser may lead back to.")
    bound_audiences: CommaList = field("For whom the tokens must be; one of them is enough.")
    bound_claims: dict[str, Any] = field("Claims and their values, or lists of them, of which one must be there.")
    bound_claims_type: str = field("string, or glob for bound claims in which * stands for anything.", default=STRING)
    bound_subject: str = field("Whose token it must be.")
    callback_mode: str = field("client for a browser on the same machine, device for one elsewhere.", default=CLIENT)
    claim_mappings: Pairs = field("Claims that become metadata, each with the metadata's name.")
    clock_skew_leeway: SignedDuration = field("How far clocks may be apart; 0 is 60 s, -1 not at all.")
    expiration_leeway: SignedDuration = field("How long tokens without exp are good for; 0 is 150 s, -1 not at all.")
    groups_claim: str = field("The claim that names the groups.")
    max_age: Duration = field("How long ago the issuer may have seen the person's password; 0 does not matter.")
    not_before_leeway: SignedDuration = field("How long before exp tokens without nbf begin; 0 is 150 s, -1 none.")
    oidc_scopes: CommaList = field("What the issuer is asked for, beside openid.")
    user_claim: str = field("The claim that names the person or machine.")
    user_claim_json_pointer: bool = field("Whether user_claim is a JSON pointer.")
    verbose_oidc_logging: bool = field("Write the claims of logins to the debug log.")


async def _finish(ctx: Context, role: Role, args: RoleArgs) -> Role:
    # The one that does not stay: as in Vault, bound claims are plain unless a write says otherwise.
    role = replace(role, bound_claims_type=args.bound_claims_type)
    _check(role)
    if role.verbose_oidc_logging:
        ctx.warn(VERBOSE)
    return role


ROLES.serve(jwt, "role", RoleArgs, show=Role.shown, finish=_finish, then=KEPT)


def _check(role: Role) -> None:
    if role.role_type not in (JWT, OIDC):
        raise BadRequest(f"invalid 'role_type': {role.role_type[:64]}")
    if role.bound_claims_type not in (STRING, GLOB):
        raise BadRequest(f"invalid 'bound_claims_type': {role.bound_claims_type[:64]}")
    if role.callback_mode not in (CLIENT, DEVICE):
        raise BadRequest(f"invalid 'callback_mode': {role.callback_mode[:64]}")
    if not role.user_claim:
        raise BadRequest("a user claim must be defined on the role")
    _check_claims(role)
    if role.role_type == OIDC:
        if not role.allowed_redirect_uris and role.callback_mode == CLIENT:
            raise BadRequest("'allowed_redirect_uris' must be set if 'role_type' is 'oidc' or unspecified.")
    elif not (role.bound_audiences or role.bound_subject or role.bound_claims or role.token_bound_cidrs):
        raise BadRequest("must have at least one bound constraint when creating/updating a role")


def _check_claims(role: Role) -> None:
    if role.bound_claims_type == GLOB:
        for name, bound in (role.bound_claims or {}).items():
            if not all(isinstance(one, str) for one in values_of(bound) or [None]):
                raise BadRequest(f'claim "{name[:64]}" is not a string or list of strings')
    targets = list((role.claim_mappings or {}).values())
    for target in targets:
        if targets.count(target) > 1:
            raise BadRequest(f'multiple keys are mapped to metadata key "{target[:64]}"')
        if target == "role":
            raise BadRequest('metadata key "role" is reserved and may not be a mapping destination')
