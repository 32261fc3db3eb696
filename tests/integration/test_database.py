"""The database engine in a real server, against real databases: crashes, outages and crowds."""

from __future__ import annotations

import http.client
import pathlib
import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.support.databases import ADMIN, PASSWORD, MariaDB, PostgreSQL, started
from tests.support.process import Process, call, running

CREATE = (
    "CREATE ROLE \"{{name}}\" WITH LOGIN PASSWORD '{{password}}' VALID UNTIL '{{expiration}}'; "
    'GRANT SELECT ON ALL TABLES IN SCHEMA public TO "{{name}}";'
)
CREATE_MYSQL = "CREATE USER '{{name}}'@'%' IDENTIFIED BY '{{password}}'; GRANT SELECT ON *.* TO '{{name}}'@'%'"
ROUNDS = 50
#: Rounds after which all users are removed, so that the later ones do not count thousands.
SWEEP = 10
WORKERS = 6


@pytest.fixture(scope="module")
def postgresql() -> Iterator[PostgreSQL]:
    with started(PostgreSQL()) as server:
        yield server


@pytest.fixture(scope="module")
def mariadb() -> Iterator[MariaDB]:
    with started(MariaDB()) as server:
        yield server


@pytest.fixture
def server(tmp_path: pathlib.Path) -> Iterator[Process]:
    with running(tmp_path) as process:
        process.keys = process.init()  # type: ignore[attr-defined]
        process.unseal(process.keys)  # type: ignore[attr-defined]
        ok(process.call("POST", "sys/mounts/database", {"type": "database"}))
        yield process


def ok(answer: tuple[int, Any]) -> Any:
    status, body = answer
    assert status in (200, 204), body
    return body


def until(reached: Callable[[], bool], seconds: float = 30) -> None:
    give_up = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < give_up, "it did not come to pass"
        time.sleep(0.05)


def connect(process: Process, database: Any, plugin: str = "postgresql", **more: Any) -> None:
    """Configure the connection `app`, and the role `role` with it."""
    ok(
        process.call(
            "POST",
            "database/config/app",
            {
                "plugin_name": f"{plugin}-database-plugin",
                "connection_url": database.url,
                "username": ADMIN,
                "password": PASSWORD,
                "allowed_roles": "*",
                **more,
            },
        )
    )
    create = CREATE if plugin == "postgresql" else CREATE_MYSQL
    role = {"db_name": "app", "creation_statements": create, "default_ttl": "1h", "max_ttl": "24h"}
    ok(process.call("POST", "database/roles/role", role))


def leases(process: Process, role: str = "role") -> list[str]:
    status, body = process.call("LIST", f"sys/leases/lookup/database/creds/{role}")
    return [] if status == 404 else body["data"]["keys"]


def work_until_killed(process: Process, held: dict[str, dict[str, str]], enough: threading.Event, seed: int) -> None:
    """Take credentials, renew and revoke some of them; note which are ours."""
    chance = random.Random(seed)
    connection = process.connection()
    lease = ""
    try:
        for number in range(10_000):
            if number == 3:
                enough.set()
            status, body = call(connection, "GET", "database/creds/role", None, process.token)
            assert status == 200, body
            lease = body["lease_id"]
            held[lease] = body["data"]
            what = chance.random()
            if what < 0.3:
                call(connection, "PUT", "sys/leases/renew", {"lease_id": lease, "increment": 1800}, process.token)
            elif what < 0.6:
                held.pop(lease)  # from the moment we ask for its end it may be gone
                status, body = call(connection, "PUT", "sys/leases/revoke", {"lease_id": lease}, process.token)
                assert status == 204, body
    except (OSError, http.client.HTTPException):
        pass
    finally:
        enough.set()
        connection.close()


def test_no_crash_leaves_a_user_without_a_lease_or_a_lease_without_its_user(
    server: Process, postgresql: PostgreSQL
) -> None:
    connect(server, postgresql)
    held: dict[str, dict[str, str]] = {}
    for round_ in range(ROUNDS):
        enough = threading.Event()
        workers = [
            threading.Thread(target=work_until_killed, args=(server, held, enough, round_ * WORKERS + n))
            for n in range(WORKERS)
        ]
        for worker in workers:
            worker.start()
        assert enough.wait(30)
        time.sleep(random.random() * 0.15)  # the point of the crash
        server.kill()
        for worker in workers:
            worker.join(30)
        server.start()
        server.unseal(server.keys)  # type: ignore[attr-defined]
        # What was under way is taken back, or ended, in the background; what is left then is one user for each lease.
        until(lambda: len(postgresql.users()) == len(leases(server)))
        there, users = set(leases(server)), postgresql.users()
        for lease, data in held.items():
            assert lease.rpartition("/")[2] in there
            assert data["username"] in users
        if round_ % SWEEP == SWEEP - 1:
            for data in random.sample(list(held.values()), min(3, len(held))):
                assert postgresql.lets_in(data["username"], data["password"])
            ok(server.call("PUT", "sys/leases/revoke-prefix/database/creds"))
            assert not postgresql.users()
            held.clear()


