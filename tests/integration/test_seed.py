"""The runbook of a platform that used Vault, typed as it stands into `vault` against real servers.

`COMMANDS` is a table: a command, in the shell's words, and what it must show. The later ones rest on the earlier ones.
"""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import certificates
from tests.support.process import Process, call, clean_environment
from tests.support.secure import SecureProcess

VAULT = str(Path(sys.executable).with_name("vault"))

CONFIG = """
# vault-config.hcl
ui = true

listener "tcp" {
  address = "127.0.0.1:{port}"
  tls_cert_file = "{dir}/tls.crt"
  tls_key_file = "{dir}/tls.key"
  tls_min_version = "tls13"
}

storage "sqlite" {
  path = "{dir}/data/"
}

api_addr = "https://vault.vault.svc.cluster.local:8200"
cluster_addr = "https://vault-0.vault.vault.svc.cluster.local:8201"

telemetry {
  prometheus_retention_time = "30s"
  disable_hostname = true
}
"""

WORKFLOW_POLICY = """\
# workflow-service-policy.hcl

# Read OpenAI credentials
path "secret/data/openai" {
  capabilities = ["read"]
}

# Read Anthropic credentials
path "secret/data/anthropic" {
  capabilities = ["read"]
}

# Generate database credentials
path "database/creds/workflow-readwrite" {
  capabilities = ["read"]
}

# Encrypt/decrypt with Transit
path "transit/encrypt/workflow-data" {
  capabilities = ["update"]
}

path "transit/decrypt/workflow-data" {
  capabilities = ["update"]
}

# Issue TLS certificates
path "pki/issue/workflow-service" {
  capabilities = ["create", "update"]
}

# Renew leases
path "sys/leases/renew" {
  capabilities = ["update"]
}

# Deny access to other secrets
path "secret/data/*" {
  capabilities = ["deny"]
}
"""

CI_POLICY = """\
path "secret/data/ci/*" {
  capabilities = ["read"]
}
path "database/creds/workflow-readonly" {
  capabilities = ["read"]
}
"""


@dataclass(frozen=True)
class Step:
    """A command; what stdout must match (multi-line, anywhere); its exit status."""

    command: str
    shows: str = ""
    status: int = 0


def row(key: str, value: str) -> str:
    """A line of a table."""
    return rf"^{key} +{value}$"


WRITTEN = r"^secret/data/openai$[\s\S]*" + row("version", "{}")

