"""Server configuration: what is read, what is warned about, and what is refused, with place and fix."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strongroom.config import SEALS, SECTIONS, STORAGES, Listener, ServerConfig, load, sanitized
from strongroom.config.settings import KINDS
from strongroom.errors import ConfigError

MINIMAL = 'storage "inmem" {}\nlistener "tcp" {\n  address = "127.0.0.1:8200"\n  tls_disable = true\n}\n'
SEED = """# vault-config.hcl
ui = true

listener "tcp" {
  address = "0.0.0.0:8200"
  tls_cert_file = "/vault/tls/tls.crt"
  tls_key_file = "/vault/tls/tls.key"
  tls_min_version = "tls13"
}

storage "postgresql" {
  connection_url = "postgresql://vault:password@postgres:5432/vault?sslmode=require"
  ha_enabled = true
}

seal "awskms" {
  region = "us-east-1"
  kms_key_id = "alias/vault-unseal-key"
}

api_addr = "https://vault.vault.svc.cluster.local:8200"
cluster_addr = "https://vault-0.vault.vault.svc.cluster.local:8201"

telemetry {
  prometheus_retention_time = "30s"
  disable_hostname = true
}
"""


class Files:
    """Configuration files in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def write(self, text: str, name: str = "c.hcl") -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def load(self, *texts: str, complete: bool = True, **environ: str) -> tuple[ServerConfig, list[str]]:
        paths = [self.write(text, f"c{i}.hcl") for i, text in enumerate(texts)]
        return load(paths, environ=environ, complete=complete)

    def config(self, *texts: str, **environ: str) -> ServerConfig:
        return self.load(*texts, complete=False, **environ)[0]

    def error(self, *texts: str, complete: bool = False, **environ: str) -> ConfigError:
        with pytest.raises(ConfigError) as caught:
            self.load(*texts, complete=complete, **environ)
        return caught.value


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_handbooks_configuration_is_understood_whole(files: Files) -> None:
    config, warnings = files.load(SEED)
    assert [text.partition(": ")[0] for text in warnings] == [
        "ui is understood, but has no effect yet",
        "storage.postgresql.ha_enabled is understood, but has no effect yet",
    ]
    assert config.ui
    assert config.api_addr == "https://vault.vault.svc.cluster.local:8200"
    assert config.cluster_addr == "https://vault-0.vault.vault.svc.cluster.local:8201"
    (listener,) = config.listeners
    assert (listener.type, listener.address, listener.host, listener.port) == ("tcp", "0.0.0.0:8200", "0.0.0.0", 8200)
    assert (listener.tls_cert_file, listener.tls_key_file) == ("/vault/tls/tls.crt", "/vault/tls/tls.key")
    assert (listener.tls_min_version, listener.tls_max_version, listener.tls_disable) == ("tls13", "tls13", False)
    assert config.storage_type == "postgresql"
    assert config.storage.settings["connection_url"].startswith("postgresql://vault:")
    assert config.storage.settings["ha_enabled"] is True
    (seal,) = config.seals
    assert (seal.type, seal.settings["region"], seal.settings["kms_key_id"]) == (
        *("awskms", "us-east-1"),
        "alias/vault-unseal-key",
    )
    assert (config.telemetry.prometheus_retention_time, config.telemetry.disable_hostname) == (30, True)


