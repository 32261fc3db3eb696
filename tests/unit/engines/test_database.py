"""The database engine over a database in memory, which can be made to fail at any point."""

import asyncio
import dataclasses
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from tests.unit.engines.harness import Mount

from strongroom import databases
from strongroom.api.context import Caller, Context
from strongroom.api.messages import Lease, Operation, Request
from strongroom.core.locks import HeldLocks
from strongroom.databases.plugin import Change, DatabaseError, NewUser, Plugin, SettingError
from strongroom.engines.database import BACKEND
from strongroom.engines.database.config import masked
from strongroom.engines.database.engine import database
from strongroom.errors import BadRequest
from strongroom.storage.transaction import Transaction

ADMIN = {"plugin_name": "fake-database-plugin", "connection_url": "fake", "username": "admin", "password": "pw"}
ROLE = {"db_name": "app", "creation_statements": "make", "default_ttl": 60}


class Crash(BaseException):
    """The process is gone at this point."""


class World:
    """A database's users and their passwords. `fault` is raised before or after the next change."""

    def __init__(self) -> None:
        self.users = {"admin": "pw"}
        self.down = False
        self.before: BaseException | None = None
        self.after: BaseException | None = None
        #: Changes that pass before a fault is raised.
        self.skip = 0

    def change(self, name: str, password: str | None) -> None:
        if self.skip:
            self.skip -= 1
            self.users[name] = password or ""
            return
        if self.before is not None:
            fault, self.before = self.before, None
            raise fault
        if password is None:
            self.users.pop(name, None)
        else:
            self.users[name] = password
        if self.after is not None:
            fault, self.after = self.after, None
            raise fault


class FakeDatabase:
    """An open database; sessions are themselves."""

    def __init__(self, world: World, details: Mapping[str, Any]) -> None:
        if details.get("connection_url") == "bad":
            raise SettingError("connection_url is bad")
        self.world, self.details, self.open = world, details, True

    @asynccontextmanager
    async def session(self, *, background: bool = False) -> AsyncIterator["FakeDatabase"]:
        await self.verify()
        yield self

    async def verify(self) -> None:
        await asyncio.sleep(0)
        if self.world.down:
            raise DatabaseError("connection refused")
        if self.world.users.get(self.details["username"]) != self.details["password"]:
            raise DatabaseError("password authentication failed")

    async def has_user(self, name: str) -> bool:
        return name in self.world.users

    async def new_user(self, user: NewUser) -> None:
        self.world.change(user.name, user.password or user.public_key)

    async def update_user(self, change: Change) -> None:
        if change.password is not None:
            if change.name not in self.world.users:
                raise DatabaseError("no such user", undone=True)
            self.world.change(change.name, change.password)

    async def delete_user(self, name: str, statements: Sequence[str]) -> None:
        if "fail" in statements:
            raise DatabaseError("will not")
        self.world.change(name, None)

    async def aclose(self) -> None:
        self.open = False


@dataclasses.dataclass
class Host:
    """What the server does for engines, without a server."""

    mount: "DatabaseMount"
    tx: Transaction
    taken: list[Lease]

    @property
    def memory(self) -> dict[str, Any]:
        return self.mount.memory

    async def commit(self) -> None:
        await self.tx.commit()

    async def apart(self, action: Any) -> Any:
        return await self.mount.on_behalf(action)

    async def password(self, policy: str) -> str | None:
        return None if policy == "missing" else f"generated-{next(self.mount.numbers)}"

    async def lease(self, kind: str, data: Any, *, ttl: int, max_ttl: int, renewable: bool) -> Lease:
        made = Lease(ttl or self.mount.default_ttl, f"lease-{next(self.mount.numbers)}", renewable)
        self.mount.leases[made.id] = dict(data)
        return made

    async def withdraw(self, lease: Lease) -> None:
        self.mount.leases.pop(lease.id)

    def background(self, name: str, step: Any) -> bool:
        raise AssertionError("nothing here is left for later")


