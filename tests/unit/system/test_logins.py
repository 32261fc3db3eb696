"""The last login of each role: noted without a write of its own, and readable at once."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.auth.own_server import Server, data, ok, refused
from tests.unit.system.whole import WholeServer, limited, served

from strongroom.api.messages import Operation
from strongroom.core.logins import FOLDER, Login

AT = "sys/internal/logins/approle"


async def role(server: Server, name: str) -> str:
    if server.live.mounts.by_path("auth/approle") is None:
        ok(await server.write("sys/auth/approle", type="approle"))
    ok(await server.write(f"auth/approle/role/{name}", bind_secret_id=False, token_bound_cidrs=["0.0.0.0/0"]))
    return str(data(await server.read(f"auth/approle/role/{name}/role-id"))["role_id"])


async def login(server: Server, role_id: str, address: str = "10.0.0.1") -> str:
    answer = await server.ask(Operation.UPDATE, "auth/approle/login", "", address=address, role_id=role_id)
    auth = ok(answer).auth
    assert auth is not None
    return auth.entity_id


async def written(server: Server) -> list[str]:
    mount = server.live.mounts.by_path("auth/approle")
    assert mount is not None
    return await server.live.transaction().list(mount.prefix + FOLDER)


def test_the_last_login_is_told_before_and_after_it_is_written() -> None:
    async def scenario(server: WholeServer) -> None:
        role_id = await role(server, "ci")
        assert refused(await server.read(AT, role="ci"))[0] == "NotFound"
        await login(server, role_id)
        server.clock.advance(5)
        entity = await login(server, role_id, "10.0.0.2")
        expected = {
            "entity_id": entity,
            "last_login_time": data(await server.read(AT, role="ci"))["last_login_time"],
            "logins": 2,
            "remote_address": "10.0.0.2",
        }
        assert await written(server) == []
        assert data(await server.read(AT, role="ci")) == expected
        await server.live.logins.flush()
        assert await written(server) == ["ci"]
        assert data(await server.read(AT, role="ci")) == expected
        await login(server, role_id, "10.0.0.3")
        await server.restart()
        after = data(await server.read(AT, role="ci"))
        assert (after["logins"], after["remote_address"]) == (3, "10.0.0.3")

    served(scenario)


def test_a_login_writes_nothing_of_its_own() -> None:
    async def scenario(server: WholeServer) -> None:
        role_id = await role(server, "ci")
        await login(server, role_id)
        commits = 0
        commit = server.storage.commit

        async def counted(*args: Any, **more: Any) -> Any:
            nonlocal commits
            commits += 1
            return await commit(*args, **more)

        server.storage.commit = counted  # type: ignore[method-assign]
        await login(server, role_id)
        assert commits == 1

    served(scenario)


def test_refused_logins_do_not_count() -> None:
    async def scenario(server: WholeServer) -> None:
        await role(server, "ci")
        assert refused(await server.write("auth/approle/login", "", role_id="x"))[0] == "InvalidCredentials"
        assert refused(await server.list(AT))[0] == "NotFound"

    served(scenario)


def test_roles_are_listed_in_pages_with_what_is_not_written_yet() -> None:
    async def scenario(server: WholeServer) -> None:
        for name in ("c", "a", "b"):
            await login(server, await role(server, name))
            if name == "a":
                await server.live.logins.flush()
        assert data(await server.list(AT))["keys"] == ["a", "b", "c"]
        assert data(await server.list(AT, limit=2))["keys"] == ["a", "b"]
        page = data(await server.list("sys/internal/logins/auth/approle", after="b"))
        assert page["keys"] == ["c"]
        assert page["key_info"]["c"]["logins"] == 1
        ok(await server.ask(Operation.DELETE, AT, role="a"))
        ok(await server.ask(Operation.DELETE, AT, role="c"))
        assert data(await server.list(AT))["keys"] == ["b"]

    served(scenario)


def test_users_and_second_factors_are_noted_too() -> None:
    async def scenario(server: WholeServer) -> None:
        ok(await server.write("sys/auth/userpass", type="userpass"))
        ok(await server.write("auth/userpass/users/ann", password="p"))
        ok(await server.write("auth/userpass/login/Ann", "", password="p"))
        assert data(await server.read("sys/internal/logins/userpass", role="ann"))["logins"] == 1
        method = data(await server.write("identity/mfa/method/totp", issuer="S"))["method_id"]
        enforcement = {"mfa_method_ids": [method], "auth_method_types": ["userpass"]}
        ok(await server.write("identity/mfa/login-enforcement/e", **enforcement))
        ok(await server.write("auth/userpass/login/ann", "", password="p"))
        assert data(await server.read("sys/internal/logins/userpass", role="ann"))["logins"] == 1, "it only waits"

    served(scenario)


def test_they_go_with_the_mount() -> None:
    async def scenario(server: WholeServer) -> None:
        await login(server, await role(server, "ci"))
        mount = server.live.mounts.by_path("auth/approle")
        assert mount is not None
        ok(await server.delete("sys/auth/approle"))
        await server.live.logins.flush()
        assert await server.live.transaction().list(mount.prefix + FOLDER) == []
        assert refused(await server.list(AT)) == ("BadRequest", "no auth method is enabled at approle/")

    served(scenario)


@pytest.mark.parametrize("given", [{}, {"role": "../x"}, {"role": ""}])
def test_what_is_no_role(given: dict[str, Any]) -> None:
    async def scenario(server: WholeServer) -> None:
        await role(server, "ci")
        assert refused(await server.read(AT, **given))[0] == ("NotFound" if given else "BadRequest")

    served(scenario)


def test_it_is_for_those_who_may() -> None:
    async def scenario(server: WholeServer) -> None:
        await login(server, await role(server, "ci"))
        token = await limited(server, "list", path="sys/internal/logins/approle/")
        assert data(await server.list(AT, token))["keys"] == ["ci"]
        assert refused(await server.read(AT, token, role="ci"))[0] == "PermissionDenied"

    served(scenario)


def test_what_is_stored_can_be_read_by_later_versions() -> None:
    assert Login(1).v == 1
