"""auth/token through the pipeline: statuses and texts, who may, what a lookup shows, how uses are counted."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.unit.auth.own_server import Server, data, ok, played, refused

from strongroom.errors import MULTI

HOUR = 3600
NOWHERE = (
    'error parsing role fields: error parsing address "nowhere": Unable to convert "nowhere" to an IPv4 or IPv6 '
    "address, or a UNIX Socket"
)
DENIED = ("PermissionDenied", MULTI.format("permission denied"))
BAD = ("BadToken", "permission denied")


def test_a_token_shows_itself() -> None:
    async def scenario(server: Server) -> None:
        token = await server.token(ttl="1h", meta={"a": "b"}, display_name="x", explicit_max_ttl="2h", period=60)
        shown = data(await server.read("auth/token/lookup-self", token))
        assert shown["id"] == token
        assert (shown["creation_ttl"], shown["ttl"], shown["period"], shown["explicit_max_ttl"]) == (60, 60, 60, 7200)
        assert (shown["display_name"], shown["meta"], shown["type"]) == ("token-x", {"a": "b"}, "service")
        assert (shown["path"], shown["orphan"], shown["policies"]) == ("auth/token/create", False, ["default"])
        assert shown["creation_time"] == 1_700_000_000
        assert (shown["issue_time"], shown["expire_time"]) == ("2023-11-14T22:13:20Z", "2023-11-14T22:14:20Z")
        assert {"role", "bound_cidrs", "last_renewal", "last_renewal_time"}.isdisjoint(shown)

    played(scenario)


def test_a_token_that_never_ends_has_no_end_to_show() -> None:
    async def scenario(server: Server) -> None:
        shown = data(await server.write("auth/token/lookup", token="root"))
        assert (shown["expire_time"], shown["ttl"], shown["renewable"]) == (None, 0, False)

    played(scenario)


#: path, body, what is answered to root
REFUSALS: list[tuple[str, dict[str, Any], tuple[str, str]]] = [
    ("lookup", {"token": "nosuch"}, ("BadToken", "bad token")),
    ("lookup-accessor", {}, ("BadRequest", MULTI.format("missing accessor"))),
    ("lookup-accessor", {"accessor": "nosuch"}, ("BadRequest", MULTI.format("invalid accessor"))),
    ("renew", {}, ("BadRequest", "missing token ID")),
    ("renew", {"token": "nosuch"}, ("BadRequest", "token not found")),
    ("renew", {"token": "root"}, ("BadRequest", "lease is not renewable")),
    ("renew-self", {}, ("BadRequest", "lease is not renewable")),
    ("renew-accessor", {}, ("BadRequest", MULTI.format("missing accessor"))),
    ("renew-accessor", {"accessor": "ROOT"}, ("BadRequest", MULTI.format("invalid request"))),
    ("revoke", {}, ("BadRequest", "missing token ID")),
    ("revoke-accessor", {}, ("BadRequest", MULTI.format("missing accessor"))),
    ("revoke-orphan", {}, ("BadRequest", "missing token ID")),
    ("revoke-orphan", {"token": "nosuch"}, ("BadRequest", "token to revoke not found")),
    ("create/nosuch", {}, ("BadRequest", "unknown role nosuch")),
    ("nosuch", {}, ("UnsupportedPath", MULTI.format("unsupported path"))),
]


@pytest.mark.parametrize(("path", "body", "answer"), REFUSALS, ids=[f"{p} {b}" for p, b, _ in REFUSALS])
def test_refusals(path: str, body: dict[str, Any], answer: tuple[str, str]) -> None:
    async def scenario(server: Server) -> None:
        if body.get("accessor") == "ROOT":
            body["accessor"] = data(await server.read("auth/token/lookup-self"))["accessor"]
        assert refused(await server.write(f"auth/token/{path}", **body)) == answer

    played(scenario)


def test_what_is_revoked_already_is_no_error() -> None:
    async def scenario(server: Server) -> None:
        assert ok(await server.write("auth/token/revoke", token="nosuch")).empty
        answer = ok(await server.write("auth/token/revoke-accessor", accessor="nosuch"))
        assert answer.warnings == ["No token found with this accessor"]

    played(scenario)


def test_an_accessor_never_shows_the_token() -> None:
    async def scenario(server: Server) -> None:
        token = await server.token(ttl=HOUR)
        accessor = data(await server.read("auth/token/lookup-self", token))["accessor"]
        assert data(await server.write("auth/token/lookup-accessor", accessor=accessor))["id"] == ""
        auth = ok(await server.write("auth/token/renew-accessor", accessor=accessor, increment=60)).auth
        assert auth is not None
        assert (auth.client_token, auth.accessor, auth.lease_duration) == ("", accessor, 60)
        assert accessor in data(await server.list("auth/token/accessors"))["keys"]
        await server.write("auth/token/revoke-accessor", accessor=accessor)
        assert refused(await server.read("auth/token/lookup-self", token)) == BAD

    played(scenario)


def test_the_default_policy_is_for_oneself_only() -> None:
    async def scenario(server: Server) -> None:
        token = await server.token(ttl=HOUR)
        for path in (
            "lookup",
            "renew",
            "revoke",
            "revoke-orphan",
            "lookup-accessor",
            "create",
            "create-orphan",
            "tidy",
        ):
            assert refused(await server.write(f"auth/token/{path}", token)) == DENIED
        assert refused(await server.list("auth/token/accessors", token)) == DENIED
        assert ok(await server.write("auth/token/renew-self", token)).auth is not None
        assert ok(await server.write("auth/token/revoke-self", token)).empty
        assert refused(await server.write("auth/token/revoke-self", token)) == BAD

    played(scenario)


def test_revoking_and_orphaning_needs_sudo_on_the_path() -> None:
    async def scenario(server: Server) -> None:
        await server.policy("ro", 'path "auth/token/revoke-orphan" { capabilities = ["update"] }')
        await server.policy("rosudo", 'path "auth/token/revoke-orphan" { capabilities = ["update", "sudo"] }')
        victim = await server.token(ttl=HOUR)
        weak, strong = await server.token(policies=["ro"]), await server.token(policies=["rosudo"])
        text = "root or sudo privileges required to revoke and orphan"
        assert refused(await server.write("auth/token/revoke-orphan", weak, token=victim)) == ("BadRequest", text)
        assert ok(await server.write("auth/token/revoke-orphan", strong, token=victim)).empty

    played(scenario)


@pytest.mark.parametrize("path", ["renew", "renew-self", "revoke", "revoke-self", "revoke-orphan"])
def test_a_batch_token_is_neither_renewed_nor_revoked(path: str) -> None:
    async def scenario(server: Server) -> None:
        await server.policy("all", 'path "auth/token/*" { capabilities = ["update", "sudo"] }')
        token = await server.token(policies=["all"], type="batch", ttl=HOUR)
        by = token if path.endswith("self") else "root"
        verb = "renewed" if path.startswith("renew") else "revoked"
        answer = await server.write(f"auth/token/{path}", by, **({} if by == token else {"token": token}))
        assert refused(answer) == ("BadRequest", f"batch tokens cannot be {verb}")

    played(scenario)


# -- Limited uses ------------------------------------------------------------------------------------------------------


def test_every_request_costs_a_use_and_the_last_one_is_served() -> None:
    async def scenario(server: Server) -> None:
        token = await server.token(num_uses=3, ttl=HOUR)
        assert data(await server.read("auth/token/lookup-self", token))["num_uses"] == 2
        assert refused(await server.read("secret/data/x", token)) == DENIED
        assert data(await server.read("auth/token/lookup-self", token))["num_uses"] == -1
        assert refused(await server.read("auth/token/lookup-self", token)) == BAD
        assert refused(await server.write("auth/token/lookup", token=token)) == ("BadToken", "bad token")

    played(scenario)


@pytest.mark.parametrize(
    ("path", "body", "answer"),
    [
        ("auth/token/renew-self", {}, ("BadRequest", "token not found")),
        ("auth/token/revoke-self", {}, None),
        ("sys/capabilities-self", {"paths": ["x"]}, ("BadRequest", MULTI.format("invalid token"))),
    ],
)
def test_in_its_last_use_a_token_is_already_gone_for_itself(
    path: str, body: dict[str, Any], answer: tuple[str, str] | None
) -> None:
    async def scenario(server: Server) -> None:
        token = await server.token(num_uses=1, ttl=HOUR)
        got = await server.write(path, token, **body)
        assert (refused(got) if answer else ok(got).empty) == (answer or True)

    played(scenario)


def test_of_two_requests_with_one_use_one_is_served() -> None:
    async def scenario(server: Server) -> None:
        token = await server.token(num_uses=1, ttl=HOUR)
        answers = await asyncio.gather(*(server.read("auth/token/lookup-self", token) for _ in range(8)))
        assert sorted(type(a).__name__ for a in answers) == ["BadToken"] * 7 + ["Response"]

    played(scenario)


# -- Roles -------------------------------------------------------------------------------------------------------------

SHOWN = {
    "allowed_entity_aliases": None,
    "allowed_policies": [],
    "allowed_policies_glob": [],
    "disallowed_policies": [],
    "disallowed_policies_glob": [],
    "explicit_max_ttl": 0,
    "name": "r",
    "orphan": False,
    "path_suffix": "",
    "period": 0,
    "renewable": True,
    "token_explicit_max_ttl": 0,
    "token_no_default_policy": False,
    "token_period": 0,
    "token_type": "default-service",
}

ROLES: list[tuple[list[dict[str, Any]], dict[str, Any]]] = [
    ([{}], {}),
    ([{"unknown": 1}], {}),
    ([{"orphan": True}, {"renewable": False}], {"orphan": True, "renewable": False}),
    ([{"allowed_policies": "b, A,b"}], {"allowed_policies": ["a", "b"]}),
    ([{"allowed_policies": ["x", "root"]}], {"allowed_policies": ["root"]}),
    ([{"disallowed_policies": "admin,root"}], {"disallowed_policies": ["admin", "root"]}),
    ([{"allowed_entity_aliases": ["Web-*", "bob"]}], {"allowed_entity_aliases": ["bob", "web-*"]}),
    ([{"token_period": "2d"}], {"token_period": 172800}),
    ([{"period": "1h"}], {"period": 3600, "token_period": 3600}),
    ([{"period": "1h"}, {"token_period": "2h"}], {"token_period": 7200}),
    ([{"token_num_uses": 7}, {"token_num_uses": 0}], {}),
    ([{"token_num_uses": 7}], {"token_num_uses": 7}),
    ([{"token_bound_cidrs": ["127.0.0.1/32", "10.0.0.0/8"]}], {"token_bound_cidrs": ["127.0.0.1", "10.0.0.0/8"]}),
    ([{"token_bound_cidrs": "10.0.0.0/8"}, {"token_bound_cidrs": []}], {}),
    ([{"bound_cidrs": "::1"}], {"token_bound_cidrs": ["::1"], "bound_cidrs": ["::1"]}),
    ([{"path_suffix": "/v1-x/"}], {"path_suffix": "v1-x"}),
    ([{"token_type": ""}], {}),
    (
        [{"token_type": "batch", "orphan": True, "renewable": False}],
        {"token_type": "batch", "orphan": True, "renewable": False},
    ),
]


@pytest.mark.parametrize(("writes", "changed"), ROLES, ids=[str(writes) for writes, _ in ROLES])
def test_a_role_shows_what_was_written_and_keeps_what_was_not_named(
    writes: list[dict[str, Any]], changed: dict[str, Any]
) -> None:
    async def scenario(server: Server) -> None:
        for body in writes:
            assert ok(await server.write("auth/token/roles/r", **body)).empty
        assert data(await server.read("auth/token/roles/r")) == SHOWN | changed

    played(scenario)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ({"path_suffix": "!"}, "given role path suffix contains invalid characters; must match \\w[\\w-.]+\\w"),
        ({"path_suffix": "a..b"}, "error registering path suffix: path cannot contain parent references"),
        ({"token_num_uses": -2}, "error parsing role fields: 'token_num_uses' cannot be negative"),
        ({"token_type": "bogus"}, "invalid 'token_type' value \"bogus\""),
        ({"token_type": "batch"}, "'token_type' cannot be 'batch' when role is set to generate non-orphan tokens"),
        (
            {"token_type": "batch", "orphan": True, "token_period": 1},
            "'token_type' cannot be 'batch' when role is set to generate periodic tokens",
        ),
        (
            {"token_bound_cidrs": "nowhere"},
            NOWHERE,
        ),
    ],
)
def test_roles_that_are_refused_are_not_stored(body: dict[str, Any], text: str) -> None:
    async def scenario(server: Server) -> None:
        assert refused(await server.write("auth/token/roles/r", **body)) == ("BadRequest", text)
        assert refused(await server.read("auth/token/roles/r"))[0] == "NotFound"

    played(scenario)


def test_old_and_new_names_together_are_warned_of() -> None:
    async def scenario(server: Server) -> None:
        answer = ok(
            await server.write(
                "auth/token/roles/r",
                period="1h",
                token_period="3h",
                explicit_max_ttl="4h",
                token_explicit_max_ttl="5h",
                bound_cidrs="10.1.0.0/16",
                token_bound_cidrs="10.2.0.0/16",
            )
        )
        assert [w.split("'")[1] for w in answer.warnings] == [
            "token_period",
            "token_bound_cidrs",
            "token_explicit_max_ttl",
        ]
        shown = data(await server.read("auth/token/roles/r"))
        assert (shown["period"], shown["token_period"], shown["token_explicit_max_ttl"]) == (0, 10800, 18000)

    played(scenario)


def test_roles_are_listed_and_deleted() -> None:
    async def scenario(server: Server) -> None:
        assert refused(await server.list("auth/token/roles"))[0] == "NotFound"
        for name in ("b", "A"):
            await server.write(f"auth/token/roles/{name}")
        assert data(await server.list("auth/token/roles"))["keys"] == ["A", "b"]
        for _ in range(2):
            assert ok(await server.delete("auth/token/roles/A")).empty
        assert data(await server.list("auth/token/roles"))["keys"] == ["b"]

    played(scenario)


def test_a_roles_tokens_carry_its_name_path_and_networks() -> None:
    async def scenario(server: Server) -> None:
        await server.write(
            "auth/token/roles/r", path_suffix="v1-x", token_bound_cidrs="10.0.0.0/8", allowed_policies="default"
        )
        auth = ok(await server.write("auth/token/create/r")).auth
        assert auth is not None
        token = auth.client_token
        assert refused(await server.read("auth/token/lookup-self", token)) == BAD
        shown = data(await server.read("auth/token/lookup-self", token, address="10.1.1.1"))
        assert (shown["role"], shown["path"], shown["bound_cidrs"]) == ("r", "auth/token/create/r/v1-x", ["10.0.0.0/8"])
        assert data(await server.list("sys/leases/lookup/auth/token/create/r"))["keys"] == ["v1-x/"]
        await server.write("sys/leases/revoke-prefix/auth/token/create/r")
        assert refused(await server.read("auth/token/lookup-self", token, address="10.1.1.1")) == BAD

    played(scenario)


# -- sys/leases and sys/wrapping ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("path", "body", "text"),
    [
        ("lookup", {}, "lease_id must be specified"),
        ("lookup", {"lease_id": "no/such"}, "invalid lease"),
        ("lookup", {"lease_id": 5}, "invalid lease"),
        ("renew", {}, "lease_id must be specified"),
        ("renew", {"lease_id": "no/such"}, "lease not found"),
        ("renew/no/such", {}, "lease not found"),
        ("revoke", {}, "lease_id must be specified"),
    ],
)
def test_leases_that_do_not_exist(path: str, body: dict[str, Any], text: str) -> None:
    async def scenario(server: Server) -> None:
        assert refused(await server.write(f"sys/leases/{path}", **body)) == ("BadRequest", text)

    played(scenario)


@pytest.mark.parametrize("folder", ["leases/", ""])
def test_revoking_answers_by_whether_it_waits_on_the_old_paths_too(folder: str) -> None:
    async def scenario(server: Server) -> None:
        for path in ("revoke/no/such", "revoke-prefix/no/such"):
            assert ok(await server.write(f"sys/{folder}{path}")).status == 204
            assert ok(await server.write(f"sys/{folder}{path}", sync=False)).status == 202
        assert ok(await server.write(f"sys/{folder}revoke-force/no/such")).empty

    played(scenario)


def test_irrevocable_leases_are_counted_and_listed_by_type_only() -> None:
    async def scenario(server: Server) -> None:
        assert data(await server.read("sys/leases/count", type="irrevocable")) == {"lease_count": 0, "counts": {}}
        for limit in ({}, {"limit": "none"}, {"limit": "5"}):
            assert data(await server.read("sys/leases", type="irrevocable", **limit)) == {
                "lease_count": 0,
                "leases": [],
            }
        for limit in ("many", "0", "-1"):
            assert refused(await server.read("sys/leases", type="irrevocable", limit=limit))[0] == "InternalError"
        assert refused(await server.read("sys/leases"))[0] == "NotFound"
        assert refused(await server.read("sys/leases/count", type="all"))[0] == "NotFound"

    played(scenario)


def test_wrapping_by_hand_needs_the_header_and_unwrapping_a_token() -> None:
    async def scenario(server: Server) -> None:
        text = "endpoint requires response wrapping to be used"
        assert refused(await server.write("sys/wrapping/wrap", a=1)) == ("BadRequest", text)
        info = ok(await server.write("sys/wrapping/wrap", wrap_ttl=60, a=1)).wrap
        assert info is not None
        # Looking needs no token of one's own, fetching does.
        found = data(await server.write("sys/wrapping/lookup", "", token=info.token))
        assert (found["creation_path"], found["creation_ttl"]) == ("sys/wrapping/wrap", 60)
        assert refused(await server.write("sys/wrapping/unwrap", "", token=info.token)) == BAD
        answer = ok(await server.write("sys/wrapping/unwrap", info.token))
        assert bytes(answer.data) == b'{"a":1}'  # type: ignore[arg-type]
        gone = ("BadRequest", "wrapping token is not valid or does not exist")
        assert refused(await server.write("sys/wrapping/unwrap", info.token)) == gone

    played(scenario)
