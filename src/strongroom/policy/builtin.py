"""The policies that are there from the start. `default` may be rewritten, `response-wrapping` is the server's own."""

from __future__ import annotations

ROOT = "root"
DEFAULT = "default"
RESPONSE_WRAPPING = "response-wrapping"

_DEFAULT = """
# What every token may do, unless it was made without this policy.
# It concerns the caller's own token, lease ids it knows, its own cubbyhole and its own entity.

# See the own token, lengthen its life, end it.
path "auth/token/lookup-self" {
    capabilities = ["read"]
}
path "auth/token/renew-self" {
    capabilities = ["update"]
}
path "auth/token/revoke-self" {
    capabilities = ["update"]
}

# Ask what the own token may do; the second path is for the user interface.
path "sys/capabilities-self" {
    capabilities = ["update"]
}
path "sys/internal/ui/resultant-acl" {
    capabilities = ["read"]
}

# See and renew a lease whose id is known: who holds the id was given the secret.
path "sys/leases/lookup" {
    capabilities = ["update"]
}
path "sys/leases/renew" {
    capabilities = ["update"]
}

# Keep things that live and die with the own token.
path "cubbyhole/*" {
    capabilities = ["create", "read", "update", "delete", "list"]
}

# Wrap values, look at a wrapping token, open one.
path "sys/wrapping/wrap" {
    capabilities = ["update"]
}
path "sys/wrapping/lookup" {
    capabilities = ["update"]
}
path "sys/wrapping/unwrap" {
    capabilities = ["update"]
}

# Hash data; needs no secret.
path "sys/tools/hash" {
    capabilities = ["update"]
}
path "sys/tools/hash/*" {
    capabilities = ["update"]
}

# See the own entity.
path "identity/entity/id/{{identity.entity.id}}" {
    capabilities = ["read"]
}
path "identity/entity/name/{{identity.entity.name}}" {
    capabilities = ["read"]
}

# Log in at a tool through an OpenID provider. The tool's assignments say whom it lets in.
path "identity/oidc/provider/+/authorize" {
    capabilities = ["read", "update"]
}
"""

# Recorded to the letter: tools compare it.
_RESPONSE_WRAPPING = """
path "cubbyhole/response" {
    capabilities = ["create", "read"]
}

path "sys/wrapping/unwrap" {
    capabilities = ["update"]
}
"""

#: The texts of the policies that are stored when a server is initialised, by name.
TEXTS = {DEFAULT: _DEFAULT, RESPONSE_WRAPPING: _RESPONSE_WRAPPING}