class DatabaseMount(Mount):
    """A mount of the engine with memory and leases."""

    def __init__(self) -> None:
        super().__init__(BACKEND)
        self.memory: dict[str, Any] = {}
        self.leases: dict[str, dict[str, Any]] = {}
        self.numbers = itertools.count(1)
        self.caller = Caller(key="own", display_name="token")

    def context(self, request: Request, tx: Transaction, held: HeldLocks, caller: Caller | None = None) -> Context:
        ctx = super().context(request, tx, held, caller)
        ctx._host = Host(self, tx, [])
        return ctx

    async def on_behalf(self, action: Any, **data: Any) -> Any:
        tx, held = Transaction(self.barrier), HeldLocks(self.locks)
        request = Request(id="r", operation=Operation.UPDATE, path="m/", data=data)
        try:
            result = await action(self.context(request, tx, held, Caller()))
            await tx.commit()
        finally:
            held.release()
        return result

    async def revoke(self, lease: str) -> None:
        data = self.leases[lease]
        await self.on_behalf(lambda ctx: database.revokers["creds"](ctx, data))
        del self.leases[lease]

    async def renew(self, lease: str, increment: int = 0) -> Any:
        data = self.leases[lease]
        issued = self.clock.now_ns()
        return await self.on_behalf(
            lambda ctx: database.renewers["creds"](ctx, data), increment=increment, issue_time=issued
        )

    async def tick(self) -> None:
        assert database.tick is not None
        await self.on_behalf(database.tick)

    def restart(self) -> None:
        """Forget what only memory has."""
        self.memory.clear()


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    found = World()
    plugin = Plugin(
        "fake-database-plugin", lambda details: FakeDatabase(found, details), "v-{{.RoleName}}-{{random 20}}"
    )
    monkeypatch.setattr(databases, "BUILT_IN", (plugin,))
    databases.plugins.cache_clear()
    monkeypatch.setattr("strongroom.engines.database.upkeep.APART_SECONDS", 0)
    yield found
    databases.plugins.cache_clear()


def run(work: Any) -> Any:
    async def main() -> Any:
        mount = DatabaseMount()
        await mount.open()
        return await work(mount)

    return asyncio.run(main())


async def configured(mount: DatabaseMount, **more: Any) -> None:
    assert (await mount("POST", "config/app", {**ADMIN, "allowed_roles": "*", **more})).status == 204
    assert (await mount("POST", "roles/role", ROLE)).status == 204


