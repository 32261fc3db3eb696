"""`kv metadata`: get, put, patch, delete."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Command, Group, Refused, at_least, exactly
from strongroom.cli.data import without_format
from strongroom.cli.flags import Flag, FlagError, Values, by_name
from strongroom.cli.kv_paths import MOUNT, locate_versioned, nothing_near
from strongroom.cli.run import Run
from strongroom.client.durations import go_duration

_REFUSAL = "Metadata not supported on KV Version 1"
_SETTINGS = (
    Flag("cas-required", "Whether writes must name the current version with -cas.", "bool"),
    Flag("custom-metadata", "Own note as key=value; may be given several times.", "map"),
    Flag("delete-version-after", "Delete each version so long after it was written.", "duration"),
    Flag("max-versions", "Number of versions to keep; 0 is the engine's setting.", "int"),
)
#: What is said of people beside their names.
_WHO = (("entity", "entity_id"), ("accessor", "accessor_hmac"))
_REMOVE = Flag("remove-custom-metadata", "Name of a note to remove; may be given several times.", "list")


def _get(run: Run) -> int:
    place = locate_versioned(run, run.args[0], _REFUSAL)
    path = place.path("metadata")
    with run.doing(f"Error reading {path}"):
        secret = run.client.read(path)
    if secret is None:
        raise nothing_near(run, place, path)
    if not run.table or secret.wrap_info is not None:
        return output.show_secret(run, secret)
    data = _readable(dict(secret.data or {}))
    versions = {number: _readable(version) for number, version in (data.pop("versions", None) or {}).items()}
    run.ui.out(f"{output.heading('Metadata Path', len(path))}\n{path}\n")
    run.ui.out(output.heading_for("Metadata", data))
    output.show_data(run, data)
    for number in sorted(versions, key=lambda text: int(text) if text.isdecimal() else 0):
        run.ui.out("\n" + output.heading_for(f"Version {number}", versions[number]))
        output.show_data(run, versions[number])
    return 0


def _readable(data: dict[str, Any]) -> dict[str, Any]:
    """With people in one cell each, and without those who are not known."""
    shown = dict(data)
    for name in ("created_by", "last_read_by"):
        who = shown.pop(name, None)
        if isinstance(who, dict):
            parts = [str(who.get("display_name") or "")]
            parts += [f"{label}={who[key]}" for label, key in _WHO if who.get(key)]
            shown[name] = " ".join(filter(None, parts))
    return shown


def _put(run: Run) -> int:
    values = _with_words(run)
    path = locate_versioned(run, run.args[0], _REFUSAL).path("metadata")
    body = _settings(values)
    with run.doing(f"Error writing data to {path}"):
        secret = run.client.write(path, body)
    return output.show_written(run, secret, f"Success! Data written to: {path}")


def _patch(run: Run) -> int:
    values = _with_words(run)
    path = locate_versioned(run, run.args[0], _REFUSAL).path("metadata")
    body = _settings(values)
    if run.flags.list("remove-custom-metadata"):
        notes = body.setdefault("custom_metadata", {})
        notes.update(dict.fromkeys(run.flags.list("remove-custom-metadata")))
    with run.doing(f"Error writing data to {path}"):
        secret = run.client.patch(path, body)
    return output.show_written(run, secret, f"Success! Data written to: {path}")


def _with_words(run: Run) -> Values:
    """The settings, which may also be words after the key: `max-versions=5`, with a dash or an underscore inside."""
    known = by_name(_SETTINGS)
    for word in without_format(run.args[1:]):
        name, equals, text = word.partition("=")
        flag = known.get(name.replace("_", "-"))
        if flag is None or not equals:
            names = ", ".join(f"{name}=..." for name in sorted(known))
            raise Refused(f'Too many arguments: "{word}" is no setting. After the key may come {names}')
        try:
            run.flags.set(flag, text)
        except ValueError as error:
            raise FlagError(f'invalid value "{text}" for {name}: {error}') from None
    return run.flags


def _settings(values: Values) -> dict[str, Any]:
    body: dict[str, Any] = {}
    if values.given("max-versions"):
        body["max_versions"] = values.int("max-versions")
    if values.given("cas-required"):
        body["cas_required"] = values.bool("cas-required")
    if values.given("delete-version-after"):
        body["delete_version_after"] = go_duration(values.int("delete-version-after"))
    if values.given("custom-metadata"):
        body["custom_metadata"] = values.map("custom-metadata")
    return body


def _delete(run: Run) -> int:
    path = locate_versioned(run, run.args[0], _REFUSAL).path("metadata")
    with run.doing(f"Error deleting {path}"):
        secret = run.client.delete(path)
    return output.show_written(run, secret, f"Success! Data deleted (if it existed) at: {path}")


METADATA = Group(
    "metadata",
    "Interact with the metadata of secrets",
    (
        Command(
            "get",
            "Retrieve a secret's settings and versions",
            _get,
            usage="[options] KEY",
            about="""
Shows a secret's settings and its versions: when each was written and read last, and
by whom. The accessor is hashed, as in the audit log.

    $ {prog} kv metadata get secret/app
""",
            flags=(MOUNT,),
            arity=exactly(1),
        ),
        Command(
            "put",
            "Set a secret's settings",
            _put,
            usage="[options] KEY [SETTING=VALUE...]",
            about="""
Sets how many versions of a secret are kept, and for how long. Custom metadata
that is given replaces all there was.

    $ {prog} kv metadata put -max-versions=5 secret/app
    $ {prog} kv metadata put secret/app max-versions=5 cas-required=false
""",
            flags=(MOUNT, *_SETTINGS),
            arity=at_least(1),
        ),
        Command(
            "patch",
            "Change some of a secret's settings",
            _patch,
            usage="[options] KEY [SETTING=VALUE...]",
            about="""
Changes only the settings and custom metadata that are given.

    $ {prog} kv metadata patch -custom-metadata=owner=ops secret/app
""",
            flags=(MOUNT, *_SETTINGS, _REMOVE),
            arity=at_least(1),
        ),
        Command(
            "delete",
            "Delete a secret with all of its versions",
            _delete,
            usage="[options] KEY",
            about="""
Deletes a secret for good: all its versions and its settings.

    $ {prog} kv metadata delete secret/app
""",
            flags=(MOUNT,),
            arity=exactly(1),
        ),
    ),
    about="""
Shows and changes what the engine keeps about a secret besides its data.

    $ {prog} kv metadata get secret/app
    $ {prog} kv metadata delete secret/app
""",
)
