"""The settings of a mount as clients write and read them: parsing, checks, and the shape of answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from msgspec.structs import replace

from strongroom import BUILTIN_VERSION
from strongroom.api.backend import Backend
from strongroom.api.fields import Invalid, parse_bool, parse_comma_list, parse_duration, parse_int, parse_text
from strongroom.core.mounts import Mount, MountConfig, UserLockoutConfig
from strongroom.errors import BadRequest

T = TypeVar("T")

LISTS = (
    "audit_non_hmac_request_keys",
    "audit_non_hmac_response_keys",
    "passthrough_request_headers",
    "allowed_response_headers",
)
VISIBILITIES = ("", "unauth", "hidden")
TOKEN_TYPES = ("default-service", "default-batch", "service", "batch")
LOCKOUT: Mapping[str, Callable[[Any], Any]] = {
    "lockout_threshold": parse_int,
    "lockout_duration": lambda value: int(parse_duration(value)),
    "lockout_counter_reset_duration": lambda value: int(parse_duration(value)),
    "lockout_disable": parse_bool,
}
TTLS = {"default_lease_ttl": "default", "max_lease_ttl": "max"}


def parse_config(values: Mapping[str, Any], system_max: int) -> dict[str, Any]:
    """The `config` of a new mount.

    Raises:
        BadRequest: naming the setting that cannot be.
    """
    changes = common_changes(values)
    for name, word in TTLS.items():
        if values.get(name) is not None:
            changes[name] = parse_ttl(values[name], f"unable to parse {word} TTL: ")
    default, top = changes.get("default_lease_ttl", 0), changes.get("max_lease_ttl", 0)
    if top and default > top:
        raise BadRequest("given default lease TTL greater than given max lease TTL")
    if not top and default > system_max:
        raise BadRequest(f"given default lease TTL greater than system max lease TTL of {system_max}")
    if values.get("force_no_cache") is not None:
        changes["force_no_cache"] = _read("force_no_cache", parse_bool, values["force_no_cache"])
    return changes


def common_changes(values: Mapping[str, Any], before: UserLockoutConfig | None = None) -> dict[str, Any]:
    """What enabling and tuning read alike; `before` is what a tuning of lockouts changes."""
    changes: dict[str, Any] = {}
    for name in LISTS:
        if values.get(name) is not None:
            changes[name] = tuple(_read(name, parse_comma_list, values[name]))
    visibility = values.get("listing_visibility")
    if visibility is not None:
        if visibility not in VISIBILITIES:
            raise BadRequest('invalid listing_visibility: it is "unauth", "hidden" or empty')
        changes["listing_visibility"] = visibility
    token_type = values.get("token_type")
    if token_type is not None:
        if token_type and token_type not in TOKEN_TYPES:
            raise BadRequest("invalid value for 'token_type'")
        changes["token_type"] = token_type
    if values.get("user_lockout_config"):
        changes["user_lockout"] = parse_lockout(values["user_lockout_config"], before)
    return changes


def check_version(version: Any, backend: Backend) -> None:
    """Refuse every version of a type but the one that is there."""
    there = version_of(backend)
    if version and version != there:
        raise BadRequest(f"no such version of the plugin is in the catalog: {there} is the one there is")


def version_of(backend: Backend) -> str:
    """The version of a type, as Vault names those of built-in ones."""
    return backend.version or BUILTIN_VERSION


def parse_lockout(values: Any, before: UserLockoutConfig | None = None) -> UserLockoutConfig:
    """When failed logins lock a name: what is given, and of the rest what was there.

    Raises:
        BadRequest: for what cannot be read.
    """
    if not isinstance(values, Mapping):
        raise BadRequest("user_lockout_config is an object")
    unknown = sorted(set(values) - set(LOCKOUT))
    if unknown:
        raise BadRequest(f"user_lockout_config takes {', '.join(LOCKOUT)}")
    read = {name: _read(name, LOCKOUT[name], value) for name, value in values.items() if value is not None}
    if any(number < 0 for number in read.values()):
        raise BadRequest("nothing in user_lockout_config can be negative")
    return replace(before or UserLockoutConfig(), **read)


def parse_ttl(value: Any, prefix: str = "") -> int:
    """A TTL in seconds; `system` and nothing mean the server's own (0)."""
    if value in ("system", "", None):
        return 0
    try:
        seconds = parse_duration(value)
    except Invalid as e:
        raise BadRequest(f"{prefix}{e}") from None
    if seconds < 0:
        raise BadRequest(f"{prefix}a TTL cannot be negative")
    return int(seconds)


def parse_options(options: Mapping[str, Any]) -> dict[str, str]:
    """A mount's options: a map of text."""
    return {name: _read("options", parse_text, value) for name, value in options.items() if value is not None}


def _read(name: str, parse: Callable[[Any], T], value: Any) -> T:
    try:
        return parse(value)
    except Invalid as e:
        raise BadRequest(f'error converting input for field "{name}": {e}') from None


def shown_config(mount: Mount) -> dict[str, Any]:
    """The `config` of a listing: TTLs as set, 0 when not; lists only when set."""
    config = mount.config
    shown: dict[str, Any] = {
        "default_lease_ttl": config.default_lease_ttl,
        "force_no_cache": config.force_no_cache,
        "max_lease_ttl": config.max_lease_ttl,
    }
    shown |= _set_lists(config)
    if config.listing_visibility:
        shown["listing_visibility"] = config.listing_visibility
    if mount.path.startswith("auth/"):
        shown["token_type"] = config.token_type or "default-service"
    if config.user_lockout is not None:
        shown["user_lockout_config"] = _lockout(config)
    return shown


def shown_mount(mount: Mount) -> dict[str, Any]:
    """One mount of a listing."""
    entry = mount.entry
    return {
        "accessor": entry.accessor,
        "config": shown_config(mount),
        "deprecation_status": "supported" if mount.backend.mountable and not mount.backend.version else "",
        "description": entry.description,
        "external_entropy_access": entry.external_entropy_access,
        "local": entry.local,
        "options": entry.options,
        "plugin_version": "",
        "running_plugin_version": version_of(mount.backend),
        "running_sha256": "",
        "seal_wrap": entry.seal_wrap,
        "type": entry.type,
        "uuid": entry.uuid,
    }


def shown_tuning(mount: Mount) -> dict[str, Any]:
    """What tuning shows: the TTLs, the server's own where none is set, and of the rest only what is set."""
    config = mount.config
    shown: dict[str, Any] = {
        "default_lease_ttl": mount.default_ttl,
        "description": mount.entry.description,
        "force_no_cache": config.force_no_cache,
        "max_lease_ttl": mount.info.max_lease_ttl,
    }
    shown |= _set_lists(config)
    if config.listing_visibility:
        shown["listing_visibility"] = config.listing_visibility
    if mount.entry.options:
        shown["options"] = mount.entry.options
    if mount.path.startswith("auth/"):
        shown["token_type"] = config.token_type or "default-service"
    return shown | _lockout(config)


def _set_lists(config: MountConfig) -> dict[str, list[str]]:
    return {name: list(getattr(config, name)) for name in LISTS if getattr(config, name)}


def _lockout(config: MountConfig) -> dict[str, Any]:
    """When failed logins lock a name, the settings left to the server as 0; empty when nothing is set."""
    return {f"user_{name}": getattr(config.user_lockout, name) for name in LOCKOUT} if config.user_lockout else {}