def test_defaults_are_vaults(files: Files) -> None:
    config = files.load(MINIMAL)[0]
    assert (config.default_lease_ttl, config.max_lease_ttl) == (2_764_800, 2_764_800)
    assert (config.log_level, config.log_format, config.ui, config.storage.available) == (
        "info",
        "standard",
        False,
        True,
    )
    (listener,) = config.listeners
    assert (listener.max_request_size, listener.max_request_duration) == (33_554_432, 90)
    assert (listener.tls_min_version, listener.x_forwarded_for_reject_not_present) == ("tls12", True)
    assert config.written == frozenset()


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ("default_lease_ttl = 30", "default_lease_ttl", 30),
        ('default_lease_ttl = "30"', "default_lease_ttl", 30),
        ('default_lease_ttl = "1h30m"', "default_lease_ttl", 5400),
        ('default_max_request_duration = "1.5s"', "default_max_request_duration", 1.5),
        ("ui = true", "ui", True),
        ('ui = "true"', "ui", True),
        ('ui = "1"', "ui", True),
        ("ui = 0", "ui", False),
        ('cache_size = "4096"', "cache_size", 4096),
        ("cache_size = 4096", "cache_size", 4096),
        ("cluster_name = 5", "cluster_name", "5"),
        ('log_level = "WARN"', "log_level", "warn"),
        ('experiments = ["a", "b"]', "experiments", ("a", "b")),
        ('experiments = "a, b,"', "experiments", ("a", "b")),
        ("log_rotate_max_files = -1", "log_rotate_max_files", -1),
        ('{"max_lease_ttl": "768h", "ui": "t"}', "ui", True),
        ("cache_size = 10", "cache_bytes", 5120),
        ("cache_size = 10\ncache_memory = 7", "cache_bytes", 7),
        ('max_lease_ttl = "1h"', "default_lease_ttl", 3600),
        ("disable_cache = true\ncache_memory = 7", "cache_bytes", 0),
    ],
)
def test_values_are_read_leniently(files: Files, text: str, name: str, value: object) -> None:
    got = getattr(files.config(text), name)
    assert (got, type(got)) == (value, type(value))


def listener(files: Files, body: str, kind: str = "tcp") -> Listener:
    tls = "tls_disable = true\n" if kind == "tcp" else ""
    return files.config(f'listener "{kind}" {{\n{tls}{body}\n}}').listeners[0]


@pytest.mark.parametrize(
    ("body", "name", "value"),
    [
        ("", "address", "127.0.0.1:8200"),
        ('address = "example.com"', "address", "example.com:8200"),
        ('address = ":8300"', "address", "0.0.0.0:8300"),
        ('address = "::1"', "address", "[::1]:8200"),
        ('address = "[::]:8300"', "host", "::"),
        ('address = "[::]"', "address", "[::]:8200"),
        ('cluster_address = "10.0.0.1"', "cluster_address", "10.0.0.1:8201"),
        ("max_request_size = 400", "max_request_size", 400),
        ("max_request_size = -1", "max_request_size", -1),
        ('max_request_duration = "2m"', "max_request_duration", 120.0),
        (
            'x_forwarded_for_authorized_addrs = "10.0.0.0/8, ::1"',
            "x_forwarded_for_authorized_addrs",
            ("10.0.0.0/8", "::1"),
        ),
        ('tls_cipher_suites = "A,B"', "tls_cipher_suites", ("A", "B")),
        ("telemetry { unauthenticated_metrics_access = true }", "unauthenticated_metrics_access", True),
        ('profiling { unauthenticated_pprof_access = "true" }', "unauthenticated_pprof_access", True),
        (
            'custom_response_headers { "default" = { "X-A" = ["1", "2, 3"] "X-B" = "4, 5" } "4xx" = {} }',
            "custom_response_headers",
            {"default": {"X-A": ("1", "2, 3"), "X-B": ("4, 5",)}, "4xx": {}},
        ),
    ],
)
def test_listener_settings(files: Files, body: str, name: str, value: object) -> None:
    assert getattr(listener(files, body), name) == value


def test_unix_listener(files: Files) -> None:
    unix = listener(
        files, 'address = "/run/vault.sock"\nsocket_mode = "0660"\nsocket_user = 1000\nsocket_group = "vault"', "unix"
    )
    assert (unix.type, unix.address, unix.socket_mode) == ("unix", "/run/vault.sock", 0o660)
    assert (unix.socket_user, unix.socket_group) == ("1000", "vault")


def test_files_add_up(files: Files) -> None:
    config, warnings = files.load(
        MINIMAL + 'ui = true\nlog_level = "debug"\ntelemetry { disable_hostname = true }\n',
        'ui = false\nlistener "unix" { address = "/run/s" }\ntelemetry { metrics_prefix = "x" }\n'
        'max_lease_ttl = "9999h"',
    )
    assert not any("unknown" in text for text in warnings)
    assert (config.ui, config.log_level, config.max_lease_ttl) == (False, "debug", 9999 * 3600)
    assert [one.type for one in config.listeners] == ["tcp", "unix"]
    assert (config.telemetry.disable_hostname, config.telemetry.metrics_prefix) == (True, "x")


