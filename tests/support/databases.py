"""Real database servers for tests, from the system's packages, on folders of their own and never as root."""

from __future__ import annotations

import os
import pathlib
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pymysql

from tests.support.process import free_port

ADMIN, PASSWORD = "admin", "adminpw"
#: Whom root becomes to run a server.
NOBODY = "nobody"


def _unprivileged() -> dict[str, Any]:
    if os.getuid():
        return {}
    entry = pwd.getpwnam(NOBODY)
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _missing(what: str) -> AssertionError:
    return AssertionError(f"{what} is not installed; `sh .ci/services` names what the tests need")


class Server:
    """A database server's process on a folder."""

    def __init__(self) -> None:
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="strongroom-db-"))
        if not os.getuid():
            entry = pwd.getpwnam(NOBODY)
            os.chown(self.folder, entry.pw_uid, entry.pw_gid)
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def data(self) -> pathlib.Path:
        return self.folder / "data"

    @property
    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start it and wait until it lets us in."""
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, cwd=self.folder, **_unprivileged()
            )
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up and self.process.poll() is None:
            try:
                self.execute("SELECT 1")
            except (psycopg.Error, pymysql.Error, OSError):
                time.sleep(0.05)
            else:
                return
        raise AssertionError((self.folder / "log").read_text()[-3000:])

    def stop(self) -> None:
        """End it, with all its connections."""
        if self.process is not None:
            self.process.send_signal(signal.SIGINT if isinstance(self, PostgreSQL) else signal.SIGTERM)
            self.process.wait(30)
            self.process = None

    def execute(self, sql: str, *, user: str = ADMIN, password: str = PASSWORD) -> list[tuple[Any, ...]]:
        """Run a statement over a connection of its own; returns the rows."""
        raise NotImplementedError

    def run(self, *command: str) -> None:
        """Run one of its programs to the end."""
        done = subprocess.run(
            command, capture_output=True, cwd=self.folder, stdin=subprocess.DEVNULL, check=False, **_unprivileged()
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def lets_in(self, user: str, password: str) -> bool:
        """Whether a user can log in."""
        try:
            self.execute("SELECT 1", user=user, password=password)
        except (psycopg.OperationalError, pymysql.OperationalError):
            return False
        return True


class PostgreSQL(Server):
    """PostgreSQL with SCRAM logins; `settings` go on its command line."""

    def __init__(self, **settings: str) -> None:
        super().__init__()
        self.settings = {"fsync": "off", "unix_socket_directories": str(self.folder), **settings}
        found = sorted(map(str, pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))) or [
            shutil.which("postgres") or ""
        ]
        if not found[-1]:
            raise _missing("PostgreSQL")
        self.bin = pathlib.Path(found[-1]).parent
        secret = self.folder / "password"
        secret.write_text(PASSWORD)
        secret.chmod(0o644)
        self.run(
            str(self.bin / "initdb"),
            *("-D", str(self.data), "-U", ADMIN, f"--pwfile={secret}", "-A", "scram-sha-256", "-N", "-E", "UTF8"),
        )

    @property
    def command(self) -> list[str]:
        options = [part for name, value in self.settings.items() for part in ("-c", f"{name}={value}")]
        return [str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port), "-h", "127.0.0.1", *options]

    @property
    def url(self) -> str:
        return f"postgresql://{{{{username}}}}:{{{{password}}}}@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def session(self, *, user: str = ADMIN, password: str = PASSWORD) -> psycopg.Connection[Any]:
        """A connection of its own."""
        parameters: dict[str, Any] = {"host": "127.0.0.1", "port": self.port, "dbname": "postgres"}
        return psycopg.connect(**parameters, user=user, password=password, autocommit=True)

    def execute(self, sql: str, *, user: str = ADMIN, password: str = PASSWORD) -> list[tuple[Any, ...]]:
        with self.session(user=user, password=password) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    def users(self) -> set[str]:
        """The users that were made on demand."""
        return {row[0] for row in self.execute("SELECT rolname FROM pg_roles WHERE rolname LIKE 'v-%'")}


class MariaDB(Server):
    """MariaDB, or MySQL where that is what `mariadbd` is called."""

    def __init__(self) -> None:
        super().__init__()
        self.program = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin") or ""
        install = shutil.which("mariadb-install-db")
        if not self.program or not install:
            raise _missing("MariaDB")
        self.data.mkdir()
        if not os.getuid():
            entry = pwd.getpwnam(NOBODY)
            os.chown(self.data, entry.pw_uid, entry.pw_gid)
        self.run(
            install,
            "--no-defaults",
            f"--datadir={self.data}",
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        init = self.folder / "init.sql"
        init.write_text(
            f"CREATE OR REPLACE USER '{ADMIN}'@'%' IDENTIFIED BY '{PASSWORD}';\n"
            f"GRANT ALL PRIVILEGES ON *.* TO '{ADMIN}'@'%' WITH GRANT OPTION;\n"
            "DROP USER IF EXISTS ''@'localhost', ''@'%';\n"
        )
        init.chmod(0o644)
        self.init = init

    @property
    def command(self) -> list[str]:
        return [
            self.program,
            "--no-defaults",
            f"--datadir={self.data}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--skip-name-resolve",
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            "--innodb-flush-log-at-trx-commit=0",
            *([f"--init-file={self.init}"] if not (self.folder / "started").exists() else []),
        ]

    def start(self) -> None:
        super().start()
        (self.folder / "started").touch()

    @property
    def url(self) -> str:
        return f"{{{{username}}}}:{{{{password}}}}@tcp(127.0.0.1:{self.port})/"

    def execute(self, sql: str, *, user: str = ADMIN, password: str = PASSWORD) -> list[tuple[Any, ...]]:
        connection = pymysql.connect(
            host="127.0.0.1", port=self.port, user=user, password=password, autocommit=True, connect_timeout=10
        )
        try:
            with connection.cursor() as cursor:
                cursor.execute(sql)
                return list(cursor.fetchall())
        finally:
            connection.close()

    def users(self) -> set[str]:
        """The users that were made on demand."""
        return {row[0] for row in self.execute("SELECT User FROM mysql.user WHERE User LIKE 'v-%'")}


@contextmanager
def started(server: Server) -> Iterator[Any]:
    """A server that runs for a block, and is removed."""
    try:
        server.start()
        yield server
    finally:
        server.stop()
        shutil.rmtree(server.folder, ignore_errors=True)
