"""Servers in processes of their own."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

STRONGROOM = pathlib.Path(sys.executable).with_name("strongroom")
TICK = os.sysconf("SC_CLK_TCK")

CONFIG = """
storage "sqlite" {{ path = "{folder}/data" }}
listener "tcp" {{
  address = "127.0.0.1:{port}"
  tls_disable = true
}}
disable_mlock = true
api_addr = "http://127.0.0.1:{port}"
"""

#: What beside KV is measured.
ENGINES: tuple[tuple[str, dict[str, Any]], ...] = (
    ("sys/mounts/transit", {"type": "transit"}),
    ("transit/keys/bench", {}),
    ("transit/keys/signer", {"type": "ed25519"}),
    ("sys/auth/approle", {"type": "approle"}),
    ("auth/approle/role/bench", {"role_id": "bench-role", "bind_secret_id": False, "token_bound_cidrs": "127.0.0.1"}),
    ("auth/approle/role/bench/role-id", {"role_id": "bench-role"}),
)
POLICIES = {
    "bench-app": """
path "secret/data/bench/*" { capabilities = ["create", "read", "update", "patch", "delete"] }
path "secret/metadata/bench/*" { capabilities = ["list", "read"] }
path "secret/data/shared/+/config" { capabilities = ["read"] }
path "transit/encrypt/bench" { capabilities = ["update"] }
path "transit/sign/signer" { capabilities = ["update"] }
""",
    "bench-team": "".join(
        f'path "team{i}/data/+/app/*" {{ capabilities = ["read", "list"] }}\n'
        f'path "team{i}/data/private/*" {{ capabilities = ["deny"] }}\n'
        for i in range(10)
    ),
}


class Server:
    """A process and how to reach it."""

    def __init__(self, process: subprocess.Popen[Any], url: str) -> None:
        self.process, self.url = process, url
        self.token = ""

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """One request to the API; raises `RuntimeError` for a refusal."""
        host = urlsplit(self.url).netloc
        with contextlib.closing(http.client.HTTPConnection(host, timeout=60)) as connection:
            headers = {"X-Vault-Token": self.token} if self.token else {}
            connection.request(method, f"/v1/{path}", None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            text = answer.read()
        if answer.status >= 400:
            raise RuntimeError(f"{method} {path}: {answer.status} {text.decode()}")
        return json.loads(text) if text else None

    def cpu_seconds(self) -> float:
        """Processor time it has used so far, all threads."""
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / TICK

    def resident_bytes(self) -> int:
        """Memory it holds."""
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return next(int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmRSS:"))

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


def environment(home: pathlib.Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("VAULT_", "BAO_"))}
    return {**kept, "HOME": str(home)}


def start_bare() -> Server:
    process = subprocess.Popen([sys.executable, "-m", "bench.bare"], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return Server(process, process.stdout.readline().strip())


def start_dev(folder: pathlib.Path) -> tuple[Server, float]:
    """A dev server, and the seconds from its start to its first good answer."""
    port = free_port()
    began = time.perf_counter()
    args = ["server", "-dev", f"-dev-listen-address=127.0.0.1:{port}", "-dev-no-store-token"]
    server = _spawn(args, folder, port)
    return server, wait(server, began)


def start(folder: pathlib.Path, program: Sequence[str | pathlib.Path] = (STRONGROOM,)) -> Server:
    """A server on SQLite in that folder, sealed; `program` may be another that takes the same arguments."""
    port = free_port()
    config = folder / "config.hcl"
    config.write_text(CONFIG.format(folder=folder, port=port))
    server = _spawn(["server", f"-config={config}"], folder, port, program)
    wait(server)
    return server


def _spawn(
    args: list[str], folder: pathlib.Path, port: int, program: Sequence[str | pathlib.Path] = (STRONGROOM,)
) -> Server:
    with (folder / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*program, *args], stdout=log, stderr=log, cwd=folder, env=environment(folder), stdin=subprocess.DEVNULL
        )
    return Server(process, f"http://127.0.0.1:{port}")


def wait(server: Server, began: float | None = None) -> float:
    """Seconds from `began` until it answers; raises `RuntimeError` if it never does."""
    began = time.perf_counter() if began is None else began
    while time.perf_counter() - began < 60:
        if server.process.poll() is not None:
            break
        try:
            server.call("GET", "sys/seal-status")
        except OSError:
            time.sleep(0.005)
        else:
            return time.perf_counter() - began
    raise RuntimeError("the server did not start; see its server.log")


def prepare(server: Server, folder: pathlib.Path, *, audited: bool) -> str:
    """Initialise, unseal, mount KV, enable the audit log, make the ordinary token; returns the unseal key."""
    init = server.call("PUT", "sys/init", {"secret_shares": 1, "secret_threshold": 1})
    key: str = init["keys_base64"][0]
    server.call("PUT", "sys/unseal", {"key": key})
    server.token = init["root_token"]
    server.call("POST", "sys/mounts/secret", {"type": "kv", "options": {"version": "2"}})
    for name, policy in POLICIES.items():
        server.call("PUT", f"sys/policies/acl/{name}", {"policy": policy})
    for path, body in ENGINES:
        server.call("POST", path, body)
    if audited:
        options = {"file_path": str(folder / "audit.log")}
        server.call("PUT", "sys/audit/file", {"type": "file", "options": options})
    return key


def ordinary_token(server: Server) -> str:
    """A service token with three policies: the two above and `default`."""
    auth = server.call("POST", "auth/token/create", {"policies": list(POLICIES), "ttl": "24h"})["auth"]
    token: str = auth["client_token"]
    return token