def test_a_folder_gives_its_hcl_and_json_files_in_order(files: Files) -> None:
    files.write(MINIMAL + 'cluster_name = "a"', "a.hcl")
    files.write('{"cluster_name": "b", "listener": [{"unix": {"address": "/run/s"}}]}', "b.json")
    files.write("not read {", "c.txt")
    files.write("not read {", ".d.hcl")
    config, _ = load([files.folder], environ={})
    assert config.cluster_name == "b"
    assert [one.type for one in config.listeners] == ["tcp", "unix"]


def test_json_is_the_same_configuration(files: Files) -> None:
    text = {
        "storage": {"file": {"path": "/data"}},
        "listener": [{"tcp": {"address": "127.0.0.1:1", "tls_disable": "true"}}, {"unix": {"address": "/s"}}],
        "telemetry": [{"disable_hostname": True}],
        "user_lockout": {"all": {"lockout_duration": "10m"}, "ldap": {"lockout_threshold": "25"}},
        "ha_storage": {"consul": {"token": "t"}},
    }
    config, warnings = load([files.write(json.dumps(text), "c.json")], environ={})
    assert not any("unknown" in text for text in warnings)
    assert (config.storage.type, config.storage.settings["path"]) == ("file", "/data")
    assert [one.address for one in config.listeners] == ["127.0.0.1:1", "/s"]
    assert config.telemetry.disable_hostname
    assert [(one.type, one.lockout_duration, one.lockout_threshold) for one in config.user_lockouts] == [
        ("all", 600, 5),
        ("ldap", 900, 25),
    ]
    assert config.ha_storage is not None
    assert config.ha_storage.type == "consul"


def test_older_places_of_addresses(files: Files) -> None:
    config = files.config(
        'backend "raft" { path = "/d" node_id = "n" redirect_addr = "http://a:1" cluster_addr = "http://a:2" }'
    )
    assert (config.storage.type, config.api_addr, config.cluster_addr) == ("raft", "http://a:1", "http://a:2")


def test_the_environment_wins_at_the_top_level_and_fills_in_below(files: Files) -> None:
    text = (
        'api_addr = "http://file:1"\nstorage "raft" { path = "/file" }\nseal "transit" { token = "f", key_name = "k" }'
    )
    config = files.config(
        text,
        VAULT_API_ADDR="http://env:1",
        VAULT_RAFT_PATH="/env",
        VAULT_RAFT_NODE_ID="n-env",
        VAULT_TOKEN="env-token",
        VAULT_ADDR="http://other",
        VAULT_TRANSIT_SEAL_MOUNT_PATH="transit/",
        VAULT_UI="",
    )
    assert config.api_addr == "http://env:1"
    assert (config.storage.settings["path"], config.storage.settings["node_id"]) == ("/file", "n-env")
    seal = config.seals[0].settings
    assert (seal["token"], seal["address"], seal["mount_path"]) == ("f", "http://other", "transit/")


def test_values_from_environment_and_files(files: Files) -> None:
    secret = files.write("postgresql://u:pw@h/db\n", "url")
    files.write("45s", "ttl")
    config = files.config(
        f'storage "postgresql" {{ connection_url = "file://{secret}" }}\n'
        f'default_lease_ttl = "file://{files.folder}/ttl"\ncluster_name = "env://NAME"\n'
        'experiments = ["env://NAME", "x"]',
        NAME="from env",
    )
    assert config.storage.settings["connection_url"] == "postgresql://u:pw@h/db"
    assert (config.default_lease_ttl, config.cluster_name, config.experiments) == (45, "from env", ("from env", "x"))


def test_one_newline_is_taken_off_a_file_value(files: Files) -> None:
    files.write(" a\nb\n\n", "v")
    assert files.config(f'cluster_name = "file://{files.folder}/v"').cluster_name == " a\nb\n"


def test_unknown_keys_warn_with_place_and_suggestion(files: Files) -> None:
    text = (
        MINIMAL
        + 'clustr_name = "x"\nnonsense {}\nlistener "tcp" {\n tls_disable = true\n  adress = "x"\n}\n'
        + 'entropy "seal" {}\n'
    )
    _, warnings = files.load(text + 'plugin_directory = "/p"\ncache_size = 1\ncache_size = 2')
    at = f"{files.folder}/c0.hcl"
    assert sorted(warnings) == [
        f"block entropy at {at}:12:1 has no effect in Strongroom",
        f"field cache_size is set again at {at}:15:1; the one at {at}:14:1 is ignored",
        f"field plugin_directory at {at}:13:1 has no effect in Strongroom",
        f'unknown or unsupported field adress found in configuration at {at}:10:3; did you mean "address"?',
        f'unknown or unsupported field clustr_name found in configuration at {at}:6:1; did you mean "cluster_name"?',
        f"unknown or unsupported field nonsense found in configuration at {at}:7:1",
    ]