def test_an_outage_fails_requests_in_bounded_time_and_revocations_run_after_it(
    server: Process, postgresql: PostgreSQL
) -> None:
    connect(server, postgresql)
    taken = [ok(server.call("GET", "database/creds/role")) for _ in range(5)]
    postgresql.stop()
    try:
        began = time.monotonic()
        status, body = server.call("GET", "database/creds/role")
        assert status == 500
        assert "Connection refused" in body["errors"][0]
        assert PASSWORD not in body["errors"][0]
        status, body = server.call("PUT", "sys/leases/revoke", {"lease_id": taken[0]["lease_id"]})
        assert status == 400
        assert time.monotonic() - began < 20
        for each in taken[1:]:
            assert server.call("PUT", "sys/leases/revoke", {"lease_id": each["lease_id"], "sync": False})[0] == 202
        assert len(leases(server)) == 5  # and none of the request that failed
    finally:
        postgresql.start()
    ok(server.call("PUT", "sys/leases/revoke", {"lease_id": taken[0]["lease_id"]}))
    until(lambda: not leases(server), 60)
    assert not postgresql.users()


def test_a_crowd_shares_few_connections_and_holds_nobody_else_up(
    server: Process, postgresql: PostgreSQL, mariadb: MariaDB
) -> None:
    # Grants on the same tables at the same time: PostgreSQL refuses some, which must not show.
    postgresql.execute("CREATE TABLE IF NOT EXISTS a (id serial); CREATE TABLE IF NOT EXISTS b (id serial)")
    connect(server, postgresql, max_open_connections=4)
    other = {"plugin_name": "mysql-database-plugin", "connection_url": mariadb.url, "allowed_roles": "*"}
    ok(server.call("POST", "database/config/other", {**other, "username": ADMIN, "password": PASSWORD}))
    ok(server.call("POST", "database/roles/other", {"db_name": "other", "creation_statements": CREATE_MYSQL}))
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'strongroom'"
    with ThreadPoolExecutor(200) as crowd:
        with postgresql.session() as blocking:
            # Whoever grants has to wait for us.
            blocking.execute("BEGIN; LOCK TABLE pg_class IN SHARE ROW EXCLUSIVE MODE")
            answers = [crowd.submit(server.call, "GET", "database/creds/role") for _ in range(200)]
            until(lambda: blocking.execute(ours).fetchone()[0] == 4)
            # While none of them gets on, others do: whoever asks for something else, or another database.
            for _ in range(20):
                ok(server.call("GET", "sys/mounts"))
                ok(server.call("GET", "database/roles/role"))
                ok(server.call("GET", "database/creds/other"))
            assert not any(answer.done() for answer in answers)
            assert blocking.execute(ours).fetchone()[0] == 4
        assert [answer.result()[0] for answer in answers] == [200] * 200
    assert len(postgresql.users()) == 200
    # Sessions of ours, whatever the crowd: the pool's limit holds.
    assert postgresql.execute(ours)[0][0] <= 4
    ok(server.call("PUT", "sys/leases/revoke-prefix/database/creds"))
    assert not postgresql.users()
    assert not mariadb.users()


def test_a_burst_of_expirations_lets_requests_go_first(server: Process, postgresql: PostgreSQL) -> None:
    connect(server, postgresql)
    ok(server.call("POST", "database/roles/brief", {"db_name": "app", "creation_statements": CREATE}))
    with ThreadPoolExecutor(8) as crowd:
        list(crowd.map(lambda _: ok(server.call("GET", "database/creds/brief")), range(300)))
    assert len(postgresql.users()) == 300
    # All due at one moment, and taken down by few at a time.
    assert server.call("PUT", "sys/leases/revoke-prefix/database/creds/brief", {"sync": False})[0] == 202
    ahead = 0
    while left := len(leases(server, "brief")):
        ok(
            server.call(
                "PUT", "sys/leases/revoke", {"lease_id": ok(server.call("GET", "database/creds/role"))["lease_id"]}
            )
        )
        ahead += left > 0
    assert ahead > 3
    assert not postgresql.users()
    ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'strongroom'"
    assert postgresql.execute(ours)[0][0] <= 4


