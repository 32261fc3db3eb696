"""The configuration as typed objects. Every field with a kind is a row of the table of settings.

Names, types and defaults are Vault 1.15's; settings of our own say so in their help. Durations are seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from strongroom.config.settings import setting
from strongroom.errors import ConfigError

DAY = 86_400
KIB, MIB = 1 << 10, 1 << 20
DEFAULT_PORT = 8200
LOG_LEVELS = ("trace", "debug", "info", "warn", "error")
#: A cache entry's share of `cache_bytes` where only Vault's number of entries is given.
ENTRY_BYTES = 512

Headers = Mapping[str, Mapping[str, tuple[str, ...]]]


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written. Line and column from 1, 0 when unknown."""

    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return ":".join(str(part) for part in (self.file, self.line, self.column) if part)

    def error(self, message: str, fix: str = "") -> ConfigError:
        """An error at this place."""
        return ConfigError(message, file=self.file, line=self.line, column=self.column, fix=fix)


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A `listener "tcp"` or `listener "unix"`. `place` is for errors found when it starts (a missing certificate)."""

    type: str = "tcp"
    place: Place = Place()
    raw: Mapping[str, Any] = field(default_factory=dict, repr=False, compare=False)

    address: str = setting("text", "127.0.0.1:8200", "Where to listen: host:port, or the path of a unix socket.")
    cluster_address: str = setting("text", "", "Where to listen for other nodes; the next port unless set.")
    tls_disable: bool = setting("bool", False, "Serve HTTP without TLS.")
    tls_cert_file: str = setting("text", "", "Certificate chain in PEM, the server's own first.", reloadable=True)
    tls_key_file: str = setting("text", "", "Private key of the certificate in PEM.", reloadable=True)
    tls_min_version: str = setting("text", "tls12", "Oldest TLS version spoken.", choices=("tls12", "tls13"))
    tls_max_version: str = setting("text", "tls13", "Newest TLS version spoken.", choices=("tls12", "tls13"))
    tls_cipher_suites: tuple[str, ...] = setting("list", (), "Cipher suites for TLS 1.2, best first.")
    tls_client_ca_file: str = setting(
        "text", "", "CA certificates in PEM that client certificates are checked with.", reloadable=True
    )
    tls_require_and_verify_client_cert: bool = setting(
        "bool", False, "Refuse clients without a valid certificate.", reloadable=True
    )
    tls_disable_client_certs: bool = setting("bool", False, "Do not ask clients for certificates.", reloadable=True)
    tls_prefer_server_cipher_suites: bool = setting("bool", False, "Prefer our order of suites.", inert=True)
    x_forwarded_for_authorized_addrs: tuple[str, ...] = setting(
        "list", (), "Networks whose X-Forwarded-For is believed; none unless set."
    )
    x_forwarded_for_hop_skips: int = setting("int", 0, "How many addresses at the end of X-Forwarded-For to skip.")
    x_forwarded_for_reject_not_present: bool = setting("bool", True, "Refuse requests of those networks without it.")
    x_forwarded_for_reject_not_authorized: bool = setting("bool", True, "Refuse requests with it from elsewhere.")
    max_request_size: int = setting("int", 32 * MIB, "Longest request body in bytes; 0 or less for no limit.")
    max_request_duration: float = setting(
        "duration", 90.0, "Longest time that a request may take; 0 or unset: default_max_request_duration."
    )
    require_request_header: bool = setting("bool", False, "Refuse requests without the header X-Vault-Request.")
    http_idle_timeout: float = setting("duration", 300.0, "How long an idle connection is kept.")
    http_read_header_timeout: float = setting("duration", 10.0, "How long a client may take to send the headers.")
    http_read_timeout: float = setting("duration", 30.0, "How long a client may take to send a request.", pending=True)
    http_write_timeout: float = setting(
        "duration", 0.0, "How long an answer may take to be sent; 0: no limit.", pending=True
    )
    proxy_protocol_behavior: str = setting(
        "text", "", "Whose PROXY protocol to believe.", choices=("use_always", "allow_authorized", "deny_unauthorized")
    )
    proxy_protocol_authorized_addrs: tuple[str, ...] = setting(
        "list", (), "The proxies that `proxy_protocol_behavior` means.", pending=True
    )
    custom_response_headers: Headers = setting("headers", {}, "Headers to add, by status.", reloadable=True)  # noqa: RUF009
    chroot_namespace: str = setting("text", "", "The namespace that requests are confined to.", inert=True)
    socket_mode: int = setting("mode", 0, "Mode of the unix socket.")
    socket_user: str = setting("text", "", "User, by name or number, that owns the unix socket.")
    socket_group: str = setting("text", "", "Group, by name or number, that owns the unix socket.")
    unauthenticated_metrics_access: bool = False
    unauthenticated_pprof_access: bool = False
    unauthenticated_in_flight_request_access: bool = False

    @property
    def host(self) -> str:
        """The address's host, without the brackets of IPv6."""
        return self.address.rpartition(":")[0].strip("[]")

    @property
    def port(self) -> int:
        """The address's port."""
        return int(self.address.rpartition(":")[2])


