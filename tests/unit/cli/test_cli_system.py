"""status, operator, mounts, policies, tokens, leases, audit, plugins: what is sent and what is printed."""

from __future__ import annotations

import stat
from pathlib import Path
from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

UNSEALED = {
    "type": "shamir",
    "initialized": True,
    "sealed": False,
    "t": 3,
    "n": 5,
    "progress": 0,
    "nonce": "",
    "version": "1.15.6",
    "build_date": "",
    "migration": False,
    "cluster_name": "vault-cluster-1",
    "cluster_id": "id-1",
    "recovery_seal": False,
    "storage_type": "inmem",
}
SEALED = {key: value for key, value in UNSEALED.items() if "cluster" not in key} | {"sealed": True, "progress": 1}


# ------------------------------------------------------------------------------------------------ status
def test_status_of_an_unsealed_server(vault: Vault, server: FakeServer) -> None:
    server.answers |= {
        "GET /v1/sys/seal-status": (200, UNSEALED),
        "GET /v1/sys/leader": (200, {"ha_enabled": False, "active_time": "0001-01-01T00:00:00Z"}),
    }
    result = vault("status")
    assert result.code == 0
    assert [row.split("  ")[0] for row in result.out.splitlines()[2:]] == [
        *("Seal Type", "Initialized", "Sealed", "Total Shares", "Threshold", "Version", "Storage Type"),
        *("Cluster Name", "Cluster ID", "HA Enabled"),
    ]
    shown = vault("status", "-format=json").json
    assert shown == UNSEALED | {"ha_enabled": False, "active_time": "0001-01-01T00:00:00Z"}


def test_status_of_a_sealed_server_is_exit_code_2(vault: Vault, server: FakeServer) -> None:
    server.answers |= {
        "GET /v1/sys/seal-status": (200, SEALED | {"nonce": "n-1"}),
        "GET /v1/sys/leader": (503, {"errors": ["Vault is sealed"]}),
    }
    result = vault("status")
    assert result.code == 2
    rows = [row.rsplit("    ", 1) for row in result.out.splitlines()]
    assert ["Unseal Progress", "1/3"] in [[cell.strip() for cell in row] for row in rows]
    assert "HA Mode" in result.out


def test_status_of_an_active_node(vault: Vault, server: FakeServer) -> None:
    leader = {"ha_enabled": True, "is_self": True, "active_time": "2026-01-02T03:04:05Z", "leader_address": "http://a"}
    server.answers |= {"GET /v1/sys/seal-status": (200, UNSEALED), "GET /v1/sys/leader": (200, leader)}
    out = vault("status").out
    assert "HA Mode         active" in out
    assert "Active Since    2026-01-02T03:04:05Z" in out
    server.answers["GET /v1/sys/leader"] = (200, leader | {"is_self": False})
    assert "Active Node Address    http://a" in vault("status").out


@pytest.mark.parametrize("reply", [(500, {"errors": ["x"]}), (200, {"hello": 1}), (200, b"hello"), (204, None)])
def test_status_of_something_else_is_exit_code_1(vault: Vault, server: FakeServer, reply: Any) -> None:
    server.answers["GET /v1/sys/seal-status"] = reply
    result = vault("status")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("Error checking seal status: ")


# ------------------------------------------------------------------------------------------------ operator
INIT = {"keys": ["00ff", "11ee"], "keys_base64": ["AP8=", "Ee4="], "root_token": "hvs.root"}