def rotate_until_killed(process: Process, path: str, enough: threading.Event) -> None:
    connection = process.connection()
    try:
        for number in range(10_000):
            assert call(connection, "POST", path, {}, process.token)[0] == 204
            if number == 2:
                enough.set()
    except (OSError, http.client.HTTPException):
        pass
    finally:
        enough.set()
        connection.close()


def kill_while(process: Process, path: str) -> None:
    """kill -9 while a path is written again and again; then start anew."""
    enough = threading.Event()
    worker = threading.Thread(target=rotate_until_killed, args=(process, path, enough))
    worker.start()
    assert enough.wait(30)
    time.sleep(random.random() * 0.05)  # the point of the crash
    process.kill()
    worker.join(30)
    process.start()
    process.unseal(process.keys)  # type: ignore[attr-defined]


def test_no_crash_loses_the_password_of_a_static_role(server: Process, postgresql: PostgreSQL) -> None:
    connect(server, postgresql)
    postgresql.execute("DROP ROLE IF EXISTS svc; CREATE ROLE svc WITH LOGIN PASSWORD 'before'")
    body = {"db_name": "app", "username": "svc", "rotation_period": "24h"}
    ok(server.call("POST", "database/static-roles/svc", body))
    assert not postgresql.lets_in("svc", "before")
    for _ in range(4):
        kill_while(server, "database/rotate-role/svc")

        def settled() -> bool:
            data = ok(server.call("GET", "database/static-creds/svc"))["data"]
            return postgresql.lets_in("svc", data["password"])

        until(settled)


def test_no_crash_loses_the_password_of_the_root_user(server: Process, postgresql: PostgreSQL) -> None:
    postgresql.execute("DROP ROLE IF EXISTS boss; CREATE ROLE boss WITH LOGIN SUPERUSER PASSWORD 'first'")
    connect(server, postgresql, username="boss", password="first")
    for _ in range(4):
        kill_while(server, "database/rotate-root/app")
        lease = ok(server.call("GET", "database/creds/role"))["lease_id"]
        ok(server.call("PUT", "sys/leases/revoke", {"lease_id": lease}))
    assert not postgresql.lets_in("boss", "first")


def test_no_crash_breaks_the_turns_of_two_users(server: Process, postgresql: PostgreSQL) -> None:
    connect(server, postgresql)
    for user in ("left_hand", "right_hand"):
        postgresql.execute(f"DROP ROLE IF EXISTS {user}; CREATE ROLE {user} WITH LOGIN PASSWORD 'before'")
    body = {"db_name": "app", "username": "left_hand", "alternate_username": "right_hand", "rotation_period": "24h"}
    ok(server.call("POST", "database/static-roles/turns", body))
    assert not postgresql.lets_in("left_hand", "before")
    assert not postgresql.lets_in("right_hand", "before")

    def current() -> dict[str, str]:
        found: dict[str, str] = ok(server.call("GET", "database/static-creds/turns"))["data"]
        return found

    for _ in range(3):
        kill_while(server, "database/rotate-role/turns")
        # One that was broken off is finished soon after the start; until then the one before works.
        before = current()
        assert postgresql.lets_in(before["username"], before["password"])
        ok(server.call("POST", "database/rotate-role/turns"))
        after = current()
        assert after["username"] != before["username"] or after["password"] != before["password"]
        assert postgresql.lets_in(after["username"], after["password"])
    before = current()
    ok(server.call("POST", "database/rotate-role/turns"))
    assert current()["username"] != before["username"]
    assert postgresql.lets_in(before["username"], before["password"])


def test_a_check_proves_a_connection_of_either_kind(server: Process, postgresql: PostgreSQL, mariadb: MariaDB) -> None:
    for database, plugin in ((postgresql, "postgresql"), (mariadb, "mysql")):
        connect(server, database, plugin)
        good = server.cli("database", "check", "app")
        assert "✓ revoke (role)" in good.stdout
        create = (CREATE if plugin == "postgresql" else CREATE_MYSQL) + "; nonsense {{name}}"
        ok(server.call("POST", "database/roles/role", {"db_name": "app", "creation_statements": create}))
        bad = server.cli("database", "check", "-role=role", "app", check=False)
        assert bad.returncode == 2
        assert "statement 3: nonsense {{name}}" in bad.stdout
        assert "syntax" in bad.stdout
        assert not database.users()
        assert not leases(server)