SWITCH = "unauthenticated_pprof_access"
PENDING: list[tuple[str, str, tuple[int, int]]] = [
    ("ui = true", "ui", (1, 1)),
    ("\nui = true", "ui", (2, 1)),
    ('listener "unix" {\n address = "/s"\n http_read_timeout = "30s"\n}', "listener.unix.http_read_timeout", (3, 2)),
    (
        f'listener "unix" {{\n address = "/s"\n profiling {{\n  {SWITCH} = true\n }}\n}}',
        f"listener.unix.profiling.{SWITCH}",
        (4, 3),
    ),
    ('storage "raft" {\n path = "/d"\n ha_enabled = "true"\n}', "storage.raft.ha_enabled", (3, 2)),
    ('seal "shamir" { disabled = true }', "seal.shamir.disabled", (1, 17)),
    ('ha_storage "consul" {}', 'ha_storage "consul"', (1, 1)),
    ('service_registration "kubernetes" {}', 'service_registration "kubernetes"', (1, 1)),
    ("telemetry { filter_default = false }", "telemetry.filter_default", (1, 13)),
    ('telemetry { statsd_address = "a:1" }', "telemetry.statsd_address", (1, 13)),
]


@pytest.mark.parametrize(("text", "name", "place"), PENDING)
def test_what_is_not_acted_on_yet_warns_with_its_place(
    files: Files, text: str, name: str, place: tuple[int, int]
) -> None:
    _, warnings = files.load(text, complete=False)
    at = ":".join(str(part) for part in (f"{files.folder}/c0.hcl", *place))
    assert warnings == [f"{name} is understood, but has no effect yet: {at}"]


def test_it_warns_too_when_the_environment_sets_it(files: Files) -> None:
    assert files.load("", complete=False, VAULT_UI="1")[1] == ["ui is understood, but has no effect yet: VAULT_UI"]


@pytest.mark.parametrize(
    "text",
    ["ui = false", "telemetry { filter_default = true }", 'storage "inmem" { ha_enabled = false }', 'seal "shamir" {}'],
)
def test_a_switch_set_to_what_it_is_anyway_is_no_matter(files: Files, text: str) -> None:
    assert files.load(text, complete=False)[1] == []


@pytest.mark.parametrize(
    ("common", "own", "longest"),
    [
        ("", "", 90),
        ("", "5s", 5),
        ("10s", "", 10),
        ("10s", "5s", 5),
        ("10s", "0", 10),
        ("0", "0", 90),
    ],
)
def test_the_longest_time_of_a_request_is_the_listeners_or_the_common_one(
    files: Files, common: str, own: str, longest: float
) -> None:
    top = f'default_max_request_duration = "{common}"\n' if common else ""
    inner = f'max_request_duration = "{own}"\n' if own else ""
    config = files.config(f'listener "unix" {{\n address = "/s"\n {inner}}}\n', top)
    assert [one.max_request_duration for one in config.listeners] == [longest]


