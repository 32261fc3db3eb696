"""What secrets engines and auth methods have in common: flags, bodies and lists of mounts."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Refused
from strongroom.cli.data import mount_path
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.durations import go_duration

#: Flag → key of the mount's configuration, for flags that are sent only when given.
_CONFIG = {
    "audit-non-hmac-request-keys": "audit_non_hmac_request_keys",
    "audit-non-hmac-response-keys": "audit_non_hmac_response_keys",
    "passthrough-request-headers": "passthrough_request_headers",
    "allowed-response-headers": "allowed_response_headers",
    "allowed-managed-keys": "allowed_managed_keys",
    "listing-visibility": "listing_visibility",
    "token-type": "token_type",
    "plugin-version": "plugin_version",
    "force-no-cache": "force_no_cache",
    "default-lease-ttl": "default_lease_ttl",
    "max-lease-ttl": "max_lease_ttl",
}
TUNE_FLAGS = (
    Flag("allowed-managed-keys", "Managed key that the mount may use; may be given several times.", "list"),
    Flag("allowed-response-headers", "Header that answers may set; may be given several times.", "list"),
    Flag("audit-non-hmac-request-keys", "Request key to audit in clear; may be given several times.", "list"),
    Flag("audit-non-hmac-response-keys", "Response key to audit in clear; may be given several times.", "list"),
    Flag("default-lease-ttl", "Lifetime of a lease or token of this mount when none is asked for.", "duration"),
    Flag("description", "What it is for, for people."),
    Flag("listing-visibility", "Whether it shows in the list for everyone: unauth or hidden."),
    Flag("max-lease-ttl", "Longest lifetime of a lease or token of this mount.", "duration"),
    Flag("options", "Option of the mount as key=value; may be given several times.", "map"),
    Flag("passthrough-request-headers", "Request header to hand on; may be given several times.", "list"),
    Flag("plugin-version", "Version of the plugin."),
    Flag("version", "Version of the engine; of kv 1 or 2.", "int"),
)
ENABLE_FLAGS = (
    *TUNE_FLAGS,
    Flag("external-entropy-access", "Let it use external entropy.", "bool"),
    Flag("force-no-cache", "Do not cache what it reads.", "bool"),
    Flag("local", "Do not replicate it.", "bool"),
    Flag("path", "Where to mount it. The default is its type's name."),
    Flag("plugin-name", 'Name of the plugin, where the type is "plugin".'),
    Flag("seal-wrap", "Wrap its critical values with the seal too.", "bool"),
)
#: These have no lifetimes of their own.
_NO_TTL = frozenset({"system", "cubbyhole"})
_POLL_SECONDS = 0.2


def config_of(run: Run) -> dict[str, Any]:
    """The configuration that was given."""
    config: dict[str, Any] = {}
    for name, key in _CONFIG.items():
        if not run.flags.given(name):
            continue
        if name.endswith("-ttl"):
            config[key] = go_duration(run.flags.int(name))
        elif name == "force-no-cache":
            config[key] = run.flags.bool(name)
        elif name in ("listing-visibility", "token-type", "plugin-version"):
            config[key] = run.flags.text(name)
        else:
            config[key] = run.flags.list(name)
    return config


def options_of(run: Run) -> dict[str, str] | None:
    """The options that were given, `-version` among them."""
    options = run.flags.map("options")
    if run.flags.int("version") > 0:
        options["version"] = str(run.flags.int("version"))
    return options or None


def enable(run: Run, endpoint: str) -> tuple[str, str]:
    """The type that is to be enabled and its path, with the body sent by the caller's words for failure."""
    kind = run.args[0].strip()
    plugin = run.flags.text("plugin-name") if kind == "plugin" else ""
    path = mount_path(run.flags.text("path") or plugin or kind)
    body = {
        "type": plugin or kind,
        "description": run.flags.text("description"),
        "config": config_of(run),
        "local": run.flags.bool("local"),
        "seal_wrap": run.flags.bool("seal-wrap"),
        "external_entropy_access": run.flags.bool("external-entropy-access"),
        "options": options_of(run),
    }
    run.client.write(f"{endpoint}/{path.rstrip('/')}", body, method="POST")
    return plugin or kind, path


