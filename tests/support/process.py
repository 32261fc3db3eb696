"""A real server process, spoken to over real HTTP."""

from __future__ import annotations

import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

STRONGROOM = str(pathlib.Path(sys.executable).with_name("strongroom"))


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def clean_environment(home: pathlib.Path) -> dict[str, str]:
    """The environment without what would reach another server."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("VAULT_", "BAO_"))}
    return {**kept, "HOME": str(home)}


class Process:
    """A server on its own folder; `config` has `{port}` and `{dir}` filled in."""

    def __init__(self, folder: pathlib.Path, config: str = "", args: tuple[str, ...] = ()) -> None:
        self.folder, self.port = folder, free_port()
        self.args = list(args)
        if config:
            file = folder / "config.hcl"
            file.write_text(config.replace("{port}", str(self.port)).replace("{dir}", str(folder)))
            self.args.append(f"-config={file}")
        self.args = [a.replace("{port}", str(self.port)) for a in self.args]
        self.log = folder / "server.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.token = ""

    @property
    def address(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Start it and wait until it answers."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [STRONGROOM, "server", *self.args],
                stdout=log,
                stderr=subprocess.STDOUT,
                env=clean_environment(self.folder),
                cwd=self.folder,
            )
        give_up = time.monotonic() + 60
        while time.monotonic() < give_up:
            if self.process.poll() is not None:
                break
            try:
                self.call("GET", "sys/seal-status")
            except OSError:
                time.sleep(0.02)
            else:
                return
        raise AssertionError(f"the server did not start:\n{self.log.read_text()[-3000:]}")

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(30)

    def stop(self) -> int:
        """SIGTERM; returns the exit status."""
        assert self.process is not None
        if self.process.poll() is None:
            self.process.terminate()
        return self.process.wait(30)

    def connection(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        *,
        token: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, Any]:
        """One request; returns the status and the parsed body."""
        connection = self.connection()
        try:
            return call(connection, method, path, body, self.token if token is None else token, headers)
        finally:
            connection.close()

    def init(self, shares: int = 1, threshold: int = 1) -> list[str]:
        """Initialise; keeps the root token, returns the keys."""
        status, body = self.call("PUT", "sys/init", {"secret_shares": shares, "secret_threshold": threshold})
        assert status == 200, body
        self.token = body["root_token"]
        keys: list[str] = body["keys_base64"]
        return keys

    def unseal(self, keys: list[str]) -> None:
        for key in keys:
            status, body = self.call("PUT", "sys/unseal", {"key": key})
            assert status == 200, body
        assert not body["sealed"], body

    def cli(self, *args: str, stdin: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run the command line against it."""
        environment = {**clean_environment(self.folder), "VAULT_ADDR": self.address, "VAULT_TOKEN": self.token}
        done = subprocess.run(
            [STRONGROOM, *args],
            input=stdin,
            capture_output=True,
            text=True,
            env=environment,
            cwd=self.folder,
            timeout=60,
            check=False,
        )
        if check:
            assert done.returncode == 0, done.stdout + done.stderr
        return done


def call(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: Any = None,
    token: str = "",
    headers: dict[str, str] | None = None,
) -> tuple[int, Any]:
    """One request over a kept connection."""
    headers = {**({"X-Vault-Token": token} if token else {}), **(headers or {})}
    data = None if body is None else body if isinstance(body, (str, bytes)) else json.dumps(body)
    connection.request(method, f"/v1/{path}", data, headers)
    response = connection.getresponse()
    raw = response.read()
    return response.status, json.loads(raw) if raw else None


SQLITE = """
storage "sqlite" { path = "{dir}/data" }
listener "tcp" {
  address = "127.0.0.1:{port}"
  tls_disable = true
}
disable_mlock = true
"""


@contextmanager
def running(folder: pathlib.Path, config: str = SQLITE, args: tuple[str, ...] = ()) -> Iterator[Process]:
    """A started process, stopped in the end."""
    process = Process(folder, config, args)
    process.start()
    try:
        yield process
    finally:
        process.stop()