COMMANDS = [
    Step("vault status", row("Sealed", "false")),
    Step("vault secrets enable -path=secret kv-v2", "^Success! Enabled the kv-v2 secrets engine at: secret/$"),
    # Writing
    Step('vault kv put secret/openai api_key="sk-proj-..." organization="org-..."', WRITTEN.format(1)),
    Step(
        """vault kv put secret/database/workflow \\
          username="workflow_user" \\
          password="secure_password_here" \\
          host="postgres-workflow.production.svc.cluster.local" \\
          port="5432" \\
          database="workflow_db\"""",
        row("version", "1"),
    ),
    Step(
        """vault kv metadata put secret/openai \\
          max-versions=5 \\
          cas-required=false""",
        "^Success! Data written to: secret/metadata/openai$",
    ),
    Step("vault kv metadata get secret/openai", row("max_versions", "5")),
    # Reading
    Step("vault kv get secret/openai", row("api_key", r"sk-proj-\.\.\.")),
    Step('vault kv put secret/openai api_key="sk-proj-new-key"', WRITTEN.format(2)),
    Step("vault kv put secret/openai api_key=third", WRITTEN.format(3)),
    Step("vault kv get -version=2 secret/openai", row("api_key", "sk-proj-new-key")),
    Step("vault kv get -version=1 secret/openai", row("organization", r"org-\.\.\.")),
    Step("vault kv get -format=json secret/openai | jq -r '.data.data.api_key'", r"\Athird\n\Z"),
    Step("vault kv get -field=api_key secret/openai > openai_key.txt; cat openai_key.txt", r"\Athird\Z"),
    # Versions
    Step("vault kv metadata get secret/openai", r"=== Version 3 ==="),
    Step("vault kv rollback -version=2 secret/openai", row("version", "4")),
    Step("vault kv get -field=api_key secret/openai", r"\Ask-proj-new-key\Z"),
    Step("vault kv delete -versions=3 secret/openai", "^Success! Data deleted"),
    Step("vault kv get -version=3 secret/openai", r"\A(?![\s\S]*third)[\s\S]*" + row("deletion_time", r"20\S+Z")),
    Step("vault kv undelete -versions=3 secret/openai", "^Success! Data written to: secret/undelete/openai$"),
    Step("vault kv get -version=3 -field=api_key secret/openai", r"\Athird\Z"),
    Step("vault kv destroy -versions=3 secret/openai", "^Success! Data written to: secret/destroy/openai$"),
    Step("vault kv get -version=3 secret/openai", row("destroyed", "true")),
    Step("vault kv undelete -versions=3 secret/openai"),
    Step("vault kv get -version=3 -field=api_key secret/openai", status=2),
    Step("vault kv get -field=api_key secret/openai", r"\Ask-proj-new-key\Z"),
    # Policies
    Step(
        "vault policy write workflow-service-policy workflow-service-policy.hcl",
        "^Success! Uploaded policy: workflow-service-policy$",
    ),
    Step(f"vault policy write workflow-ci -<<EOF\n{CI_POLICY}EOF", "^Success! Uploaded policy: workflow-ci$"),
    Step("vault policy list", r"\Adefault\nworkflow-ci\nworkflow-service-policy\nroot\n\Z"),
    Step("vault policy read workflow-service-policy", "^# Deny access to other secrets$"),
    # Tokens
    Step(
        "vault token create -policy=workflow-service-policy -ttl=1h",
        row("token_duration", "1h") + r"[\s\S]*" + row("token_policies", r'\["default" "workflow-service-policy"\]'),
    ),
    Step(
        "vault token create -policy=workflow-service-policy -period=24h -format=json | jq -r .auth.client_token > token"
    ),
    Step("vault token lookup $(cat token)", row("period", "24h")),
    Step("vault token renew $(cat token)", row("token_duration", "24h")),
    Step("VAULT_TOKEN=$(cat token) vault kv get -field=api_key secret/openai", r"\Ask-proj-new-key\Z"),
    Step("VAULT_TOKEN=$(cat token) vault kv get secret/database/workflow", status=2),
    Step("VAULT_TOKEN=$(cat token) vault kv put secret/openai api_key=mine", status=2),
    Step("VAULT_TOKEN=$(cat token) vault token capabilities secret/data/openai", r"\Aread\n\Z"),
    Step("VAULT_TOKEN=$(cat token) vault token capabilities secret/data/smtp", r"\Adeny\n\Z"),
    Step("vault token revoke $(cat token)", r"^Success! Revoked token"),
    Step("vault token lookup $(cat token)", status=2),
    Step("VAULT_TOKEN=$(cat token) vault kv get secret/openai", status=2),
    # Audit
    Step(
        "vault audit enable file file_path={dir}/audit/audit.log", "^Success! Enabled the file audit device at: file/$"
    ),
    Step("vault audit list", row("file/ +file", ".*")),
    Step(
        "vault token create -policy=workflow-service-policy -metadata=service_account_name=workflow-service "
        "-format=json | jq -r .auth.client_token > token"
    ),
    Step("VAULT_TOKEN=$(cat token) vault kv get secret/openai", row("api_key", "sk-proj-new-key")),
    Step("VAULT_TOKEN=$(cat token) vault read secret/data/smtp", status=2),
    Step("""grep '"error":"permission denied"' {dir}/audit/audit.log""", '"path":"secret/data/smtp"'),
    Step(
        """grep '"path":"secret/data/openai"' {dir}/audit/audit.log""",
        '"type":"response".*"api_key":"hmac-sha256:[0-9a-f]{64}"',
    ),
    Step(
        """grep '"service_account_name":"workflow-service"' {dir}/audit/audit.log""",
        '"operation":"read".*"path":"secret/data/openai"',
    ),
    Step("""! grep -e sk-proj-new-key -e "$(cat token)" {dir}/audit/audit.log"""),
]


class Console:
    """Runs commands with `vault` of this environment, as the holder of the root token."""

    def __init__(self, server: Process) -> None:
        self.server = server
        self.environment = {
            **clean_environment(server.folder),
            "PATH": f"{Path(VAULT).parent}{os.pathsep}{os.environ['PATH']}",
            "VAULT_ADDR": server.address,
            "VAULT_CACERT": str(server.folder / "ca.crt"),
        }

    def run(self, command: str, status: int = 0) -> str:
        done = subprocess.run(
            ["bash", "-c", "set -o pipefail\n" + command.replace("{dir}", str(self.server.folder))],
            capture_output=True,
            text=True,
            env=self.environment,
            cwd=self.server.folder,
            timeout=60,
            check=False,
        )
        assert done.returncode == status, f"{command}\n{done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def server(tmp_path: Path) -> Iterator[SecureProcess]:
    """A new server with the runbook's listener."""
    certificates.write(tmp_path, "tls")
    certificates.write_ca(tmp_path)
    process = SecureProcess(tmp_path, CONFIG)
    process.start()
    try:
        yield process
    finally:
        process.stop()