def test_a_name_that_is_taken_is_refused_and_its_user_left_alone(server: Process, postgresql: PostgreSQL) -> None:
    connect(server, postgresql, username_template="v-{{.RoleName}}")
    first = ok(server.call("GET", "database/creds/role"))
    status, body = server.call("GET", "database/creds/role")
    assert status == 500
    assert "already exists" in body["errors"][0]
    assert len(leases(server)) == 1
    assert postgresql.lets_in(first["data"]["username"], first["data"]["password"])
    ok(server.call("PUT", "sys/leases/revoke", {"lease_id": first["lease_id"]}))
    assert not postgresql.users()
    ok(server.call("GET", "database/creds/role"))
    ok(server.call("PUT", "sys/leases/revoke-prefix/database/creds"))


def test_a_user_that_owns_something_keeps_its_lease_until_that_is_gone(server: Process, postgresql: PostgreSQL) -> None:
    connect(server, postgresql)
    taken = ok(server.call("GET", "database/creds/role"))
    user = taken["data"]["username"]
    postgresql.execute(f'CREATE TABLE kept (id int); ALTER TABLE kept OWNER TO "{user}"')
    status, body = server.call("PUT", "sys/leases/revoke", {"lease_id": taken["lease_id"]})
    assert status == 400
    assert "owner of table kept" in body["errors"][0]
    assert user in postgresql.users()
    postgresql.execute("DROP TABLE kept")
    ok(server.call("PUT", "sys/leases/revoke", {"lease_id": taken["lease_id"]}))
    assert not postgresql.users()


def test_two_static_roles_of_one_database_are_not_rotated_in_the_same_second(
    server: Process, postgresql: PostgreSQL
) -> None:
    connect(server, postgresql)
    names = ("one", "two", "three")
    for name in names:
        postgresql.execute(f"DROP ROLE IF EXISTS {name}; CREATE ROLE {name} WITH LOGIN PASSWORD 'x'")
        body = {"db_name": "app", "username": name, "rotation_period": 5}
        ok(server.call("POST", f"database/static-roles/{name}", body))

    def rotations() -> list[str]:
        reads = [ok(server.call("GET", f"database/static-creds/{name}"))["data"] for name in names]
        return [read["last_vault_rotation"] for read in reads]

    before = rotations()
    until(lambda: all(new != old for new, old in zip(rotations(), before, strict=True)), 40)
    seconds = sorted(moment[:19] for moment in rotations())
    assert len(set(seconds)) == 3, seconds


def test_mysql_users_come_and_go(server: Process, mariadb: MariaDB) -> None:
    connect(server, mariadb, "mysql")
    taken = ok(server.call("GET", "database/creds/role"))
    user, password = taken["data"]["username"], taken["data"]["password"]
    assert len(user) <= 32
    assert user.startswith("v-root-role-")
    assert mariadb.lets_in(user, password)
    assert ok(server.call("PUT", "sys/leases/renew", {"lease_id": taken["lease_id"]}))["lease_duration"] == 3600
    ok(server.call("PUT", "sys/leases/revoke", {"lease_id": taken["lease_id"]}))
    assert not mariadb.users()
    # A creation that fails half-way has made something there; it goes with its lease.
    ok(server.call("POST", "database/roles/broken", {"db_name": "app", "creation_statements": CREATE_MYSQL + "; x"}))
    status, body = server.call("GET", "database/creds/broken")
    assert status == 500
    assert "in statement 3 of 3" in body["errors"][0]
    until(lambda: not mariadb.users() and not leases(server, "broken"))


def test_mysql_passwords_are_rotated(server: Process, mariadb: MariaDB) -> None:
    mariadb.execute("CREATE OR REPLACE USER boss@'%' IDENTIFIED BY 'first'")
    mariadb.execute("GRANT ALL PRIVILEGES ON *.* TO boss@'%' WITH GRANT OPTION")
    mariadb.execute("CREATE OR REPLACE USER svc@'%' IDENTIFIED BY 'before'")
    connect(server, mariadb, "mysql", username="boss", password="first")
    ok(server.call("POST", "database/rotate-root/app"))
    assert not mariadb.lets_in("boss", "first")
    ok(server.call("POST", "database/static-roles/svc", {"db_name": "app", "username": "svc", "rotation_period": 60}))
    data = ok(server.call("GET", "database/static-creds/svc"))["data"]
    assert mariadb.lets_in("svc", data["password"])


def test_plugins_are_listed(server: Process) -> None:
    listed = ok(server.call("GET", "sys/plugins/catalog"))["data"]["database"]
    assert "postgresql-database-plugin" in listed
    assert "mysql-database-plugin" in listed
    assert server.call("POST", "sys/mounts/x", {"type": "postgresql-database-plugin"})[0] == 400