TCP = 'listener "tcp" {{ tls_disable = true\n{} }}'
ERRORS: list[tuple[str, tuple[int, int], str, str]] = [
    ('default_lease_ttl = "soon"', (1, 21), "default_lease_ttl: time: invalid duration", "Write a duration"),
    ("max_lease_ttl = -5", (1, 17), "max_lease_ttl: a duration cannot be negative", "Write a duration"),
    ("max_lease_ttl = true", (1, 17), "max_lease_ttl: could not parse duration from bool", "Write a duration"),
    ('max_lease_ttl = "1500ms"', (1, 17), "max_lease_ttl: expected whole seconds", "Write a duration of whole"),
    ('ui = "maybe"', (1, 6), "ui: expected true or false", "Write true or false"),
    ("ui {}", (1, 4), "ui: expected true or false", "Write true or false"),
    ('ui "x" {}', (1, 1), "ui: expected a value, not a block", "Write true or false"),
    ('\n  cache_size = "many"', (2, 16), "cache_size: expected a whole number", "Write a whole number"),
    (
        TCP.format('telemetry { unauthenticated_metrics_access = "often" }'),
        (2, 46),
        "listener.tcp.telemetry.unauthenticated_metrics_access: expected true or false",
        "Write true or false",
    ),
    ("cluster_name = []", (1, 16), "cluster_name: expected a text", "Write a text"),
    ('log_level = "loud"', (1, 13), 'log_level: "loud" is not known here', "Use one of trace, debug"),
    ('default_lease_ttl = "2h"\nmax_lease_ttl = "1h"', (1, 1), "default_lease_ttl is longer", "Raise max_lease_ttl"),
    ('api_addr = "vault:8200"', (1, 1), "api_addr is no URL with a host", "Write it such as"),
    ('cluster_addr = "https://[::1"', (1, 1), "cluster_addr is no URL with a host", "Write it such as"),
    ('storage "inmem" {', (1, 18), "object expected closing RBRACE got: EOF", "It was opened on line 1"),
    ('storage "nonesuch" {}', (1, 1), 'unknown storage type "nonesuch"', "Use one of aerospike"),
    ('storage "file" {}', (1, 1), "storage.file.path is not set", "Set path"),
    ('storage "raft" {}', (1, 1), "storage.raft.path is not set", "VAULT_RAFT_PATH"),
    ('storage = "file"', (1, 11), '"storage" must be a block', 'Write storage "TYPE" { ... }'),
    (
        'storage "raft" {\n path = "/d"\n retry_join { leader_api_addr = "http://a" }\n}',
        (3, 2),
        "storage.raft.retry_join cannot be used",
        'for a cluster use storage "postgresql", "etcd" or "consul"',
    ),
    ('storage "inmem" {}\nstorage "file" { path = "/x" }', (2, 1), "only one storage block is permitted", "Remove one"),
    ('storage "inmem" {}\nbackend "inmem" {}', (2, 1), "only one storage block is permitted", "Remove one"),
    ('seal "wax" {}', (1, 1), 'unknown seal type "wax"', "Use one of"),
    ('seal "shamir" {}\nseal "shamir" {}', (2, 1), "only one seal can be in use", "disabled"),
    ('seal "awskms" {}', (1, 1), "seal.awskms.kms_key_id is not set", "VAULT_AWSKMS_SEAL_KEY_ID"),
    ('listener "carrier" {}', (1, 1), 'unknown listener type "carrier"', 'Use listener "tcp"'),
    ('listener "tcp" {}', (1, 1), "listener.tcp.tls_cert_file: is not set", "tls_disable = true"),
    ('listener "tcp" { tls_cert_file = "c" }', (1, 1), "listener.tcp.tls_key_file: is not set", "tls_disable = true"),
    ('listener "unix" {}', (1, 1), "listener.unix.address: is not set", "path of the socket"),
    (
        'listener "unix" { address = "/s" socket_mode = 660 }',
        (1, 48),
        "listener.unix.socket_mode: expected an oct",
        '"0660"',
    ),
    (
        'listener "unix" { address = "/s" socket_mode = "999" }',
        (1, 48),
        "listener.unix.socket_mode: expected",
        '"0660"',
    ),
    (TCP.format('address = "a:b"'), (2, 1), 'listener.tcp.address: "a:b" is no address', "Write it such as"),
    (TCP.format('address = "a:99999"'), (2, 1), 'listener.tcp.address: "a:99999" is no address', "Write it such as"),
    (TCP.format('address = "{{ GetPrivateIP }}"'), (2, 1), "listener.tcp.address: ", "Write it such as"),
    (TCP.format('address = "[::1"'), (2, 1), "listener.tcp.address: ", "Write it such as"),
    (TCP.format('tls_min_version = "tls10"'), (2, 19), 'listener.tcp.tls_min_version: "tls10" is not', "tls12, tls13"),
    (
        TCP.format('tls_min_version = "tls13"\ntls_max_version = "tls12"'),
        *((2, 1), "listener.tcp.tls_min_version: is above tls_max_version", "Raise"),
    ),
    (
        TCP.format('x_forwarded_for_authorized_addrs = "10.0.0"'),
        (2, 1),
        'listener.tcp.x_forwarded_for_authorized_addrs: "10.0.0"',
        "/8",
    ),
    (TCP.format("x_forwarded_for_hop_skips = -1"), (2, 1), "listener.tcp.x_forwarded_for_hop_skips: is negative", "0"),
    (TCP.format("telemetry = 1"), (2, 13), '"telemetry" must be a block', "Write telemetry { ... }"),
    (
        TCP.format('custom_response_headers { "6xx" = {} }'),
        (2, 25),
        'listener.tcp.custom_response_headers: "6xx"',
        "Write",
    ),
    (
        TCP.format('custom_response_headers { "200" = { "X-Vault-Token" = ["x"] } }'),
        *((2, 25), "listener.tcp.custom_response_headers: ", "Write"),
    ),
    (
        'listener "tcp" {\n tls_cert_file = "c"\n tls_key_file = "k"\n tls_require_and_verify_client_cert = true\n}',
        *((1, 1), "listener.tcp.tls_client_ca_file: is not set", "whose client certificates"),
    ),
    ('cluster_name = "env://NOPE"', (1, 16), "cluster_name: the environment variable NOPE is not set", "Set it where"),
    ('cluster_name = "file:///no/such"', (1, 16), "cluster_name: cannot read /no/such: No such file", "Name a file"),
    ('telemetry {\n usage_gauge_period = "x"\n}', (2, 23), "telemetry.usage_gauge_period: ", "Write a duration"),
    (
        'user_lockout "all" { lockout_duration = "x" }',
        (1, 41),
        "user_lockout.all.lockout_duration: ",
        "Write a duration",
    ),
]