def init(console: Console) -> list[str]:
    """The runbook's initialisation; returns the five keys."""
    console.run("vault operator init \\\n  -key-shares=5 \\\n  -key-threshold=3 \\\n  > vault-keys.txt")
    printed = (console.server.folder / "vault-keys.txt").read_text()
    console.environment["VAULT_TOKEN"] = re.findall(r"^Initial Root Token: (\S+)$", printed, re.MULTILINE)[0]
    keys: list[str] = re.findall(r"^Unseal Key \d: (\S+)$", printed, re.MULTILINE)
    assert len(keys) == 5
    return keys


def test_the_runbook(server: SecureProcess) -> None:
    console = Console(server)
    keys = init(console)
    for key in keys[:3]:
        console.run(f"vault operator unseal {key}")
    (server.folder / "workflow-service-policy.hcl").write_text(WORKFLOW_POLICY)
    for step in COMMANDS:
        command = textwrap.dedent(step.command)
        shown = console.run(command, step.status)
        assert re.search(step.shows, shown, re.MULTILINE), f"{command}\n{shown}"
    assert console.run("vault policy read workflow-service-policy").rstrip("\n") == WORKFLOW_POLICY.rstrip("\n")


@pytest.mark.parametrize("chosen", [(0, 1, 2), (4, 2, 0), (3, 1, 4)])
def test_any_three_of_the_five_keys_unseal(server: SecureProcess, chosen: tuple[int, ...]) -> None:
    console = Console(server)
    assert "false" in console.run("vault status", 2).partition("Initialized")[2].splitlines()[0]
    keys = init(console)
    for number, at in enumerate(chosen, 1):
        assert re.search(row("Sealed", "true"), console.run("vault status", 2), re.MULTILINE)
        shown = console.run(f"vault operator unseal {keys[at]}")
        if number < 3:
            assert re.search(row("Unseal Progress", f"{number}/3"), shown, re.MULTILINE)
    assert re.search(row("Sealed", "false"), console.run("vault status"), re.MULTILINE)
    console.run("vault operator init", 2)


def test_two_keys_and_a_wrong_one_do_not_unseal_and_are_dropped(server: SecureProcess) -> None:
    console = Console(server)
    keys = init(console)
    for key in keys[:2]:
        console.run(f"vault operator unseal {key}")
    last = keys[2][:-2] + ("AA" if keys[2][-2:] != "AA" else "BB")
    console.run(f"vault operator unseal {last}", 2)
    assert re.search(row("Unseal Progress", "0/3"), console.run("vault status", 2), re.MULTILINE)


def test_a_killed_server_has_everything_after_unsealing(server: SecureProcess) -> None:
    console = Console(server)
    keys = init(console)
    for key in keys[2:]:
        console.run(f"vault operator unseal {key}")
    console.run("vault secrets enable -path=secret kv-v2")
    console.run("vault kv put secret/openai api_key=sk-proj-...")
    server.kill()
    server.start()
    console.run("vault kv get secret/openai", 2)
    for key in keys[:3]:
        console.run(f"vault operator unseal {key}")
    assert console.run("vault kv get -field=api_key secret/openai") == "sk-proj-..."


def test_the_listener_speaks_tls_1_3_alone(server: SecureProcess) -> None:
    connection = server.connection()
    status, body = call(connection, "GET", "sys/health")
    assert (status, body["initialized"]) == (501, False)
    assert isinstance(connection.sock, ssl.SSLSocket)
    assert connection.sock.version() == "TLSv1.3"
    connection.close()
    older = certificates.client_context()
    older.maximum_version = ssl.TLSVersion.TLSv1_2
    with (
        socket.create_connection(("127.0.0.1", server.port), 60) as plain,
        pytest.raises(ssl.SSLError, match="protocol version"),
    ):
        older.wrap_socket(plain, server_hostname="127.0.0.1")


@pytest.mark.parametrize(
    ("query", "status"),
    [("standbyok=true", 200), ("standbyok=true&perfstandbyok=true", 200)],
)
def test_the_probes_of_the_deployment(server: SecureProcess, query: str, status: int) -> None:
    console = Console(server)
    keys = init(console)
    assert server.call("GET", f"sys/health?{query}")[0] == 503
    for key in keys[:3]:
        console.run(f"vault operator unseal {key}")
    assert server.call("GET", f"sys/health?{query}")[0] == status


def test_the_json_of_an_init_has_all_keys(server: SecureProcess) -> None:
    made = json.loads(Console(server).run("vault operator init -key-shares=5 -key-threshold=3 -format=json"))
    assert len(made["unseal_keys_b64"]) == len(made["unseal_keys_hex"]) == 5
    assert made["unseal_threshold"] == 3
    assert made["root_token"].startswith("hvs.")