def tune(run: Run, endpoint: str, path: str, more: dict[str, Any] | None = None) -> None:
    """Change what was given of a mount's configuration, and `more`."""
    body = config_of(run) | (more or {})
    if run.flags.given("description"):
        body["description"] = run.flags.text("description")
    if options := options_of(run):
        body["options"] = options
    secret = run.client.write(f"{endpoint}/{path.rstrip('/')}/tune", body, method="POST")
    output.warn(run, secret)


def mounts_at(run: Run, endpoint: str) -> dict[str, dict[str, Any]]:
    """The mounts by path."""
    answer = run.client.get_json(endpoint)
    data = answer.get("data")
    mounts = data if isinstance(data, dict) else answer
    return {path: mount for path, mount in sorted(mounts.items()) if isinstance(mount, dict)}


def show_mounts(run: Run, mounts: dict[str, dict[str, Any]], own: tuple[str, Callable[[dict[str, Any]], Any]]) -> int:
    """Print the detailed list; `own` is the column that only this kind of mount has."""
    header = ["Path", "Plugin", "Accessor", "Default TTL", "Max TTL", own[0], "Replication", "Seal Wrap"]
    header += ["External Entropy Access", "Options", "Description", "UUID"]
    # Older servers do not know the versions of plugins.
    versioned = any("running_plugin_version" in mount for mount in mounts.values())
    if versioned:
        header += ["Version", "Running Version", "Running SHA256", "Deprecation Status"]
    rows = []
    for path, mount in mounts.items():
        config = mount.get("config") or {}
        row = [
            path,
            mount.get("type"),
            mount.get("accessor"),
            _ttl(mount, "default_lease_ttl"),
            _ttl(mount, "max_lease_ttl"),
        ]
        row += [own[1](config), "local" if mount.get("local") else "replicated", bool(mount.get("seal_wrap"))]
        row += [bool(mount.get("external_entropy_access")), mount.get("options") or {}, mount.get("description")]
        row.append(mount.get("uuid"))
        if versioned:
            names = ("plugin_version", "running_plugin_version", "running_sha256", "deprecation_status")
            row += [mount.get(name) or "" for name in names]
        rows.append([output.go_value(cell) for cell in row])
    run.ui.out(output.table(header, rows))
    return 0


def _ttl(mount: dict[str, Any], key: str) -> str:
    if mount.get("type") in _NO_TTL:
        return "n/a"
    seconds = (mount.get("config") or {}).get(key)
    return str(seconds) if seconds else "system"


def move(run: Run, what: str, source: str, target: str, prefix: str = "") -> int:
    """Move a mount and wait until it has arrived."""
    with run.doing(f"Error moving {what} {source} to {target}"):
        body = {"from": prefix + source.rstrip("/"), "to": prefix + target.rstrip("/")}
        answer = run.client.write("sys/remount", body, method="POST")
    migration = (answer.data or {}).get("migration_id") if answer else None
    if not migration:
        run.ui.out(f"Success! Moved {what} from: {source}, to: {target}")
        return 0
    run.ui.out(f"Started moving {what} {source} to {target}, with migration ID {migration}")
    while True:
        with run.doing(f"Error checking on the migration {migration}"):
            found = run.client.read(f"sys/remount/status/{migration}")
        status = (((found.data if found else None) or {}).get("migration_info") or {}).get("status")
        if status == "success":
            run.ui.out(f"Success! Finished moving {what} {source} to {target}, with migration ID {migration}")
            return 0
        if status != "in-progress":
            raise Refused(
                f"Failure! Error encountered moving {what} {source} to {target}, with migration ID {migration}", 2
            )
        time.sleep(_POLL_SECONDS)
