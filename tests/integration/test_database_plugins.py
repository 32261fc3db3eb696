"""The database plugins against real servers, without a server of ours around them."""

from __future__ import annotations

import asyncio
import os
import pwd
from collections.abc import Awaitable, Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import trustme

from strongroom.databases import plugins
from strongroom.databases.plugin import Change, Database, DatabaseError, NewUser
from tests.support.databases import ADMIN, NOBODY, PASSWORD, MariaDB, PostgreSQL, Server, started

CREATE = {
    "postgresql": ["CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'"],
    "mysql": ["CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'"],
}
AWKWARD = "a'b\"c\\d`e %s$$"


@pytest.fixture(scope="module", params=["postgresql", "mysql"])
def server(request: pytest.FixtureRequest) -> Iterator[Server]:
    with started(PostgreSQL() if request.param == "postgresql" else MariaDB()) as running:
        running.kind = request.param
        yield running


@pytest.fixture(scope="module")
def certificates() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def postgresql(certificates: trustme.CA) -> Iterator[PostgreSQL]:
    """PostgreSQL that speaks TLS, too."""
    server = PostgreSQL(ssl="on", ssl_cert_file="cert.pem", ssl_key_file="key.pem")
    issued = certificates.issue_cert("127.0.0.1")
    for name, pem in (("cert.pem", issued.cert_chain_pems[0]), ("key.pem", issued.private_key_pem)):
        file = server.data / name
        file.write_bytes(pem.bytes())
        file.chmod(0o600)
        if not os.getuid():
            os.chown(file, pwd.getpwnam(NOBODY).pw_uid, -1)
    with started(server) as running:
        yield running


def new(name: str, kind: str, password: str = "first") -> NewUser:
    return NewUser(name, password, datetime.now(UTC) + timedelta(hours=1), CREATE[kind])


def run(kind: str, details: dict[str, Any], work: Callable[[Database], Awaitable[None]]) -> None:
    async def main() -> None:
        database = plugins()[f"{kind}-database-plugin"].open({"username": ADMIN, "password": PASSWORD, **details})
        try:
            await work(database)
        finally:
            await database.aclose()

    asyncio.run(main())


def test_a_user_of_any_name_comes_changes_and_goes(server: Any) -> None:
    async def work(database: Database) -> None:
        async with database.session() as session:
            assert not await session.has_user("v-" + AWKWARD)
            await session.new_user(new("v-" + AWKWARD, server.kind, AWKWARD))
            assert await session.has_user("v-" + AWKWARD)
        assert server.lets_in("v-" + AWKWARD, AWKWARD)
        async with database.session() as session:
            await session.update_user(Change("v-" + AWKWARD, password="second"))
            await session.update_user(Change("v-" + AWKWARD, expiration=datetime.now(UTC) + timedelta(hours=2)))
        assert server.lets_in("v-" + AWKWARD, "second")
        async with database.session() as session:
            for _ in range(2):
                await session.delete_user("v-" + AWKWARD, ())
            await session.delete_user(
                "v-" + AWKWARD, ["DROP USER " + ('"{{name}}"' if server.kind == "postgresql" else "'{{name}}'@'%'")]
            )
        assert not server.users()

    run(server.kind, {"connection_url": server.url}, work)


def test_errors_say_what_failed_and_never_the_password(server: Any) -> None:
    async def work(database: Database) -> None:
        statements = [*CREATE[server.kind], "nonsense '{{password}}'"]
        with pytest.raises(DatabaseError, match="in statement 2 of 2") as caught:
            async with database.session() as session:
                await session.new_user(NewUser("v-x", "very-secret", datetime.now(UTC), statements))
        assert "very-secret" not in str(caught.value)
        assert caught.value.undone is (server.kind == "postgresql")
        async with database.session() as session:
            await session.delete_user("v-x", ())

    run(server.kind, {"connection_url": server.url}, work)


def test_connections_that_the_server_dropped_are_replaced(server: Any) -> None:
    async def work(database: Database) -> None:
        await database.verify()
        await asyncio.to_thread(server.stop)
        with pytest.raises(DatabaseError, match="failed to connect to"):
            await database.verify()
        await asyncio.to_thread(server.start)
        await database.verify()

    run(server.kind, {"connection_url": server.url}, work)


def test_a_removal_waits_for_a_creation_whose_client_is_gone(server: Any) -> None:
    """The creation's session ends in the server only after a while; its user must not outlive the removal."""
    slow = {"postgresql": "SELECT pg_sleep(1)", "mysql": "DO SLEEP(1)"}[server.kind]

    async def work(database: Database) -> None:
        async def create() -> None:
            async with database.session() as session:
                await session.new_user(NewUser("v-late", "pw", datetime.now(UTC), [slow, *CREATE[server.kind]]))

        creating = asyncio.create_task(create())
        await asyncio.sleep(0.3)
        async with database.session() as session:
            await session.delete_user("v-late", ())
        assert not server.users()
        await creating

    run(server.kind, {"connection_url": server.url}, work)


