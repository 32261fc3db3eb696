"""identity/oidc/role: what identity tokens say, and for whom they are."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from strongroom.api.args import Args, field
from strongroom.api.fields import Duration, Name
from strongroom.api.resource import Resource
from strongroom.clock import random_text
from strongroom.core.context import SystemContext
from strongroom.errors import BadRequest
from strongroom.identity.engine import given, identity
from strongroom.identity.oidc_model import DAY, ROLE, Role, load_key
from strongroom.identity.oidc_template import check, decoded


class RoleArgs(Args):
    """What the role's tokens are. What is not given stays as it is."""

    name: Name = field("The role.")
    key: str = field("The named key that signs them.")
    template: str = field("Further claims: JSON with variables, in base64 or not.")
    client_id: str = field("Whom they are for; made up without it.")
    ttl: Duration = field("How long they are valid.", default=DAY)


def _shown(role: Role) -> dict[str, Any]:
    return {"client_id": role.client_id, "key": role.key, "template": role.template, "ttl": role.ttl}


roles = Resource(Role, ROLE)
roles.serve_list(identity, "oidc/role")
roles.serve_read(identity, "oidc/role", _shown)


@identity.write("oidc/role/{name}")
async def write_role(ctx: SystemContext, args: RoleArgs) -> None:
    """Create or change a role."""
    role = await roles.claim(ctx, args.name)
    if role is None:
        role = Role(args.name, "", args.client_id or random_text(26))
    changes = given(args, "key", "ttl")
    if args.client_id:
        changes["client_id"] = args.client_id
    if "template" in args.given:
        changes["template"] = decoded(args.template)
        if changes["template"]:
            check(changes["template"])
    role = replace(role, **changes)
    if not role.key:
        raise BadRequest("the key parameter is required")
    key = await load_key(ctx, role.key)
    if key is None:
        raise BadRequest(f'cannot find key "{role.key}"')
    if role.ttl > key.verification_ttl:
        raise BadRequest("a role's token ttl cannot be longer than the verification_ttl of the key it references")
    roles.save(ctx, role.name, role)


roles.serve_delete(identity, "oidc/role", then=". Tokens given before stay valid to their end.")