def test_init_prints_keys_and_token_once(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/sys/init"] = (200, INIT)
    out = vault("operator", "init", "-key-shares=2", "-key-threshold", "2").out
    assert out.startswith("Unseal Key 1: AP8=\nUnseal Key 2: Ee4=\n\nInitial Root Token: hvs.root\n\nVault initialized")
    assert server.seen[0].json == {"secret_shares": 2, "secret_threshold": 2}


def test_init_as_json(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/sys/init"] = (200, INIT)
    assert vault("operator", "init", "-format=json").json == {
        "unseal_keys_b64": ["AP8=", "Ee4="],
        "unseal_keys_hex": ["00ff", "11ee"],
        "unseal_shares": 5,
        "unseal_threshold": 3,
        "recovery_keys_b64": None,
        "recovery_keys_hex": None,
        "recovery_keys_shares": 0,
        "recovery_keys_threshold": 0,
        "root_token": "hvs.root",
    }


@pytest.mark.parametrize(
    ("done", "code", "text"), [(True, 0, "Vault is initialized"), (False, 2, "Vault is not initialized")]
)
def test_init_status(vault: Vault, server: FakeServer, done: bool, code: int, text: str) -> None:
    server.answers["GET /v1/sys/init"] = (200, {"initialized": done})
    assert vault("operator", "init", "-status")[:] == (code, text + "\n", "")


@pytest.mark.parametrize(
    ("words", "stdin", "body"),
    [
        (["abc"], "", {"key": "abc"}),
        ([], "abc\n", {"key": "abc"}),
        (["-reset"], "", {"reset": True}),
        (["-migrate", "abc"], "", {"key": "abc", "migrate": True}),
    ],
)
def test_unseal(vault: Vault, server: FakeServer, words: list[str], stdin: str, body: dict[str, object]) -> None:
    server.answers |= {"PUT /v1/sys/unseal": (200, SEALED), "GET /v1/sys/leader": (200, {"ha_enabled": False})}
    result = vault("operator", "unseal", *words, stdin=stdin)
    assert (result.code, result.err) == (0, "")
    assert "Unseal Progress    1/3" in result.out
    assert server.seen[0].json == body


def test_unseal_without_anyone_to_ask(vault: Vault) -> None:
    result = vault("operator", "unseal")
    assert (result.code, result.out) == (1, "Unseal Key (will be hidden): \n")
    assert result.err.startswith("An error occurred attempting to ask for an unseal key.")


def test_key_status_and_rotate(vault: Vault, server: FakeServer) -> None:
    status = {"term": 2, "install_time": "2026-01-02T03:04:05.123456789Z", "encryptions": 17}
    server.answers |= {"GET /v1/sys/key-status": (200, {**status, "data": status}), "POST /v1/sys/rotate": (204, None)}
    table = "Key Term            2\nInstall Time        02 Jan 26 03:04 UTC\nEncryption Count    17\n"
    assert vault("operator", "key-status").out == table
    assert vault("operator", "rotate").out == "Success! Rotated key\n\n" + table
    assert vault("operator", "rotate", "-format=json").json == status


def test_seal_and_step_down(vault: Vault, server: FakeServer) -> None:
    server.answers |= {"PUT /v1/sys/seal": (204, None), "PUT /v1/sys/step-down": (204, None)}
    assert vault("operator", "seal").out == "Success! Vault is sealed.\n"
    assert vault("operator", "step-down").out == f"Success! Stepped down: {server.address}\n"


def test_members(vault: Vault, server: FakeServer) -> None:
    node = {
        "hostname": "h",
        "api_address": "http://a",
        "cluster_address": "https://b",
        "active_node": True,
        "version": "1",
    }
    server.answers["GET /v1/sys/ha-status"] = (200, {"data": {"nodes": [{**node, "last_echo": None}]}})
    rows = vault("operator", "members").out.splitlines()
    assert rows[0].split("  ")[0] == "Host Name"
    assert rows[2].split() == ["h", "http://a", "https://b", "true", "1", "n/a", "n/a", "n/a"]


class TestGenerateRoot:
    ATTEMPT = "/v1/sys/generate-root/attempt"

    def test_status(self, vault: Vault, server: FakeServer) -> None:
        status = {"nonce": "", "started": False, "progress": 0, "required": 1, "complete": False, "otp_length": 28}
        server.answers[f"GET {self.ATTEMPT}"] = (200, status)
        assert vault("operator", "generate-root", "-status").out == (
            "Nonce         n/a\nStarted       false\nProgress      0/1\nComplete      false\nOTP Length    28\n"
        )
        assert vault("operator", "generate-root", "-generate-otp", "-format=json").json["otp_length"] == 28
        assert len(vault("operator", "generate-root", "-generate-otp").out.strip()) == 28

    def test_a_key_needs_a_nonce(self, vault: Vault, server: FakeServer) -> None:
        server.answers[f"GET {self.ATTEMPT}"] = (200, {"started": True, "nonce": "n-1"})
        assert vault("operator", "generate-root", "abc").err == "Missing nonce value: specify it via the -nonce flag\n"

    def test_a_key_from_stdin(self, vault: Vault, server: FakeServer) -> None:
        server.answers[f"GET {self.ATTEMPT}"] = (200, {"started": True, "nonce": "n-1"})
        server.answers["PUT /v1/sys/generate-root/update"] = (
            200,
            {"nonce": "n-1", "complete": True, "encoded_token": "e"},
        )
        shown = vault("operator", "generate-root", "-nonce=n-1", "-format=json", "-", stdin="abc\n").json
        assert server.seen[-1].json == {"key": "abc", "nonce": "n-1"}
        assert (shown["complete"], shown["encoded_token"], shown["otp"]) == (True, "e", "")

    def test_nothing_in_progress(self, vault: Vault, server: FakeServer) -> None:
        server.answers[f"GET {self.ATTEMPT}"] = (200, {"started": False, "otp_length": 28})
        result = vault("operator", "generate-root", "-nonce=n", "abc")
        assert result.code == 1
        assert result.err.startswith("No root generation is in progress.")

    @pytest.mark.parametrize(
        ("words", "code", "text"),
        [
            (["-decode=AAAA", "-otp=abc"], 0, "abc\n"),
            (["-decode=-", "-otp=abc"], 0, "abc\n"),
            (["-decode=AAAA", "-otp=abcd"], 1, ""),
            (["-decode=!", "-otp=abc"], 1, ""),
        ],
    )
    def test_decode(self, vault: Vault, words: list[str], code: int, text: str) -> None:
        assert vault("operator", "generate-root", *words, stdin="AAAA\n")[:2] == (code, text)


REKEY = {"nonce": "n-1", "started": True, "t": 2, "n": 3, "progress": 0, "required": 1, "verification_required": False}


class TestRekey:
    def test_init(self, vault: Vault, server: FakeServer) -> None:
        server.answers["PUT /v1/sys/rekey/init"] = (200, REKEY)
        result = vault("operator", "rekey", "-init", "-key-shares=3", "-key-threshold=2")
        assert "Rekey Progress           0/1\nNew Shares               3\nNew Threshold            2" in result.out
        assert result.err.startswith("WARNING!")
        assert server.seen[0].json == {"secret_shares": 3, "secret_threshold": 2, "require_verification": False}

    def test_the_last_key_gives_the_new_ones(self, vault: Vault, server: FakeServer) -> None:
        server.answers["GET /v1/sys/rekey/init"] = (200, REKEY)
        done = {"nonce": "n-1", "complete": True, "keys": ["00"], "keys_base64": ["AA=="], "backup": False}
        server.answers["PUT /v1/sys/rekey/update"] = (200, done)
        assert "Key 1: AA==" in vault("operator", "rekey", "-nonce=n-1", "abc").out
        assert vault("operator", "rekey", "-nonce=n-1", "-format=json", "abc").json == {
            **done,
            "pgp_fingerprints": None,
            "verification_required": False,
        }

    def test_cancel_and_status(self, vault: Vault, server: FakeServer) -> None:
        server.answers |= {
            "DELETE /v1/sys/rekey/init": (204, None),
            "GET /v1/sys/rekey/init": (200, {"started": False}),
        }
        assert vault("operator", "rekey", "-cancel").out == "Success! Canceled rekeying (if it was started)\n"
        assert vault("operator", "rekey", "-status").out == (
            "Key        Value\n---        -----\nNonce      n/a\nStarted    false\n"
        )
        assert vault("operator", "rekey", "abc").err.startswith("No rekey is in progress.")


class TestSnapshots:
    PATH = "/v1/sys/storage/raft/snapshot"

    def test_save_is_whole_and_private(self, vault: Vault, server: FakeServer, tmp_path: Path) -> None:
        server.answers[f"GET {self.PATH}"] = (200, b"\x1f\x8bsnapshot")
        file = tmp_path / "x.snap"
        assert vault("operator", "raft", "snapshot", "save", str(file))[:] == (0, "", "")
        assert file.read_bytes() == b"\x1f\x8bsnapshot"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600

    @pytest.mark.parametrize("reply", [(403, {"errors": ["permission denied"]}), (200, b"")])
    def test_a_failure_leaves_the_old_file(self, vault: Vault, server: FakeServer, tmp_path: Path, reply: Any) -> None:
        server.answers[f"GET {self.PATH}"] = reply
        file = tmp_path / "x.snap"
        file.write_text("old")
        result = vault("operator", "raft", "snapshot", "save", str(file))
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith("Error taking the snapshot: ")
        assert [path.name for path in tmp_path.iterdir()] == ["x.snap"]
        assert file.read_text() == "old"

    def test_save_to_nowhere(self, vault: Vault, server: FakeServer) -> None:
        result = vault("operator", "raft", "snapshot", "save", "/no/such/dir/x.snap")
        assert result.code == 2
        assert "open /no/such/dir/x.snap: no such file or directory" in result.err

    @pytest.mark.parametrize(("flags", "suffix"), [([], ""), (["-force"], "-force")])
    def test_restore_sends_the_file(
        self, vault: Vault, server: FakeServer, tmp_path: Path, flags: list[str], suffix: str
    ) -> None:
        server.answers[f"POST {self.PATH}{suffix}"] = (204, None)
        (tmp_path / "x.snap").write_bytes(b"\x00snapshot")
        assert vault("operator", "raft", "snapshot", "restore", *flags, str(tmp_path / "x.snap"))[:] == (0, "", "")
        assert server.seen[0].body == b"\x00snapshot"

    def test_restore_of_nothing(self, vault: Vault, server: FakeServer) -> None:
        result = vault("operator", "raft", "snapshot", "restore", "/no/such.snap")
        assert (result.code, server.seen) == (2, [])

    def test_list_peers(self, vault: Vault, server: FakeServer) -> None:
        assert vault("operator", "raft", "list-peers").err == "No raft cluster configuration found\n"
        peer = {"node_id": "one", "address": "127.0.0.1:1", "leader": True, "voter": True}
        server.answers["GET /v1/sys/storage/raft/configuration"] = (200, {"data": {"config": {"servers": [peer]}}})
        assert vault("operator", "raft", "list-peers").out == (
            "Node    Address        State     Voter\n----    -------        -----     -----\n"
            "one     127.0.0.1:1    leader    true\n"
        )


# ------------------------------------------------------------------------------------------------ mounts
MOUNTS = {
    "secret/": {
        "type": "kv",
        "accessor": "kv_1",
        "description": "",
        "uuid": "u1",
        "options": {"version": "2"},
        "config": {"default_lease_ttl": 1800, "max_lease_ttl": 0, "force_no_cache": False},
    },
    "sys/": {
        "type": "system",
        "accessor": "system_1",
        "description": "system",
        "uuid": "u2",
        "options": None,
        "config": {},
    },
}


def test_secrets_list(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/sys/mounts"] = (200, {**MOUNTS, "request_id": "r", "data": MOUNTS})
    assert vault("secrets", "list").out == (
        "Path       Type      Accessor    Description\n----       ----      --------    -----------\n"
        "secret/    kv        kv_1        n/a\nsys/       system    system_1    system\n"
    )
    rows = [row.split("    ") for row in vault("secrets", "list", "-detailed").out.splitlines()]
    assert [cell.strip() for cell in rows[2] if cell.strip()] == [
        *(
            "secret/",
            "kv",
            "kv_1",
            "1800",
            "system",
            "false",
            "replicated",
            "false",
            "false",
            "map[version:2]",
            "n/a",
            "u1",
        )
    ]
    assert vault("secrets", "list", "-format=json").json == MOUNTS


def test_detailed_lists_show_plugin_versions_where_the_server_knows_them(vault: Vault, server: FakeServer) -> None:
    mounts = {"token/": {"type": "token", "running_plugin_version": "v1", "plugin_version": "", "config": {}}}
    server.answers["GET /v1/sys/auth"] = (200, {"data": mounts})
    assert vault("auth", "list").out.splitlines()[0].endswith("Version")
    assert "Running Version" in vault("auth", "list", "-detailed").out


@pytest.mark.parametrize(
    ("words", "call", "sent", "message"),
    [
        (
            ["secrets", "enable", "kv-v2"],
            "POST /v1/sys/mounts/kv-v2",
            {"type": "kv-v2"},
            "Enabled the kv-v2 secrets engine at: kv-v2/",
        ),
        (
            ["secrets", "enable", "-path=/deep/er/", "-version=2", "-default-lease-ttl=1h", "kv"],
            "POST /v1/sys/mounts/deep/er",
            {"type": "kv", "options": {"version": "2"}, "config": {"default_lease_ttl": "1h0m0s"}},
            "Enabled the kv secrets engine at: deep/er/",
        ),
        (
            ["secrets", "enable", "-local", "-audit-non-hmac-request-keys=a", "-audit-non-hmac-request-keys=b", "kv"],
            "POST /v1/sys/mounts/kv",
            {"local": True, "config": {"audit_non_hmac_request_keys": ["a", "b"]}},
            "Enabled the kv secrets engine at: kv/",
        ),
        (
            ["auth", "enable", "-path=people", "-token-type=batch", "userpass"],
            "POST /v1/sys/auth/people",
            {"type": "userpass", "config": {"token_type": "batch"}},
            "Enabled userpass auth method at: people/",
        ),
        (
            ["secrets", "tune", "-max-lease-ttl=87600h", "pki/"],
            "POST /v1/sys/mounts/pki/tune",
            {"max_lease_ttl": "87600h0m0s"},
            "Tuned the secrets engine at: pki/",
        ),
        (
            ["auth", "tune", "-description=x", "userpass"],
            "POST /v1/sys/mounts/auth/userpass/tune",
            {"description": "x"},
            "Tuned the auth method at: userpass/",
        ),
        (
            ["audit", "enable", "-path=deep/one", "file", "file_path=/x"],
            "PUT /v1/sys/audit/deep/one",
            {"type": "file", "options": {"file_path": "/x"}},
            "Enabled the file audit device at: deep/one/",
        ),
        (
            ["secrets", "disable", "kv"],
            "DELETE /v1/sys/mounts/kv",
            None,
            "Disabled the secrets engine (if it existed) at: kv/",
        ),
        (["auth", "disable", "x/"], "DELETE /v1/sys/auth/x", None, "Disabled the auth method (if it existed) at: x/"),
        (
            ["audit", "disable", "file"],
            "DELETE /v1/sys/audit/file",
            None,
            "Disabled audit device (if it was enabled) at: file/",
        ),
    ],
)
def test_mounts_are_changed(
    vault: Vault, server: FakeServer, words: list[str], call: str, sent: dict[str, Any] | None, message: str
) -> None:
    server.answers[call] = (204, None)
    assert vault(*words)[:] == (0, f"Success! {message}\n", "")
    if sent is not None:
        body = server.seen[0].json
        assert {key: body[key] for key in sent} == sent


def test_an_engine_is_let_go_by_force_and_what_stays_behind_is_told(vault: Vault, server: FakeServer) -> None:
    server.answers["DELETE /v1/sys/mounts/kv?force=true"] = (
        200,
        {"data": None, "warnings": ["2 leases could not be revoked"]},
    )
    code, out, err = vault("secrets", "disable", "-force", "kv")
    assert (code, out) == (0, "Success! Disabled the secrets engine (if it existed) at: kv/\n")
    assert "2 leases could not be revoked" in err


def test_move_waits_for_the_end(vault: Vault, server: FakeServer) -> None:
    server.answers["POST /v1/sys/remount"] = (200, {"data": {"migration_id": "m1"}})
    server.answers["GET /v1/sys/remount/status/m1"] = [
        (200, {"data": {"migration_info": {"status": "in-progress"}}}),
        (200, {"data": {"migration_info": {"status": "success"}}}),
    ]
    assert vault("secrets", "move", "kv1", "moved/here").out.splitlines() == [
        "Started moving secrets engine kv1/ to moved/here/, with migration ID m1",
        "Success! Finished moving secrets engine kv1/ to moved/here/, with migration ID m1",
    ]
    assert server.seen[0].json == {"from": "kv1", "to": "moved/here"}
    server.answers["GET /v1/sys/remount/status/m1"] = (200, {"data": {"migration_info": {"status": "failure"}}})
    assert vault("secrets", "move", "kv1", "moved/here").code == 2


def test_audit_list(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/sys/audit"] = (200, {"data": {}})
    assert vault("audit", "list")[:] == (2, "No audit devices are enabled.\n", "")
    assert vault("audit", "list", "-format=json")[:] == (0, "{}\n", "")
    device = {"type": "file", "description": "", "options": {"file_path": "/a"}, "local": False}
    server.answers["GET /v1/sys/audit"] = (200, {"data": {"file/": device}})
    assert vault("audit", "list", "-detailed").out == (
        "Path     Type    Description    Replication    Options\n"
        "----     ----    -----------    -----------    -------\n"
        "file/    file    n/a            replicated     file_path=/a\n"
    )


def test_plugin_list_and_info(vault: Vault, server: FakeServer) -> None:
    detailed = [{"name": "kv", "type": "secret", "version": "v1"}, {"name": "approle", "type": "auth", "version": "v1"}]
    server.answers["GET /v1/sys/plugins/catalog"] = (200, {"data": {"detailed": detailed, "auth": ["approle"]}})
    assert vault("plugin", "list").out.splitlines()[2:] == ["approle    auth      v1", "kv         secret    v1"]
    assert vault("plugin", "list", "-format=json", "auth").json == ["approle"]
    assert vault("plugin", "list", "odd").code == 2
    server.answers["GET /v1/sys/plugins/catalog/secret/kv"] = (200, {"data": {"name": "kv", "builtin": True}})
    assert vault("plugin", "info", "-field=builtin", "secret", "kv").out == "true"


# ------------------------------------------------------------------------------------------------ policies
def test_policy_write_folds_the_name(vault: Vault, server: FakeServer) -> None:
    server.answers["PUT /v1/sys/policies/acl/my-policy"] = (204, None)
    result = vault("policy", "write", " My-Policy", "-", stdin='path "a" {}\n')
    assert (result.code, result.out) == (0, "Success! Uploaded policy: my-policy\n")
    assert "converted" in result.err
    assert server.seen[0].json == {"policy": 'path "a" {}\n'}


def test_policy_read(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/sys/policies/acl/p"] = (200, {"data": {"name": "p", "policy": '\npath "a" {}\n\n'}})
    assert vault("policy", "read", "P").out == 'path "a" {}\n'
    assert vault("policy", "read", "-format=json", "p").json == {"policy": '\npath "a" {}\n\n'}
    server.answers["GET /v1/sys/policies/acl/root"] = (200, {"data": {"policy": ""}})
    assert vault("policy", "read", "root")[:] == (2, "", "No policy named: root\n")
    assert vault("policy", "read", "absent")[:] == (2, "", "No policy named: absent\n")


def test_policy_list_and_delete(vault: Vault, server: FakeServer) -> None:
    server.answers["GET /v1/sys/policies/acl?list=true"] = (200, {"data": {"keys": ["default", "web", "root"]}})
    assert vault("policy", "list").out == "default\nweb\nroot\n"
    assert vault("policy", "list", "-format=json").json == ["default", "web", "root"]
    server.answers["DELETE /v1/sys/policies/acl/web"] = (204, None)
    assert vault("policy", "delete", "Web").out == "Success! Deleted policy: web\n"


def test_policy_fmt_formats_in_place(vault: Vault, server: FakeServer, tmp_path: Path) -> None:
    file = tmp_path / "p.hcl"
    file.write_text('path "a" { capabilities=["read"] }')
    file.chmod(0o640)
    assert vault("policy", "fmt", str(file)).out == f"Success! Formatted policy: {file}\n"
    assert 'capabilities = ["read"]' in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o640
    assert server.seen == []


@pytest.mark.parametrize("text", ['path "a" {', 'path "a" { capabilities = ["fly"] }', "\x00"])
def test_policy_fmt_leaves_a_bad_file_alone(vault: Vault, tmp_path: Path, text: str) -> None:
    file = tmp_path / "p.hcl"
    file.write_text(text)
    result = vault("policy", "fmt", str(file))
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("failed to parse policy")
    assert file.read_text() == text


# ------------------------------------------------------------------------------------------------ tokens, leases
AUTH = {
    "auth": {"client_token": "hvs.t", "accessor": "a", "token_policies": ["p"], "policies": ["p"], "lease_duration": 0}
}


@pytest.mark.parametrize(
    ("words", "path", "body"),
    [
        ([], "create", {}),
        (["-policy=a", "-policy", "b", "-ttl=60"], "create", {"policies": ["a", "b"], "ttl": "1m0s"}),
        (
            ["-orphan", "-metadata=team=x", "-renewable=false", "-use-limit=5"],
            "create",
            {"no_parent": True, "meta": {"team": "x"}, "renewable": False, "num_uses": 5},
        ),
        (["-role=ci", "-period=24h"], "create/ci", {"period": "24h0m0s"}),
        (["-ttl=30d"], "create", {"ttl": "720h0m0s"}),
    ],
)
def test_token_create(vault: Vault, server: FakeServer, words: list[str], path: str, body: dict[str, Any]) -> None:
    server.answers[f"POST /v1/auth/token/{path}"] = (200, AUTH)
    assert vault("token", "create", "-field=token", *words).out == "hvs.t"
    assert server.seen[0].json == body


@pytest.mark.parametrize(
    ("words", "call", "body"),
    [
        (["lookup"], "GET /v1/auth/token/lookup-self", None),
        (["lookup", "t"], "POST /v1/auth/token/lookup", {"token": "t"}),
        (["lookup", "-accessor", "a"], "POST /v1/auth/token/lookup-accessor", {"accessor": "a"}),
        (["renew"], "PUT /v1/auth/token/renew-self", {}),
        (["renew", "-accessor"], "PUT /v1/auth/token/renew-self", {}),
        (["renew", "-increment=2h", "t"], "PUT /v1/auth/token/renew", {"token": "t", "increment": 7200}),
        (
            ["renew", "-i=45m", "-accessor", "a"],
            "POST /v1/auth/token/renew-accessor",
            {"accessor": "a", "increment": 2700},
        ),
        (["revoke", "t"], "PUT /v1/auth/token/revoke", {"token": "t"}),
        (["revoke", "-self"], "PUT /v1/auth/token/revoke-self", {}),
        (["revoke", "-accessor", "a"], "POST /v1/auth/token/revoke-accessor", {"accessor": "a"}),
        (["revoke", "-mode=orphan", "t"], "PUT /v1/auth/token/revoke-orphan", {"token": "t"}),
        (["revoke", "-mode=path", "auth/userpass/"], "PUT /v1/sys/leases/revoke-prefix/auth/userpass", {}),
    ],
)
def test_token_requests(vault: Vault, server: FakeServer, words: list[str], call: str, body: Any) -> None:
    server.answers[call] = (200, AUTH)
    assert vault("token", *words).code == 0
    assert (server.seen[0].json if server.seen[0].body else None) == body


@pytest.mark.parametrize(("words", "path"), [(["p"], "capabilities-self"), (["t", "p"], "capabilities")])
def test_capabilities_are_sorted(vault: Vault, server: FakeServer, words: list[str], path: str) -> None:
    server.answers[f"POST /v1/sys/{path}"] = (
        200,
        {"data": {"capabilities": ["read", "create"], "p": ["read", "create"]}},
    )
    assert vault("token", "capabilities", *words).out == "create, read\n"
    assert vault("token", "capabilities", "-format=json", *words).json == ["create", "read"]


@pytest.mark.parametrize(
    ("words", "call", "body", "message"),
    [
        (["a/b"], "revoke/a/b", {"sync": False}, "All revocation operations queued successfully!"),
        (["-sync", "a/b"], "revoke/a/b", {"sync": True}, "Success! Revoked lease: a/b"),
        (["-prefix", "-sync", "a/"], "revoke-prefix/a", {"sync": True}, "Success! Revoked any leases with prefix: a"),
        (["-force", "-prefix", "a"], "revoke-force/a", None, "Success! Force revoked any leases with prefix: a"),
    ],
)
def test_lease_revoke(
    vault: Vault, server: FakeServer, words: list[str], call: str, body: dict[str, bool] | None, message: str
) -> None:
    server.answers[f"PUT /v1/sys/leases/{call}"] = (204, None)
    result = vault("lease", "revoke", *words)
    assert (result.code, result.out) == (0, message + "\n")
    assert (server.seen[0].json if server.seen[0].body else None) == body
    assert bool(result.err) == ("-force" in words)


def test_lease_renew_and_lookup(vault: Vault, server: FakeServer) -> None:
    renewed = {"lease_id": "l", "lease_duration": 1800, "renewable": True, "data": None}
    server.answers |= {
        "PUT /v1/sys/leases/renew": (200, renewed),
        "PUT /v1/sys/leases/lookup": (200, {"data": {"id": "l", "ttl": 1800}}),
    }
    assert vault("lease", "renew", "-increment=1800", "l").out.splitlines()[2:] == [
        "lease_id           l",
        "lease_duration     30m",
        "lease_renewable    true",
    ]
    assert server.seen[0].json == {"lease_id": "l", "increment": 1800}
    assert vault("lease", "lookup", "l").out.splitlines()[2:] == ["id     l", "ttl    30m"]


# ------------------------------------------------------------------------------------------------ login
class TestLogin:
    @pytest.fixture(autouse=True)
    def _token(self, server: FakeServer) -> None:
        data = {"id": "hvs.t", "accessor": "a", "policies": ["default"], "ttl": 3600, "renewable": True, "meta": None}
        server.answers["GET /v1/auth/token/lookup-self"] = (200, {"data": data})

    @pytest.mark.parametrize(
        ("words", "stdin"),
        [(["hvs.t"], ""), (["token=hvs.t"], ""), (["-"], "hvs.t\n"), (["-method=token", "hvs.t"], "")],
    )
    def test_a_token_is_checked_and_kept(
        self, vault: Vault, server: FakeServer, tmp_path: Path, words: list[str], stdin: str
    ) -> None:
        result = vault("login", *words, stdin=stdin, VAULT_TOKEN="")
        assert (result.code, result.err) == (0, "")
        assert result.out.startswith("Success! You are now authenticated.")
        assert 'token_policies       ["default"]' in result.out
        file = tmp_path / ".vault-token"
        assert file.read_text() == "hvs.t"
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        assert server.seen[0].headers["X-Vault-Token"] == "hvs.t"
        assert vault("print", "token", VAULT_TOKEN="").out == "hvs.t\n"

    def test_a_token_of_any_shape(self, vault: Vault, tmp_path: Path) -> None:
        assert vault("login", "-no-print", '{"a":1}')[:2] == (0, "")
        assert (tmp_path / ".vault-token").read_text() == '{"a":1}'

    def test_json_is_made_of_the_lookup(self, vault: Vault) -> None:
        shown = vault("login", "-format=json", "-no-store", "hvs.t").json
        assert shown["request_id"] == ""
        assert shown["auth"]["client_token"] == "hvs.t"
        assert shown["auth"]["lease_duration"] == 3600

    def test_what_is_not_kept(self, vault: Vault, tmp_path: Path) -> None:
        assert vault("login", "-token-only", "hvs.t")[:] == (0, "hvs.t", "")
        assert vault("login", "-no-store", "hvs.t").err.startswith("The token was not stored in token helper.")
        assert not (tmp_path / ".vault-token").exists()

    def test_a_token_in_the_environment_wins_and_is_told(self, vault: Vault) -> None:
        assert vault("login", "-no-print", "hvs.t").err.startswith(
            "WARNING! The VAULT_TOKEN environment variable is set!"
        )

    def test_a_bad_token_is_not_kept(self, vault: Vault, server: FakeServer, tmp_path: Path) -> None:
        server.answers["GET /v1/auth/token/lookup-self"] = (403, {"errors": ["permission denied"]})
        result = vault("login", "bad")
        assert result.code == 2
        assert result.err.startswith("Error authenticating: error looking up token: Error making API request.")
        assert not (tmp_path / ".vault-token").exists()

    @pytest.mark.parametrize(
        ("words", "path", "body"),
        [
            (["-method=userpass", "username=ann", "password=x"], "userpass/login/ann", {"password": "x"}),
            (
                ["-method=userpass", "-path=people/", "username=ann", "password=x"],
                "people/login/ann",
                {"password": "x"},
            ),
            (["-method=approle", "role_id=r", "secret_id=s"], "approle/login", {"role_id": "r", "secret_id": "s"}),
        ],
    )
    def test_other_methods(
        self, vault: Vault, server: FakeServer, words: list[str], path: str, body: dict[str, str]
    ) -> None:
        server.answers[f"PUT /v1/auth/{path}"] = (200, AUTH)
        assert vault("login", "-field=token", *words).out == "hvs.t"
        assert server.seen[0].json == body
        assert "X-Vault-Token" not in server.seen[0].headers

    @pytest.mark.parametrize(
        ("words", "message"),
        [
            (["-method=userpass", "password=x"], "Error authenticating: 'username' must be specified"),
            (
                ["-method=userpass", "username=x"],
                "Error authenticating: 'password' must be specified: there is no terminal",
            ),
            ([], "Error authenticating: a token must be specified: there is no terminal"),
            (["tok\nen"], "Error authenticating: the token contains non-printable characters"),
        ],
    )
    def test_what_is_missing(self, vault: Vault, words: list[str], message: str) -> None:
        result = vault("login", *words)
        assert (result.code, result.out) == (2, "")
        assert result.err.startswith(message)


class TestPlugins:
    """What `plugin` sends and prints beside its lists."""

    def test_a_program_is_registered_where_the_server_runs_such(self, vault: Vault, server: FakeServer) -> None:
        path = "PUT /v1/sys/plugins/catalog/secret/mine"
        server.answers[path] = (204, None)
        words = ("-sha256=ab", "-args=-x", "-args=y", "-env=A=b", "-version=v1.0.0")
        result = vault("plugin", "register", *words, "secret", "mine")
        assert result[:] == (0, "Success! Registered plugin: mine\n", "")
        sent = {"command": "mine", "sha256": "ab", "args": ["-x", "y"], "env": ["A=b"], "version": "v1.0.0"}
        assert server.seen[-1].json == sent
        server.answers[path] = (400, {"errors": ["plugins are Python packages here"]})
        result = vault("plugin", "register", "-sha256=ab", "secret", "mine")
        assert (result.code, "Python packages" in result.err) == (2, True)

    def test_one_is_forgotten(self, vault: Vault, server: FakeServer) -> None:
        server.answers["DELETE /v1/sys/plugins/catalog/auth/mine?version=v2"] = (204, None)
        result = vault("plugin", "deregister", "-version=v2", "auth", "mine")
        assert result[:] == (0, "Success! Deregistered plugin (if it was registered): mine\n", "")

    @pytest.mark.parametrize(
        ("words", "sent", "said"),
        [
            (["-plugin=kv"], {"plugin": "kv"}, "Reloaded plugin: kv"),
            (
                ["-mounts=a,auth/b", "-mounts=c/"],
                {"mounts": ["a/", "auth/b/", "c/"]},
                "Reloaded mounts: [a/ auth/b/ c/]",
            ),
            (
                ["-plugin=kv", "-scope=global"],
                {"plugin": "kv", "scope": "global"},
                "Reloading plugin: kv, reload_id: 12",
            ),
        ],
    )
    def test_mounts_begin_anew(
        self, vault: Vault, server: FakeServer, words: list[str], sent: dict[str, Any], said: str
    ) -> None:
        server.answers["PUT /v1/sys/plugins/reload/backend"] = (200, {"data": {"reload_id": "12"}})
        assert vault("plugin", "reload", *words)[:] == (0, f"Success! {said}\n", "")
        assert server.seen[-1].json == sent

    @pytest.mark.parametrize(
        ("words", "said"),
        [
            (["reload"], "Give either -plugin or -mounts"),
            (["reload", "-plugin=a", "-mounts=b"], "Give either -plugin or -mounts"),
            (["reload", "-plugin=a", "-scope=x"], "Invalid reload scope: x"),
            (["register", "secret"], "Not enough arguments (expected 2, got 1)"),
        ],
    )
    def test_what_makes_no_sense_is_not_sent(
        self, vault: Vault, server: FakeServer, words: list[str], said: str
    ) -> None:
        assert vault("plugin", *words)[:] == (1, "", f"{said}\n")
        assert not server.seen
