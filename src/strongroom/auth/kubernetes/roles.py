"""Roles: which service accounts may log in."""

from __future__ import annotations

from strongroom.api.args import field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, LowerName
from strongroom.auth.kubernetes.engine import BY_NAME, BY_UID, ROLES, Role, kubernetes
from strongroom.auth.kubernetes.selector import parse_selector
from strongroom.auth.token_params import (
    KEPT,
    OldLimits,
    OldPeriod,
    OldPolicies,
    OldUses,
    TokenArgs,
)
from strongroom.errors import BadRequest

NAMES, NAMESPACES = "bound_service_account_names", "bound_service_account_namespaces"
SELECTOR = "bound_service_account_namespace_selector"


class RoleArgs(TokenArgs, OldPolicies, OldLimits, OldPeriod, OldUses):
    """Who may log in with the role, and what the tokens are. What is not given stays as it is."""

    name: LowerName = field("The role; upper case counts as lower case.")
    bound_service_account_names: CommaList = field("Service accounts; a * at either end stands for anything.")
    bound_service_account_namespaces: CommaList = field("Their namespaces; a * at either end stands for anything.")
    bound_service_account_namespace_selector: str = field("Namespaces by their labels: a label selector as JSON.")
    audience: str = field("For whom the JWTs must be.")
    alias_name_source: str = field(f"What the entity's alias is named: {BY_UID} or {BY_NAME}.", default=BY_UID)


async def _finish(ctx: Context, role: Role, args: RoleArgs) -> Role:
    _check(role)
    return role


ROLES.serve(kubernetes, "role", RoleArgs, show=Role.shown, finish=_finish, then=KEPT)


def _check(role: Role) -> None:
    if not role.bound_service_account_names:
        raise BadRequest(f'"{NAMES}" can not be empty')
    if not (role.bound_service_account_namespaces or role.bound_service_account_namespace_selector):
        raise BadRequest(f'"{NAMESPACES}" can not be empty if "{SELECTOR}" is not set')
    for values in (role.bound_service_account_names, role.bound_service_account_namespaces):
        if "*" in values and len(values) > 1:
            raise BadRequest('can not mix "*" with values')
    if role.alias_name_source not in (BY_UID, BY_NAME):
        raise BadRequest(f"invalid alias_name_source, must be one of: {BY_UID}, {BY_NAME}")
    if role.bound_service_account_namespace_selector:
        parse_selector(role.bound_service_account_namespace_selector)
