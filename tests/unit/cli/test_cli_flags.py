"""Every flag of Vault 1.15's community command line is taken by the command that has it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.unit.cli.cli_fakes import FakeServer, Vault

from strongroom.cli import catalog
from strongroom.cli.command import Command
from strongroom.cli.flags import by_name

HTTP = (
    "address agent-address ca-cert ca-path client-cert client-key disable-redirects header mfa namespace ns "
    "non-interactive output-curl-string output-policy policy-override tls-server-name tls-skip-verify unlock-key "
    "wrap-ttl"
)
MOUNT = (
    "allowed-response-headers audit-non-hmac-request-keys audit-non-hmac-response-keys default-lease-ttl description "
    "listing-visibility max-lease-ttl options passthrough-request-headers plugin-version version"
)
ENABLE = f"{MOUNT} external-entropy-access force-no-cache local path plugin-name seal-wrap"
LOCKOUT = "user-lockout-counter-reset-duration user-lockout-disable user-lockout-duration user-lockout-threshold"
#: Command → its flags beside those of a connection.
TALKS: dict[str, str] = {
    "audit disable": "",
    "audit enable": "description local path",
    "audit list": "detailed format",
    "auth disable": "",
    "auth enable": f"{ENABLE} token-type",
    "auth help": "",
    "auth list": "detailed format",
    "auth move": "",
    "auth tune": f"{MOUNT} {LOCKOUT} token-type",
    "debug": "compress duration interval log-format metrics-interval output target",
    "delete": "field format",
    "kv delete": "mount versions",
    "kv destroy": "format mount versions",
    "kv enable-versioning": "",
    "kv get": "field format mount version",
    "kv list": "detailed format mount",
    "kv metadata delete": "mount",
    "kv metadata get": "format mount",
    "kv metadata patch": "cas-required custom-metadata delete-version-after max-versions mount remove-custom-metadata",
    "kv metadata put": "cas-required custom-metadata delete-version-after max-versions mount",
    "kv patch": "cas field format method mount remove-data",
    "kv put": "cas field format mount",
    "kv rollback": "format mount version",
    "kv undelete": "mount versions",
    "lease lookup": "format",
    "lease renew": "format i increment",
    "lease revoke": "f force prefix sync",
    "list": "detailed format",
    "login": "field format method no-print no-store path token-only",
    "monitor": "log-format log-level",
    "operator generate-root": "cancel decode dr-token format generate-otp init nonce otp pgp-key recovery-token status",
    "operator init": (
        "consul-auto consul-service format key-shares key-threshold n pgp-keys recovery-pgp-keys recovery-shares "
        "recovery-threshold root-token-pgp-key status stored-shares t"
    ),
    "operator key-status": "format",
    "operator members": "format",
    "operator raft list-peers": "dr-token format",
    "operator raft snapshot restore": "force",
    "operator raft snapshot save": "",
    "operator rekey": (
        "backup backup-delete backup-retrieve cancel format init key-shares key-threshold n nonce pgp-keys status t "
        "target verify"
    ),
    "operator rotate": "format",
    "operator seal": "",
    "operator step-down": "",
    "operator unseal": "format migrate reset",
    "operator usage": "end-time format start-time",
    "patch": "f field force format",
    "path-help": "format",
    "plugin deregister": "version",
    "plugin info": "field format version",
    "plugin list": "detailed format",
    "plugin register": "args command oci_image runtime sha256 version",
    "plugin reload": "mounts plugin scope",
    "policy delete": "",
    "policy list": "format",
    "policy read": "format",
    "policy write": "",
    "read": "field format",
    "secrets disable": "",
    "secrets enable": f"{ENABLE} allowed-managed-keys",
    "secrets list": "detailed format",
    "secrets move": "",
    "secrets tune": f"{MOUNT} allowed-managed-keys",
    "status": "format",
    "token capabilities": "format",
    "token create": (
        "display-name entity-alias explicit-max-ttl field format id metadata no-default-policy orphan period policy "
        "renewable role ttl type use-limit"
    ),
    "token lookup": "accessor format",
    "token renew": "accessor format i increment",
    "token revoke": "accessor mode self",
    "transit import": "",
    "transit import-version": "",
    "unwrap": "field format",
    "version-history": "format",
    "write": "f field force format",
}
#: The same for commands that talk to no server.
LOCAL: dict[str, str] = {
    "operator diagnose": "config debug format skip",
    "operator migrate": "config log-level max-parallel reset start",
    "operator raft snapshot inspect": "depth details filter format",
    "policy fmt": "",
    "print token": "",
    "server": (
        "config dev dev-kv-v1 dev-listen-address dev-no-kv dev-no-store-token dev-plugin-dir dev-root-token-id "
        "dev-skip-init dev-tls dev-tls-cert-dir dev-tls-san exit-on-core-shutdown experiment log-file log-format "
        "log-level log-rotate-bytes log-rotate-duration log-rotate-max-files recovery"
    ),
    "version": "",
}


@pytest.mark.parametrize(
    ("words", "flags"), [*((words, f"{HTTP} {own}") for words, own in TALKS.items()), *LOCAL.items()]
)
def test_every_flag_is_taken(words: str, flags: str) -> None:
    path, command, rest = catalog.find(words.split())
    assert isinstance(command, Command)
    assert (path, rest) == (words.split(), [])
    assert set(flags.split()) <= set(by_name(command.all_flags()))


@pytest.mark.parametrize("word", sorted(catalog.ABSENT))
def test_commands_that_are_none_here_say_so(vault: Vault, word: str) -> None:
    result = vault(word, "list")
    assert result[:] == (127, "", f"{catalog.ABSENT[word]}\n")
    assert word not in catalog.names()


@pytest.mark.parametrize(
    ("words", "request_", "body"),
    [
        (["secrets", "tune", "-allowed-managed-keys=k", "kv"], "sys/mounts/kv/tune", {"allowed_managed_keys": ["k"]}),
        (
            ["operator", "generate-root", "-init", "-dr-token"],
            "sys/replication/dr/secondary/generate-operation-token",
            {},
        ),
        (["operator", "generate-root", "-init", "-recovery-token"], "sys/generate-recovery-token", {}),
        (
            ["operator", "raft", "list-peers", "-dr-token=t"],
            "sys/storage/raft/configuration",
            {"dr_operation_token": "t"},
        ),
    ],
)
def test_what_they_send(vault: Vault, server: FakeServer, words: list[str], request_: str, body: Any) -> None:
    vault(*words)
    assert server.seen[-1].target.removesuffix("/attempt") == f"/v1/{request_}"
    assert server.seen[-1].json == body


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["operator", "init", "-consul-auto"], "-consul-auto is not available"),
        (["operator", "generate-root", "-dr-token", "-recovery-token"], "Both -recovery-token and -dr-token"),
        (["server", "-dev", "-dev-plugin-dir=."], "-dev-plugin-dir is not available: plugins are Python packages"),
        (["server", "-dev", "-experiment=x"], "-experiment is not available"),
        (["server", "-recovery", "-config=x"], "-recovery is not available"),
        (["server", "-recovery=false"], "Must specify at least one config path"),
        (["server", "-dev-skip-init", "-config=x"], "-dev-skip-init works only together with -dev"),
    ],
)
def test_what_cannot_be_done_is_refused(vault: Vault, server: FakeServer, words: list[str], said: str) -> None:
    result = vault(*words)
    assert (result.code, said in result.out + result.err) == (1, True)
    assert not server.seen


@pytest.mark.parametrize("flag", ["pgp-keys", "recovery-pgp-keys"])
def test_keys_for_either_kind_of_share_are_sent(vault: Vault, server: FakeServer, tmp_path: Any, flag: str) -> None:
    (tmp_path / "a.asc").write_text("bm90aGluZw==")
    vault("operator", "init", f"-{flag}={tmp_path / 'a.asc'}", "-stored-shares=1")
    sent = server.seen[-1].json
    assert sent[flag.replace("-", "_")] == ["bm90aGluZw=="]
    assert "stored_shares" not in sent


def test_diagnose_shows_all_that_it_found(vault: Vault, tmp_path: Any) -> None:
    (tmp_path / "c.hcl").write_text('storage "inmem" {}\n')
    plain = vault("operator", "diagnose", "-debug", f"-config={tmp_path / 'c.hcl'}").json
    assert plain == vault("operator", "diagnose", "-format=json", f"-config={tmp_path / 'c.hcl'}").json
    assert all(set(one) == {"check", "status", "message", "fix"} for one in plain)