@pytest.mark.parametrize(("text", "place", "message", "fix"), ERRORS)
def test_errors_name_file_line_column_and_fix(
    files: Files, text: str, place: tuple[int, int], message: str, fix: str
) -> None:
    error = files.error(text)
    assert error.message.startswith(message)
    assert fix in error.fix
    assert (error.file, error.line, error.column) == (f"{files.folder}/c0.hcl", *place)


def test_two_storages_in_two_files_are_refused(files: Files) -> None:
    error = files.error('storage "inmem" {}', '\nstorage "inmem" {}')
    assert f"there is one at {files.folder}/c0.hcl:1:1" in error.message
    assert (error.file, error.line) == (f"{files.folder}/c1.hcl", 2)


@pytest.mark.parametrize(
    ("text", "message"),
    [("", "no storage is configured"), ('storage "inmem" {}', "no listener is configured")],
)
def test_a_server_needs_storage_and_listener_but_a_dev_server_does_not(files: Files, text: str, message: str) -> None:
    error = files.error(text, complete=True)
    assert error.message == message
    assert "Add a block" in error.fix
    assert files.config(text).storage_type == "inmem"


def test_unreadable_files_are_named(files: Files) -> None:
    for path, message in (
        (Path("/no/such/config.hcl"), "cannot read the configuration: No such file or directory"),
        (files.folder, "the folder has no configuration"),
    ):
        with pytest.raises(ConfigError) as caught:
            load([path], environ={})
        assert (caught.value.message, caught.value.file) == (message, str(path))
        assert caught.value.fix
    binary = files.folder / "b.hcl"
    binary.write_bytes(b"# fine\n\xff\xfe")
    with pytest.raises(ConfigError, match=r"b\.hcl:2: the file is not UTF-8 text"):
        load([binary], environ={})


def test_standard_input_can_be_read() -> None:
    code = "import pathlib, strongroom.config as c\nprint(c.load([pathlib.Path('/dev/stdin')])[0].storage_type)"
    done = subprocess.run([sys.executable, "-c", code], input=MINIMAL, capture_output=True, text=True, check=True)
    assert done.stdout == "inmem\n"


SECRETS = """storage "postgresql" { connection_url = "postgres://u:hunter2@h/d" }
ha_storage "consul" { token = "hunter2" }
seal "awskms" { kms_key_id = "k" access_key = "hunter2" secret_key = "hunter2" }
service_registration "consul" { token = "hunter2" }
listener "tcp" { tls_disable = true }
"""


def test_secrets_are_neither_in_repr_nor_in_what_is_shown(files: Files) -> None:
    config, _ = files.load(SECRETS)
    assert "hunter2" not in repr(config)
    assert "hunter2" not in str(config)
    assert "hunter2" not in json.dumps(sanitized(config))


