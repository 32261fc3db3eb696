"""userpass through the pipeline: users, logins, renewals, lockouts."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from tests.unit.auth.own_server import Server, data, ok, played, refused

from strongroom.auth.userpass import login as login_module
from strongroom.auth.userpass.passwords import hash_password, matches
from strongroom.errors import BadRequest

AT = "auth/userpass"


async def user(server: Server, name: str = "ann", **params: Any) -> None:
    if server.live.mounts.by_path(AT) is None:
        ok(await server.write("sys/auth/userpass", type="userpass"))
    params.setdefault("password", "pw")
    ok(await server.write(f"{AT}/users/{name}", **params))


async def login(server: Server, name: str = "ann", password: str = "pw") -> Any:
    return await server.write(f"{AT}/login/{name}", by="", password=password)


def test_a_password_is_stored_as_bcrypt_has_it_and_shown_nowhere() -> None:
    async def scenario(server: Server) -> None:
        await user(server, password="s3cret-s3cret")
        mount = server.live.mounts.by_path(AT)
        assert mount is not None
        raw = await server.live.transaction().get(mount.prefix + "user/ann")
        assert raw is not None
        assert b"s3cret" not in raw
        assert b"$2b$10$" in raw
        assert "password" not in str(data(await server.read(f"{AT}/users/ann")))

    played(scenario)


def test_hashes_of_other_bcrypt_makers_match() -> None:
    # The vector of Go's golang.org/x/crypto/bcrypt.
    vector = "$2a$10$XajjQvNhvvRt5GSeFk1xFeyqRrsxkhBkUiQeg0dt.wU1qD4aFDcga"
    assert asyncio.run(matches("allmine", vector))
    assert not asyncio.run(matches("allmin", vector))


def test_a_password_longer_than_bcrypt_sees_is_refused_and_never_matches_its_beginning() -> None:
    async def check() -> None:
        with pytest.raises(BadRequest, match="72 bytes"):
            await hash_password("x" * 73)
        stored = await hash_password("x" * 72)
        assert await matches("x" * 72, stored)
        assert not await matches("x" * 73, stored)

    asyncio.run(check())


def test_nobodys_password_is_checked_all_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    async def noted(password: str, stored: str) -> bool:
        asked.append(stored)
        return await matches(password, stored)

    monkeypatch.setattr(login_module, "matches", noted)

    async def scenario(server: Server) -> None:
        await user(server)
        for name in ("ann", "nobody"):
            answer = await login(server, name, "wrong")
            assert refused(answer) == ("InvalidCredentials", "invalid username or password")
        assert len(asked) == 2
        assert asked[1] == ""

    played(scenario)


def test_names_fold_and_a_disabled_cidr_is_refused_after_the_password() -> None:
    async def scenario(server: Server) -> None:
        await user(server, "Ann", token_bound_cidrs="10.0.0.0/8")
        assert refused(await login(server, "ANN", "wrong"))[0] == "InvalidCredentials"
        assert refused(await login(server, "ANN")) == ("PermissionDenied", "permission denied")

    played(scenario)


@pytest.mark.parametrize(
    ("changes", "renews"),
    [
        ({"token_policies": "p1,default"}, True),
        ({"token_policies": "P1"}, True),
        ({"token_policies": "p2"}, False),
        ({"token_ttl": "7m"}, True),
    ],
)
def test_a_renewal_needs_the_same_policies(changes: dict[str, Any], renews: bool) -> None:
    async def scenario(server: Server) -> None:
        await user(server, token_policies="p1", token_ttl="1h")
        auth = ok(await login(server)).auth
        assert auth is not None
        ok(await server.write(f"{AT}/users/ann", **changes))
        answer = await server.write("auth/token/renew-self", by=auth.client_token)
        if renews:
            ok(answer)
        else:
            assert "policies have changed, not renewing" in refused(answer)[1]

    played(scenario)


def test_a_deleted_users_token_is_not_renewed() -> None:
    async def scenario(server: Server) -> None:
        await user(server)
        auth = ok(await login(server)).auth
        assert auth is not None
        ok(await server.delete(f"{AT}/users/ann"))
        ok(await server.read("auth/token/lookup-self", by=auth.client_token))
        assert refused(await server.write("auth/token/renew-self", by=auth.client_token))[0] == "InternalError"

    played(scenario)


# -- Lockouts ----------------------------------------------------------------------------------------------------------


async def fail(server: Server, times: int, name: str = "ann") -> None:
    for _ in range(times):
        assert refused(await login(server, name, "wrong"))[0] == "InvalidCredentials"


def test_names_that_nobody_has_are_locked_alike() -> None:
    async def scenario(server: Server) -> None:
        await user(server)
        await fail(server, 5, "nobody")
        assert refused(await login(server, "nobody"))[0] == "PermissionDenied"

    played(scenario)


def test_failures_are_forgotten_after_a_success_and_after_a_while() -> None:
    async def scenario(server: Server) -> None:
        await user(server)
        await fail(server, 4)
        ok(await login(server))
        await fail(server, 4)
        server.clock.advance(900)
        await fail(server, 4)
        ok(await login(server))

    played(scenario)


def test_guessing_on_does_not_make_a_lock_longer() -> None:
    async def scenario(server: Server) -> None:
        await user(server)
        await fail(server, 5)
        server.clock.advance(899)
        assert refused(await login(server))[0] == "PermissionDenied"
        server.clock.advance(1)
        ok(await login(server))

    played(scenario)


def test_a_lock_is_listed_and_lifted_in_any_case_of_the_name() -> None:
    async def scenario(server: Server) -> None:
        await user(server)
        await fail(server, 5, "ANN")
        accessor = server.live.mounts.by_path(AT).info.accessor  # type: ignore[union-attr]
        listed = data(await server.read("sys/locked-users"))
        assert listed["total"] == 1
        assert listed["by_namespace"][0]["mount_accessors"][0]["alias_identifiers"] == ["ann"]
        assert data(await server.read("sys/locked-users", mount_accessor="other"))["total"] == 0
        ok(await server.write(f"sys/locked-users/{accessor}/unlock/Ann"))
        ok(await login(server))

    played(scenario)


@pytest.mark.parametrize(
    "config",
    [
        {"lockout_threshold": "many"},
        {"lockout_duration": "soon"},
        {"lockout_threshold": -1},
        {"threshold": 1},
        {"lockout_disable": "perhaps"},
    ],
)
def test_settings_of_lockouts_that_cannot_be_are_refused(config: dict[str, Any]) -> None:
    async def scenario(server: Server) -> None:
        await user(server)
        answer = await server.write("sys/auth/userpass/tune", user_lockout_config=config)
        assert refused(answer)[0] == "BadRequest"

    played(scenario)


def test_what_is_remembered_of_names_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("strongroom.core.lockouts.NAMES", 10)

    async def scenario(server: Server) -> None:
        await user(server)
        mount = server.live.mounts.by_path(AT)
        assert mount is not None
        for number in range(30):
            for _ in range(5):
                server.live.lockouts.failed(mount, f"n{number}")
        assert not server.live.lockouts.locked(mount, "n0")
        assert server.live.lockouts.locked(mount, "n29")
        server.live.lockouts.failed(mount, "x" * 10_000)
        assert len(server.live.lockouts.names()[mount.info.accessor]) == 10

    played(scenario)


def test_the_reason_of_a_failed_login_is_in_the_log_and_the_audit_entry_and_nowhere_else(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(server: Server) -> None:
        await user(server)
        log = tmp_path / "audit.log"
        ok(await server.write("sys/audit/file", type="file", options={"file_path": str(log)}))
        with caplog.at_level("INFO", "strongroom.auth"):
            assert refused(await login(server, "hunter2", "wrong"))[1] == "invalid username or password"
        entry = json.loads(log.read_text().splitlines()[-1])
        assert (entry["error"], entry["reason"]) == ("invalid credentials", "there is no such user")
        assert "there is no such user" in caplog.text
        assert "hunter2" not in caplog.text

    played(scenario)