def test_who_may_create_roles_but_is_no_superuser_can_remove_them(postgresql: PostgreSQL) -> None:
    postgresql.execute(
        "CREATE ROLE maker WITH LOGIN CREATEROLE PASSWORD 'maker'; CREATE SCHEMA own AUTHORIZATION maker;"
        "CREATE TABLE own.t (id int); ALTER TABLE own.t OWNER TO maker; CREATE TABLE other (id int)"
    )
    grants = ['GRANT SELECT ON own.t TO "{{name}}"; GRANT USAGE ON SCHEMA own TO "{{name}}"']

    async def work(database: Database) -> None:
        async with database.session() as session:
            user = new("v-granted", "postgresql")
            await session.new_user(NewUser(user.name, "pw", user.expiration, [*user.statements, *grants]))
            await session.delete_user("v-granted", ())
            assert not await session.has_user("v-granted")
            await session.new_user(user)
        # What others granted is not ours to take back: the error says what it is.
        postgresql.execute('GRANT SELECT ON other TO "v-granted"')
        with pytest.raises(DatabaseError, match="privileges for table other"):
            async with database.session() as session:
                await session.delete_user("v-granted", ())
        postgresql.execute('REVOKE ALL ON other FROM "v-granted"')
        async with database.session() as session:
            await session.delete_user("v-granted", ())

    run("postgresql", {"connection_url": postgresql.url, "username": "maker", "password": "maker"}, work)


def test_the_server_is_checked_by_the_given_authority(postgresql: PostgreSQL, certificates: trustme.CA) -> None:
    url = postgresql.url.replace("sslmode=disable", "sslmode=verify-full")
    good = certificates.cert_pem.bytes().decode()

    async def accepted(database: Database) -> None:
        await database.verify()

    async def refused(database: Database) -> None:
        with pytest.raises(DatabaseError, match="certificate verify failed"):
            await database.verify()

    run("postgresql", {"connection_url": url, "tls_ca": good}, accepted)
    run("postgresql", {"connection_url": url, "tls_ca": trustme.CA().cert_pem.bytes().decode()}, refused)


def test_with_scram_the_server_sees_only_the_verifier(postgresql: PostgreSQL) -> None:
    async def work(database: Database) -> None:
        async with database.session() as session:
            seen = ["SELECT 1/count(*) FROM (SELECT 1) s WHERE '{{password}}' LIKE 'SCRAM-SHA-256$4096:%'"]
            user = new("v-scram", "postgresql", "pass word")
            await session.new_user(NewUser(user.name, user.password, user.expiration, [*seen, *user.statements]))
        assert postgresql.lets_in("v-scram", "pass word")
        async with database.session() as session:
            await session.delete_user("v-scram", ())

    run("postgresql", {"connection_url": postgresql.url, "password_authentication": "scram-sha-256"}, work)


def test_work_that_nobody_waits_for_any_more_ends_in_the_database_too(postgresql: PostgreSQL) -> None:
    asleep = "SELECT count(*) FROM pg_stat_activity WHERE state = 'active' AND query LIKE 'SELECT pg_sleep%'"

    async def work(database: Database) -> None:
        async def create() -> None:
            async with database.session() as session:
                statements = ["SELECT pg_sleep(600)", *CREATE["postgresql"]]
                await session.new_user(NewUser("v-never", "pw", datetime.now(UTC), statements))

        creating = asyncio.create_task(create())
        while await asyncio.to_thread(postgresql.execute, asleep) == [(0,)]:
            pass
        creating.cancel()
        with pytest.raises(asyncio.CancelledError):
            await creating
        while await asyncio.to_thread(postgresql.execute, asleep) != [(0,)]:
            pass
        assert not postgresql.users()

    run("postgresql", {"connection_url": postgresql.url}, work)


@pytest.mark.parametrize("copy", ["COPY pg_class TO STDOUT", "COPY pg_class FROM STDIN"])
def test_statements_cannot_copy_data_and_leave_nothing(postgresql: PostgreSQL, copy: str) -> None:
    async def work(database: Database) -> None:
        with pytest.raises(DatabaseError, match="COPY is not possible"):
            async with database.session() as session:
                await session.new_user(NewUser("v-x", "pw", datetime.now(UTC), [*CREATE["postgresql"], copy]))
        assert not postgresql.users()
        await database.verify()

    run("postgresql", {"connection_url": postgresql.url}, work)


def test_statements_may_be_longer_than_a_socket_takes_at_once(postgresql: PostgreSQL) -> None:
    async def work(database: Database) -> None:
        comment = f"COMMENT ON ROLE \"{{{{name}}}}\" IS '{'x' * 4_000_000}'"
        async with database.session() as session:
            await session.new_user(NewUser("v-long", "pw", datetime.now(UTC), [*CREATE["postgresql"], comment]))
            assert postgresql.users() == {"v-long"}
            await session.delete_user("v-long", ())
        assert not postgresql.users()

    run("postgresql", {"connection_url": postgresql.url}, work)


def test_key_and_value_settings_work_too(postgresql: PostgreSQL) -> None:
    postgresql.execute("CREATE ROLE awkward WITH LOGIN PASSWORD 'it''s \\ \"so\"'")
    url = f"host=127.0.0.1 port={postgresql.port} user={{{{username}}}} password='{{{{password}}}}' dbname=postgres"

    async def work(database: Database) -> None:
        await database.verify()

    run("postgresql", {"connection_url": url, "username": "awkward", "password": 'it\'s \\ "so"'}, work)