@dataclass(frozen=True, kw_only=True)
class StorageConfig:
    """A `storage` or `ha_storage` block. `settings` hold what the backend's rows name, secrets included."""

    type: str = "inmem"
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    available: bool = True
    place: Place = Place()


@dataclass(frozen=True, kw_only=True)
class SealConfig:
    """A `seal` block; two of them are a migration, the one with `disabled` is migrated from."""

    type: str = "shamir"
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    available: bool = True
    disabled: bool = False
    place: Place = Place()


@dataclass(frozen=True, kw_only=True)
class ServiceRegistration:
    """A `service_registration` block."""

    type: str
    settings: Mapping[str, Any] = field(default_factory=dict, repr=False)
    available: bool = False
    place: Place = Place()


@dataclass(frozen=True, kw_only=True)
class UserLockout:
    """A `user_lockout` block for one kind of auth method, or `all`."""

    type: str = "all"
    lockout_threshold: int = setting("int", 5, "How many failed logins lock a user out.")
    lockout_duration: int = setting("seconds", 900, "For how long.")
    lockout_counter_reset: int = setting("seconds", 900, "After how long without a failure the count starts anew.")
    disable_lockout: bool = setting("bool", False, "Lock nobody out.")


@dataclass(frozen=True, kw_only=True)
class Telemetry:
    """The `telemetry` block."""

    prometheus_retention_time: float = setting("duration", 86400.0, "How long metrics are kept for Prometheus; 0: off.")
    disable_hostname: bool = setting("bool", False, "Leave the host name out of the names of gauges.")
    enable_hostname_label: bool = setting("bool", False, "Give the host name as a label.", pending=True)
    metrics_prefix: str = setting("text", "vault", "What the metrics' names begin with.")
    filter_default: bool = setting("bool", True, "Whether metrics that no filter names are kept.", pending=True)
    prefix_filter: tuple[str, ...] = setting(
        "list", (), "Prefixes of metrics to keep (+) or to drop (-).", pending=True
    )
    usage_gauge_period: float = setting(
        "duration", 600.0, "How often gauges of usage are taken; 0: never.", pending=True
    )
    maximum_gauge_cardinality: int = setting("int", 500, "The most label values of a gauge of usage.", pending=True)
    lease_metrics_epsilon: float = setting(
        "duration", 3600.0, "Width of the buckets in which leases fall due.", pending=True
    )
    num_lease_metrics_buckets: int = setting("int", 168, "Number of those buckets.", pending=True)
    add_lease_metrics_namespace_labels: bool = setting("bool", False, "Label those with the namespace.", inert=True)
    add_mount_point_rollback_metrics: bool = setting("bool", False, "Rollback metrics by mount.", inert=True)
    statsd_address: str = setting("text", "", "A statsd server to send metrics to.", pending=True)
    statsite_address: str = setting("text", "", "A statsite server to send metrics to.", pending=True)
    dogstatsd_addr: str = setting("text", "", "A DogStatsD server to send metrics to.", pending=True)
    dogstatsd_tags: tuple[str, ...] = setting("list", (), "Tags to send there.", pending=True)


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """All of a server's configuration. `written` are the names of the settings that were set, not defaulted."""

    storage: StorageConfig = StorageConfig()
    ha_storage: StorageConfig | None = None
    listeners: tuple[Listener, ...] = ()
    seals: tuple[SealConfig, ...] = ()
    telemetry: Telemetry = Telemetry()
    service_registration: ServiceRegistration | None = None
    user_lockouts: tuple[UserLockout, ...] = ()
    written: frozenset[str] = frozenset()

    ui: bool = setting("bool", False, "Serve the user interface at /ui/.", env="VAULT_UI", pending=True)
    cluster_name: str = setting("text", "", "The cluster's name; drawn at initialisation unless set.")
    api_addr: str = setting("text", "", "URL at which clients reach this node.", env="VAULT_API_ADDR")
    cluster_addr: str = setting("text", "", "URL at which other nodes reach this node.", env="VAULT_CLUSTER_ADDR")
    disable_clustering: bool = setting("bool", False, "Do not forward requests between nodes.")
    default_lease_ttl: int = setting("seconds", 32 * DAY, "TTL of tokens and leases that ask for none.")
    max_lease_ttl: int = setting("seconds", 32 * DAY, "The longest TTL of tokens and leases.")
    default_max_request_duration: float = setting("duration", 90.0, "Longest time of a request; 0: 90 seconds.")
    disable_mlock: bool = setting("bool", False, "Do not lock memory against swapping.")
    disable_cache: bool = setting("bool", False, "Keep no storage entries in memory.")
    cache_size: int = setting("int", 262_144, "The most storage entries kept in memory.")
    cache_memory: int = setting("int", 128 * MIB, "The most bytes of memory for them. Our own setting.")
    log_level: str = setting("text", "info", "What to log.", choices=LOG_LEVELS, env="VAULT_LOG_LEVEL", reloadable=True)
    log_format: str = setting("text", "standard", "How to log.", choices=("standard", "json"), env="VAULT_LOG_FORMAT")
    log_file: str = setting("text", "", "A file, or a folder ending in /, to log to besides stderr.")
    log_rotate_duration: int = setting("seconds", DAY, "How old a log file gets before the next is begun.")
    log_rotate_bytes: int = setting("int", 0, "How long a log file gets before the next is begun; 0: no matter.")
    log_rotate_max_files: int = setting("int", 0, "How many old log files are kept; 0: all, -1: none.")
    log_requests_level: str = setting("text", "", "Log every request at this level.", choices=(*LOG_LEVELS, "off"))
    pid_file: str = setting("text", "", "A file to write the process id to.")
    raw_storage_endpoint: bool = setting("bool", False, "Serve sys/raw, the decrypted storage; for emergencies.")
    introspection_endpoint: bool = setting("bool", False, "Serve sys/internal/inspect: where mounts keep their data.")
    enable_response_header_hostname: bool = setting("bool", False, "Add the header X-Vault-Hostname to answers.")
    enable_response_header_raft_node_id: bool = setting("bool", False, "Add X-Vault-Raft-Node-ID.", inert=True)
    disable_printable_check: bool = setting("bool", False, "Allow unprintable characters in keys of secrets.")
    unsafe_allow_api_audit_creation: bool = setting("bool", True, "Allow audit devices to be enabled over the API.")
    allow_audit_log_prefixing: bool = setting("bool", True, "Allow audit devices to put a prefix before each line.")
    plugin_directory: str = setting("text", "", "Where external plugins lie.", inert=True)
    plugin_tmpdir: str = setting("text", "", "Where plugins may write.", inert=True)
    plugin_file_uid: int = setting("int", 0, "Who owns plugins.", inert=True)
    plugin_file_permissions: str = setting("text", "", "The mode of plugins.", inert=True)
    cluster_cipher_suites: tuple[str, ...] = setting("list", (), "Cipher suites between nodes.", inert=True)
    detect_deadlocks: str = setting("text", "", "Watch these locks.", inert=True)
    experiments: tuple[str, ...] = setting("list", (), "Vault's experiments.", inert=True)
    imprecise_lease_role_tracking: bool = setting("bool", False, "Count leases less exactly.", inert=True)
    enable_post_unseal_trace: bool = setting("bool", False, "Trace the unsealing.", inert=True)
    post_unseal_trace_directory: str = setting("text", "", "Where to.", inert=True)
    disable_sealwrap: bool = setting("bool", False, "An enterprise setting.", inert=True)
    disable_performance_standby: bool = setting("bool", False, "An enterprise setting.", inert=True)
    disable_sentinel_trace: bool = setting("bool", False, "An enterprise setting.", inert=True)
    disable_indexing: bool = setting("bool", False, "An enterprise setting.", inert=True)
    license_path: str = setting("text", "", "An enterprise setting.", inert=True)

    @property
    def storage_type(self) -> str:
        """The kind of storage, as `sys/seal-status` has it."""
        return self.storage.type

    @property
    def request_duration(self) -> float:
        """The longest time of a request, seconds, on a listener without one of its own."""
        return self.default_max_request_duration or ServerConfig.default_max_request_duration

    @property
    def cache_bytes(self) -> int:
        """The most bytes of storage entries kept in memory; 0 for none."""
        if self.disable_cache:
            return 0
        if "cache_size" in self.written and "cache_memory" not in self.written:
            return max(self.cache_size, 0) * ENTRY_BYTES
        return max(self.cache_memory, 0)