def test_a_user_is_made_with_a_lease_and_goes_with_it(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        answer = await mount("GET", "creds/role")
        assert world.users[answer.data["username"]] == answer.data["password"]
        [lease] = mount.leases
        await mount.revoke(lease)
        assert set(world.users) == {"admin"}

    run(work)


@pytest.mark.parametrize(
    ("undone", "leases"), [(True, 0), (False, 1)], ids=["certainly nothing left", "something may be left"]
)
def test_a_creation_that_fails_keeps_its_lease_only_if_something_may_be_left(
    world: World, undone: bool, leases: int
) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        world.before = DatabaseError("failed to execute query: no", undone=undone)
        answer = await mount("GET", "creds/role")
        assert answer.status == 500
        assert answer.errors == ["1 error occurred:\n\t* failed to execute query: no\n\n"]
        assert len(mount.leases) == leases

    run(work)


def test_a_database_that_cannot_be_reached_leaves_no_lease(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        world.down = True
        assert (await mount("GET", "creds/role")).status == 500
        assert not mount.leases

    run(work)


def test_a_lease_whose_name_went_to_another_leaves_that_one_alone(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, username_template="same")
        world.after = DatabaseError("the connection was lost")
        assert (await mount("GET", "creds/role")).status == 500
        [first] = mount.leases
        del world.users["same"]  # somebody cleaned up by hand
        assert (await mount("GET", "creds/role")).status == 200
        await mount.revoke(first)
        assert "same" in world.users
        [second] = mount.leases
        await mount.revoke(second)
        assert "same" not in world.users

    run(work)


def test_present_revocation_statements_count_and_those_of_the_issue_without_a_role(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        await mount("GET", "creds/role")
        [lease] = mount.leases
        await mount("POST", "roles/role", {"revocation_statements": "fail"})
        with pytest.raises(BadRequest, match="will not"):
            await mount.revoke(lease)
        await mount("DELETE", "roles/role")
        with pytest.raises(BadRequest, match="could not find role"):
            await mount.renew(lease)
        await mount.revoke(lease)

    run(work)


def test_a_failed_write_of_a_connection_changes_nothing(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        for body, problem in (
            ({"password": "wrong"}, "error verifying connection: password authentication failed"),
            ({"connection_url": "bad"}, "connection_url is bad"),
            ({"username_template": "{{"}, "unclosed action"),
            ({"plugin_name": "none"}, "plugin not found in the catalog: none"),
            ({"rotation_period": 1}, "rotation_period must be 5 seconds or more"),
        ):
            answer = await mount("POST", "config/app", body)
            assert answer.status == 400
            assert problem in answer.errors[0]
        assert (await mount("GET", "creds/role")).status == 200

    run(work)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://u:secret@h/d", "postgresql://u:xxxxx@h/d"),
        ("postgresql://u:s%40:cret@h/d?x=1", "postgresql://u:xxxxx@h/d?x=1"),
        ("postgresql://h/d?user=u&password=secret&x=1", "postgresql://h/d?user=u&password=xxxxx&x=1"),
        ("postgresql://{{username}}:{{password}}@h/d", "postgresql://{{username}}:{{password}}@h/d"),
        ("postgresql://u@h/d", "postgresql://u@h/d"),
        ("host=h password=secret user=u", "host=h password=xxxxx user=u"),
        ("host=h password = 'se cr\\'et' user=u", "host=h password = xxxxx user=u"),
        ("host=h password={{password}}", "host=h password={{password}}"),
        ("u:se:c@ret@tcp(h:3306)/", "u:xxxxx@tcp(h:3306)/"),
        ("{{username}}:{{password}}@tcp(h)/", "{{username}}:{{password}}@tcp(h)/"),
    ],
)
def test_passwords_in_urls_are_masked(url: str, shown: str) -> None:
    assert masked(url) == shown


@pytest.mark.parametrize(
    ("allowed", "role", "status"),
    [
        ("*", "role", 200),
        ("ro*", "role", 200),
        ("*le", "role", 200),
        ("r*e", "role", 200),
        ("other,role", "role", 200),
        ("", "role", 500),
        ("Role", "role", 500),
        ("rol", "role", 500),
        ("*x*", "role", 500),
        ("r.le", "role", 500),
    ],
)
def test_only_allowed_roles_get_users(world: World, allowed: str, role: str, status: int) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, allowed_roles=allowed)
        assert (await mount("GET", f"creds/{role}")).status == status

    run(work)


# -- Passwords that are rotated ----------------------------------------------------------------------------------


async def static(mount: DatabaseMount, world: World, **more: Any) -> Any:
    world.users["svc"] = "old"
    body = {"db_name": "app", "username": "svc", "rotation_period": 3600, **more}
    return await mount("POST", "static-roles/svc", body)


async def password(mount: DatabaseMount) -> str:
    answer = await mount("GET", "static-creds/svc")
    assert answer.status == 200, answer.errors
    return str(answer.data["password"])


async def crash(work: Any) -> None:
    with pytest.raises(Crash):
        await work


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_static_role_survives_a_crash_at_either_side_of_the_change(world: World, point: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        assert (await static(mount, world)).status == 204
        first = await password(mount)
        setattr(world, point, Crash())
        await crash(mount("POST", "rotate-role/svc"))
        mount.restart()
        assert await password(mount) == first
        await mount.tick()
        assert await password(mount) == world.users["svc"] != first

    run(work)


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_user_that_changes_its_own_password_survives_a_crash_too(world: World, point: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        assert (await static(mount, world, self_managed_password="old")).status == 204
        setattr(world, point, Crash())
        await crash(mount("POST", "rotate-role/svc"))
        mount.restart()
        await mount.tick()
        assert await password(mount) == world.users["svc"]

    run(work)


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_static_role_whose_creation_was_broken_off_is_not_there_until_it_is_whole(world: World, point: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        setattr(world, point, Crash())
        await crash(static(mount, world))
        mount.restart()
        assert (await mount("GET", "static-creds/svc")).status == 400
        assert (await mount("GET", "static-roles/svc")).status == 404
        await mount.tick()
        assert await password(mount) == world.users["svc"]

    run(work)


# -- Two users that take turns -----------------------------------------------------------------------------------


async def in_turns(mount: DatabaseMount, world: World) -> Any:
    world.users["svc2"] = "old2"
    return await static(mount, world, alternate_username="svc2")


async def both(mount: DatabaseMount) -> tuple[str, str]:
    data = (await mount("GET", "static-creds/svc")).data
    return data["username"], data["password"]


def test_of_two_users_in_turns_the_one_before_stays_valid_until_its_next_turn(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        assert (await in_turns(mount, world)).status == 204
        assert world.users["svc2"] != "old2"
        seen = [await both(mount)]
        for _ in range(4):
            assert (await mount("POST", "rotate-role/svc")).status == 204
            seen.append(await both(mount))
            assert all(world.users[user] == password for user, password in seen[-2:])
        assert [user for user, _ in seen] == ["svc", "svc2", "svc", "svc2", "svc"]
        assert len({password for _, password in seen}) == 5
        role = (await mount("GET", "static-roles/svc")).data
        assert (role["alternate_username"], role["active_username"]) == ("svc2", "svc")

    run(work)


@pytest.mark.parametrize("point", ["before", "after"])
def test_two_users_in_turns_survive_a_crash_at_either_side_of_the_change(world: World, point: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        await in_turns(mount, world)
        first = await both(mount)
        setattr(world, point, Crash())
        await crash(mount("POST", "rotate-role/svc"))
        mount.restart()
        assert await both(mount) == first
        assert world.users[first[0]] == first[1]
        await mount.tick()
        user, password = await both(mount)
        assert user == "svc2"
        assert world.users[user] == password
        assert world.users[first[0]] == first[1]

    run(work)


@pytest.mark.parametrize("changes", [1, 2])
@pytest.mark.parametrize("point", ["before", "after"])
def test_two_users_in_turns_whose_making_was_broken_off_are_both_known_in_the_end(
    world: World, point: str, changes: int
) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        world.skip = changes - 1
        setattr(world, point, Crash())
        await crash(in_turns(mount, world))
        mount.restart()
        assert (await mount("GET", "static-creds/svc")).status == 400
        await mount.tick()
        user, password = await both(mount)
        assert user == "svc"
        assert world.users["svc"] == password
        assert world.users["svc2"] != "old2"

    run(work)


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"alternate_username": "svc"}, "must be another user"),
        ({"alternate_username": "svc2", "self_managed_password": "x"}, "self_managed_password"),
    ],
)
def test_an_alternate_that_makes_no_sense_is_refused(world: World, change: dict[str, Any], problem: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        answer = await static(mount, world, **change)
        assert answer.status == 400
        assert problem in answer.errors[0]

    run(work)


@pytest.mark.parametrize("other", ["", "svc3"])
def test_who_takes_turns_cannot_be_changed(world: World, other: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        await in_turns(mount, world)
        answer = await mount("POST", "static-roles/svc", {"username": "svc", "alternate_username": other})
        assert answer.status == 400
        assert "cannot update alternate_username" in answer.errors[0]

    run(work)


def test_a_static_role_that_cannot_be_made_leaves_nothing(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        world.before = DatabaseError("failed to execute query: no")
        answer = await static(mount, world)
        assert answer.status == 500
        assert "error setting credentials" in answer.errors[0]
        assert not [key for key in mount.stored() if key.startswith("static/")]
        await mount.tick()

    run(work)


@pytest.mark.parametrize("point", ["before", "after"])
def test_the_root_password_survives_a_crash_at_either_side_of_the_change(world: World, point: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        setattr(world, point, Crash())
        await crash(mount("POST", "rotate-root/app"))
        mount.restart()
        assert (await mount("GET", "creds/role")).status == 200
        assert (await mount("POST", "rotate-root/app")).status == 204
        assert world.users["admin"] != "pw"
        assert (await mount("GET", "creds/role")).status == 200

    run(work)


@pytest.mark.parametrize("point", ["before", "after"])
def test_a_root_rotation_that_fails_finds_out_which_password_works(world: World, point: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        setattr(world, point, DatabaseError("failed to execute query: lost"))
        answer = await mount("POST", "rotate-root/app")
        assert answer.status == 500
        assert "failed to update user" in answer.errors[0]
        assert (await mount("GET", "creds/role")).status == 200
        assert (await mount("POST", "config/app", {"allowed_roles": "*"})).status == 204

    run(work)


def test_while_neither_password_can_be_tried_both_are_kept(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        world.after = Crash()
        await crash(mount("POST", "rotate-root/app"))
        mount.restart()
        world.down = True
        assert (await mount("GET", "creds/role")).status == 500
        world.down = False
        assert (await mount("GET", "creds/role")).status == 200

    run(work)


def test_passwords_are_rotated_when_they_are_due(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, rotation_period=7200)
        await static(mount, world)
        first = await password(mount)
        await mount.tick()
        assert await password(mount) == first
        mount.clock.advance(3601)
        await mount.tick()
        assert await password(mount) == world.users["svc"] != first
        assert world.users["admin"] == "pw"
        mount.clock.advance(3601)
        mount.restart()
        await mount.tick()
        assert world.users["admin"] != "pw"
        assert (await mount("GET", "creds/role")).status == 200

    run(work)


def test_a_rotation_that_failed_is_tried_again_ten_seconds_later(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        await static(mount, world)
        mount.clock.advance(3601)
        world.down = True
        await mount.tick()
        old, world.down = world.users["svc"], False
        await mount.tick()
        assert world.users["svc"] == old
        mount.clock.advance(10)
        await mount.tick()
        assert await password(mount) == world.users["svc"] != old

    run(work)


def test_a_password_can_stay_until_its_first_rotation(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        assert (await static(mount, world, skip_import_rotation=True, password="old")).status == 204
        assert await password(mount) == world.users["svc"] == "old"

    run(work)


def test_a_schedule_takes_the_place_of_a_period_and_back(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        await static(mount, world)
        change = {"username": "svc", "rotation_schedule": "0 3 * * *", "rotation_window": "2h"}
        assert (await mount("POST", "static-roles/svc", change)).status == 204
        data = (await mount("GET", "static-roles/svc")).data
        assert (data["rotation_schedule"], data["rotation_window"]) == ("0 3 * * *", 7200)
        assert "rotation_period" not in data
        assert 0 < (await mount("GET", "static-creds/svc")).data["ttl"] <= 86400
        assert (await mount("POST", "static-roles/svc", {"username": "svc", "rotation_period": 60})).status == 204
        assert (await mount("GET", "static-roles/svc")).data["rotation_period"] == 60

    run(work)


def test_connections_are_reopened_when_they_change_and_closed_when_they_go(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        first = mount.memory["connection app"]
        await mount("GET", "creds/role")
        assert mount.memory["connection app"] is first
        await mount("POST", "config/app", {"allowed_roles": "*"})
        assert not first.database.open
        second = mount.memory["connection app"]
        assert (await mount("POST", "reload/fake-database-plugin")).data == {"count": 1, "connections": ["app"]}
        assert not second.database.open
        assert (await mount("POST", "reset/app")).status == 204
        third = mount.memory["connection app"]
        await mount("DELETE", "config/app")
        assert not third.database.open

    run(work)


def test_no_answer_shows_a_secret_setting(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, private_key="key", tls_ca="ca")
        answer = await mount("GET", "config/app")
        assert set(answer.data["connection_details"]) == {"connection_url", "username", "tls_ca"}

    run(work)


# -- Proving a connection ----------------------------------------------------------------------------------------


async def checked(mount: DatabaseMount, **body: Any) -> tuple[bool, dict[str, dict[str, Any]]]:
    answer = await mount("POST", "check/app", body)
    assert answer.status == 200, answer.errors
    return answer.data["ok"], {f"{step['role']} {step['step']}".strip(): step for step in answer.data["steps"]}


TEMPLATED = {"connection_url": "fake {{username}} {{password}}"}


def test_a_check_proves_each_step_and_leaves_nothing(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, **TEMPLATED)
        await static(mount, world)
        ok, steps = await checked(mount)
        assert ok, steps
        assert list(steps) == [
            *("connect", "role role", "role prepare", "role create", "role log in", "role renew", "role revoke"),
            *("svc role", "svc log in"),
        ]
        assert all(step["ok"] for step in steps.values())
        assert set(world.users) == {"admin", "svc"}
        assert not mount.leases

    run(work)


def test_a_check_says_which_statement_was_refused_and_never_the_password(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, **TEMPLATED)
        text = "failed to execute query: no generated-1"
        world.before = DatabaseError(text, undone=True, number=2, statement="GRANT x")
        ok, steps = await checked(mount, role="role")
        assert not ok
        assert list(steps)[-1] == "role create"
        step = steps["role create"]
        assert (step["number"], step["statement"]) == (2, "GRANT x")
        assert "generated-1" not in step["error"]
        assert not mount.leases

    run(work)


def test_a_check_whose_user_cannot_be_removed_leaves_it_to_its_lease(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, **TEMPLATED)
        await mount("POST", "roles/role", {"revocation_statements": "fail"})
        ok, steps = await checked(mount, role="role")
        assert not ok
        assert steps["role revoke"]["error"] == "will not"
        assert len(mount.leases) == 1

    run(work)


@pytest.mark.parametrize(
    ("change", "body", "step", "problem"),
    [
        ({}, {"role": "none"}, "none role", "there is no role none"),
        ({"allowed_roles": "x"}, {}, "role role", "not an allowed role"),
    ],
)
def test_a_check_says_what_is_wrong_with_a_role(
    world: World, change: dict[str, Any], body: dict[str, Any], step: str, problem: str
) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount, **change)
        ok, steps = await checked(mount, **body)
        assert not ok
        assert problem in steps[step]["error"]

    run(work)


def test_a_check_of_a_database_that_is_away_says_so(world: World) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        world.down = True
        ok, steps = await checked(mount)
        assert not ok
        assert steps == {"connect": {"step": "connect", "role": "", "ok": False, "error": "connection refused"}}

    run(work)


# -- Kinds of credentials ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2048, 3072])
def test_a_database_that_knows_keys_gets_the_public_half(world: World, bits: int) -> None:
    async def work(mount: DatabaseMount) -> None:
        plugin = databases.plugins()["fake-database-plugin"]
        both = frozenset(("password", "rsa_private_key"))
        databases.plugins()["fake-database-plugin"] = dataclasses.replace(plugin, credential_types=both)
        await configured(mount)
        settings = {"credential_type": "rsa_private_key", "credential_config": {"key_bits": bits}}
        assert (await mount("POST", "roles/role", settings)).status == 204
        answer = await mount("GET", "creds/role")
        assert set(answer.data) == {"username", "rsa_private_key"}
        key = serialization.load_pem_private_key(answer.data["rsa_private_key"].encode(), None)
        public = key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        assert world.users[answer.data["username"]] == public.decode()
        assert key.key_size == bits  # type: ignore[union-attr]

    run(work)


@pytest.mark.parametrize("kind", ["rsa_private_key", "client_certificate"])
def test_a_kind_of_credential_that_the_database_does_not_know_is_refused(world: World, kind: str) -> None:
    async def work(mount: DatabaseMount) -> None:
        await configured(mount)
        assert (await mount("POST", "roles/role", {"credential_type": kind})).status == 204
        answer = await mount("GET", "creds/role")
        assert answer.status == 400
        assert answer.errors == [f'unsupported credential_type: "{kind}"']
        assert not mount.leases

    run(work)