@pytest.mark.parametrize(
    "text",
    [
        'default_lease_ttl = "env://SECRET"',
        'log_level = "env://SECRET"',
        'ui = "env://SECRET"',
        'storage "etcd" { password = ["hunter2"] }',
    ],
)
def test_secrets_are_not_in_errors(files: Files, text: str) -> None:
    error = files.error(text, SECRET="hunter2")
    assert "hunter2" not in str(error)
    assert "hunter2" not in repr(error)


def test_what_is_shown(files: Files) -> None:
    config, _ = files.load(
        MINIMAL + "disable_mlock = true\n"
        'api_addr = "http://127.0.0.1:8200"\ndefault_lease_ttl = "10m"\nmax_lease_ttl = "1h"\ncluster_name = "named"\n'
        'log_level = "warn"\nraw_storage_endpoint = false\n'
    )
    shown = sanitized(config)
    expected = {
        "api_addr": "http://127.0.0.1:8200",
        "cache_size": 0,
        "cluster_addr": "",
        "cluster_name": "named",
        "default_lease_ttl": 600,
        "default_max_request_duration": 0,
        "disable_cache": False,
        "disable_mlock": True,
        "enable_ui": False,
        "listeners": [{"config": {"address": "127.0.0.1:8200", "tls_disable": True}, "type": "tcp"}],
        "log_level": "warn",
        "max_lease_ttl": 3600,
        "pid_file": "",
        "plugin_directory": "",
        "raw_storage_endpoint": False,
        "seals": [{"disabled": False, "type": "shamir"}],
        "storage": {
            "cluster_addr": "",
            "disable_clustering": False,
            "redirect_addr": "http://127.0.0.1:8200",
            "type": "inmem",
        },
    }
    assert {key: shown.get(key) for key in expected} == expected
    assert "telemetry" not in shown
    json.dumps(sanitized(files.load(SEED)[0]))


def test_every_row_of_the_table_is_sound() -> None:
    for section, settings_of in SECTIONS.items():
        names = [row.name for row in settings_of]
        assert len(names) == len(set(names)), section
        for row in settings_of:
            assert row.help.endswith("."), (section, row.name)
            assert row.kind in KINDS
            assert not row.choices or row.default in (*row.choices, "")
            if row.default not in ("", (), 0, 0.0) and row.kind not in ("list", "headers"):
                assert KINDS[row.kind].parse(row.default) == row.default


def test_what_this_release_has() -> None:
    assert {name for name, backend in STORAGES.items() if backend.available} == {"inmem", "sqlite", "file", "raft"}
    assert {"postgresql", "etcd", "consul", "s3"} < STORAGES.keys()
    assert {"shamir", "awskms", "transit", "static"} < SEALS.keys()


def test_a_storage_of_another_release_is_recognised(files: Files) -> None:
    config, warnings = files.load('storage "s3" { bucket = "b" }\nlistener "tcp" { tls_disable = true }')
    assert (config.storage.type, config.storage.available, config.storage.settings) == ("s3", False, {"bucket": "b"})
    assert warnings == []


NAMES = sorted(
    {row.name for rows in SECTIONS.values() for row in rows} | {"storage", "listener", "seal", "telemetry", "zzz"}
)
VALUES = [
    '"x"',
    "1",
    "-1",
    "true",
    "[]",
    "{}",
    '["a", 1]',
    '"1h"',
    '{ "a" = { "b" = ["c"] } }',
    '"env://A"',
    '"file:///x"',
    "1e9",
]
LABELS = ["", '"tcp" ', '"unix" ', '"inmem" ', '"raft" ', '"awskms" ', '"consul" ', '"s3" ']
LINES = st.builds("{} = {}\n".format, st.sampled_from(NAMES), st.sampled_from(VALUES))
BLOCKS = st.builds(
    lambda name, label, lines: f"{name} {label}{{\n{''.join(lines)}}}\n",
    st.sampled_from(
        ["storage", "listener", "seal", "telemetry", "ha_storage", "user_lockout", "service_registration", "ui"]
    ),
    st.sampled_from(LABELS),
    st.lists(LINES, max_size=4),
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(LINES | BLOCKS, max_size=6))
def test_any_configuration_loads_or_is_a_config_error(files: Files, parts: list[str]) -> None:
    path = files.write("".join(parts))
    try:
        config, _ = load([path], environ={"A": "5"}, complete=False)
    except ConfigError as error:
        told = error.file == str(path) and error.line and error.column and error.fix
        assert told
    else:
        json.dumps(sanitized(config))
