"""The kinds of storage, seal and service registration: what each is set up with, and whether this release has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from strongroom.config.settings import Setting


@dataclass(frozen=True, slots=True)
class Backend:
    """A kind of backend. `refused` maps a key that cannot be used to what to do instead.

    Keys of kinds without `settings` are taken as they are: nothing here knows them.
    """

    available: bool
    settings: tuple[Setting, ...] = ()
    refused: Mapping[str, str] | None = None


def _row(name: str, kind: str, default: Any, text: str, **flags: Any) -> Setting:
    return Setting(name, kind, default, text, **flags)


def _tls(*, ca: str = "tls_ca_file") -> tuple[Setting, ...]:
    return (
        _row(ca, "text", "", "CA certificates in PEM to check the server with."),
        _row("tls_cert_file", "text", "", "Our certificate in PEM."),
        _row("tls_key_file", "text", "", "Its private key in PEM."),
        _row("tls_skip_verify", "bool", False, "Do not check the server's certificate."),
        _row("tls_min_version", "text", "tls12", "Oldest TLS version spoken.", choices=("tls12", "tls13")),
    )


#: What Vault takes in every storage block.
_COMMON = (
    _row("ha_enabled", "bool", False, "Let several nodes share this storage, one of them active.", pending=True),
    _row("redirect_addr", "text", "", "Older name of the top-level api_addr."),
    _row("api_addr", "text", "", "Older place of the top-level api_addr."),
    _row("cluster_addr", "text", "", "Older place of the top-level cluster_addr."),
    _row("disable_clustering", "bool", False, "Older place of the top-level disable_clustering."),
)
_PATH = _row("path", "text", "", "The folder that holds the data.", required=True)
_RAFT_PATH = _row("path", "text", "", "The folder that holds the data.", required=True, env="VAULT_RAFT_PATH")
_ALONE = 'This storage runs as a single node here; for a cluster use storage "postgresql", "etcd" or "consul"'

_ELSEWHERE = Backend(available=False)

STORAGES: Mapping[str, Backend] = {
    "inmem": Backend(available=True, settings=_COMMON),
    "sqlite": Backend(available=True, settings=(_PATH, *_COMMON)),
    "file": Backend(available=True, settings=(_PATH, *_COMMON)),
    "raft": Backend(
        available=True,
        settings=(
            _RAFT_PATH,
            _row("node_id", "text", "", "This node's name.", env="VAULT_RAFT_NODE_ID"),
            *(
                _row(name, "text", "", "Tunes Raft, which is not used.", inert=True)
                for name in (
                    *("performance_multiplier", "trailing_logs", "snapshot_threshold", "snapshot_interval"),
                    *("max_entry_size", "autopilot_reconcile_interval", "autopilot_update_interval"),
                    *("autopilot_redundancy_zone", "autopilot_upgrade_version", "retry_join_as_non_voter"),
                )
            ),
            *_COMMON,
        ),
        refused={"retry_join": _ALONE},
    ),
    "postgresql": Backend(
        available=False,
        settings=(
            _row(
                *("connection_url", "text", "", "URL of the database, with its password."),
                required=True,
                secret=True,
                env="VAULT_PG_CONNECTION_URL",
            ),
            _row("table", "text", "vault_kv_store", "The table for data."),
            _row("ha_table", "text", "vault_ha_locks", "The table for the lock."),
            _row("max_parallel", "int", 128, "The most connections."),
            _row("max_idle_connections", "int", 0, "The most idle connections; 0: as many as max_parallel."),
            *_COMMON,
        ),
    ),
    "etcd": Backend(
        available=False,
        settings=(
            _row("address", "list", ("http://localhost:2379",), "The cluster's URLs.", env="ETCD_ADDR"),
            _row("path", "text", "/vault/", "What our keys begin with."),
            _row("etcd_api", "text", "v3", "The API's version.", choices=("v3",)),
            _row("username", "text", "", "User to log in as.", env="ETCD_USERNAME"),
            _row("password", "text", "", "The user's password.", secret=True, env="ETCD_PASSWORD"),
            _row("discovery_srv", "text", "", "Domain whose SRV records name the cluster."),
            _row("discovery_srv_name", "text", "", "Service name in those records."),
            _row("sync", "bool", True, "Learn of new members."),
            _row("request_timeout", "duration", 5.0, "How long a request may take."),
            _row("lock_timeout", "duration", 15.0, "How long the lock outlives its holder."),
            _row("max_receive_size", "int", 0, "Longest answer in bytes; 0: etcd's default."),
            *_tls(),
            *_COMMON,
        ),
    ),
    "consul": Backend(
        available=False,
        settings=(
            _row("address", "text", "127.0.0.1:8500", "Consul's address.", env="CONSUL_HTTP_ADDR"),
            _row("scheme", "text", "http", "How to speak to it.", choices=("http", "https")),
            _row("path", "text", "vault/", "What our keys begin with."),
            _row("token", "text", "", "ACL token.", secret=True, env="CONSUL_HTTP_TOKEN"),
            _row("consistency_mode", "text", "default", "How fresh reads are.", choices=("default", "strong")),
            _row("session_ttl", "duration", 15.0, "How long the lock outlives its holder."),
            _row("lock_wait_time", "duration", 15.0, "How long to wait for the lock before asking again."),
            _row("max_parallel", "int", 128, "The most requests at once."),
            _row("disable_registration", "bool", False, "Do not register as a service."),
            _row("service", "text", "vault", "The service's name."),
            _row("service_tags", "list", (), "The service's tags."),
            _row("service_address", "text", "", "The service's address."),
            _row("check_timeout", "duration", 5.0, "How often its check is renewed."),
            *_tls(),
            *_COMMON,
        ),
    ),
    **dict.fromkeys(
        (
            *("aerospike", "alicloudoss", "azure", "cassandra", "cockroachdb", "couchdb", "dynamodb", "foundationdb"),
            *("gcs", "manta", "mssql", "mysql", "oci", "s3", "spanner", "swift", "zookeeper", "inmem_ha"),
        ),
        _ELSEWHERE,
    ),
}

_DISABLED = _row("disabled", "bool", False, "Migrate away from this seal.", pending=True)

SEALS: Mapping[str, Backend] = {
    "shamir": Backend(available=True, settings=(_DISABLED,)),
    "awskms": Backend(
        available=False,
        settings=(
            _row("kms_key_id", "text", "", "Key id, ARN or alias.", required=True, env="VAULT_AWSKMS_SEAL_KEY_ID"),
            _row("region", "text", "us-east-1", "The key's region.", env="AWS_REGION"),
            _row("endpoint", "text", "", "Another URL of KMS.", env="AWS_KMS_ENDPOINT"),
            _row(
                "access_key",
                "text",
                "",
                "Access key; else that of the environment.",
                secret=True,
                env="AWS_ACCESS_KEY_ID",
            ),
            _row("secret_key", "text", "", "Its secret.", secret=True, env="AWS_SECRET_ACCESS_KEY"),
            _row("session_token", "text", "", "Session token.", secret=True, env="AWS_SESSION_TOKEN"),
            _row("shared_creds_filename", "text", "", "Shared credentials file."),
            _row("shared_creds_profile", "text", "", "Profile in that file."),
            _DISABLED,
        ),
    ),
    "transit": Backend(
        available=False,
        settings=(
            _row("address", "text", "", "URL of the other server.", required=True, env="VAULT_ADDR"),
            _row("token", "text", "", "Token there.", secret=True, env="VAULT_TOKEN"),
            _row("key_name", "text", "", "Key to wrap with.", required=True, env="VAULT_TRANSIT_SEAL_KEY_NAME"),
            _row("mount_path", "text", "", "Where its engine is.", required=True, env="VAULT_TRANSIT_SEAL_MOUNT_PATH"),
            _row("namespace", "text", "", "Its namespace.", env="VAULT_NAMESPACE"),
            _row("disable_renewal", "bool", False, "Do not renew the token.", env="VAULT_TRANSIT_SEAL_DISABLE_RENEWAL"),
            _row("key_id_prefix", "text", "", "What the key's id begins with."),
            *_tls(ca="tls_ca_cert")[:1],
            _row("tls_client_cert", "text", "", "Our certificate in PEM.", env="VAULT_CLIENT_CERT"),
            _row("tls_client_key", "text", "", "Its private key in PEM.", env="VAULT_CLIENT_KEY"),
            _row("tls_server_name", "text", "", "Name expected in its certificate.", env="VAULT_TLS_SERVER_NAME"),
            _row("tls_skip_verify", "bool", False, "Do not check its certificate.", env="VAULT_SKIP_VERIFY"),
            _DISABLED,
        ),
    ),
    "static": Backend(
        available=False,
        settings=(
            _row("current_key_id", "text", "", "Name of the key.", required=True),
            _row("current_key", "text", "", "The key, 32 bytes in base64 or hex.", required=True, secret=True),
            _row("previous_key_id", "text", "", "Name of the key before."),
            _row("previous_key", "text", "", "The key before.", secret=True),
            _DISABLED,
        ),
    ),
    **dict.fromkeys(("alicloudkms", "azurekeyvault", "gcpckms", "ocikms", "pkcs11"), _ELSEWHERE),
}

SERVICE_REGISTRATIONS: Mapping[str, Backend] = {
    "consul": Backend(
        available=False,
        settings=tuple(row for row in STORAGES["consul"].settings if row.name not in ("path", "max_parallel")),
    ),
    "kubernetes": Backend(
        available=False,
        settings=(
            _row("namespace", "text", "", "The pod's namespace.", env="VAULT_K8S_NAMESPACE"),
            _row("pod_name", "text", "", "The pod's name.", env="VAULT_K8S_POD_NAME"),
        ),
    ),
}
