"""The KV engine's own commands, which hide the difference between its versions."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.basic import listed_names, nothing_at
from strongroom.cli.command import ANY, Arity, Command, Group, Refused, at_least, exactly
from strongroom.cli.data import mount_path, parse_words
from strongroom.cli.flags import Flag
from strongroom.cli.kv_extras import EXTRAS
from strongroom.cli.kv_metadata import METADATA
from strongroom.cli.kv_paths import MOUNT, Place, locate, locate_versioned, nothing_near, versions_of
from strongroom.cli.run import Run
from strongroom.client.errors import ClientError, ResponseError
from strongroom.client.secret import Secret

_CAS = Flag("cas", "Write only if this is the current version; 0 only if there is none yet.", "int")
_VERSIONS = Flag("versions", "Version number; may be given several times, or with commas.", "list")


def show_path(run: Run, title: str, path: str) -> None:
    """The block that names the API path, which policies must allow."""
    run.ui.out(f"{output.heading(title, len(path))}\n{path}\n")


def show_version(run: Run, path: str, secret: Secret) -> int:
    """Print what writing a version answered."""
    if run.field or not run.table:
        return output.show(run, secret)
    if secret.wrap_info is not None:
        return output.show_secret(run, secret)
    output.warn(run, secret)
    show_path(run, "Secret Path", path)
    data = secret.data or {}
    run.ui.out(output.heading_for("Metadata", data))
    return output.show_data(run, data)


# ------------------------------------------------------------------------------------------------ reading
def _get(run: Run) -> int:
    place = locate(run, run.args[0])
    path = place.path()
    version = run.flags.int("version")
    with run.doing(f"Error reading {path}"):
        params = {"version": str(version)} if place.versioned and version > 0 else None
        secret = run.client.read(path, params)
    if secret is None:
        raise nothing_near(run, place, path)
    if secret.wrap_info is not None:
        return output.show(run, secret)
    if run.field:
        return _field(run, secret, path, versioned=place.versioned)
    if not run.table:
        return output.show_secret(run, secret)
    output.warn(run, secret)
    data: Any = secret.data or {}
    if place.versioned:
        show_path(run, "Secret Path", path)
        metadata = data.get("metadata")
        if metadata:
            run.ui.out(output.heading_for("Metadata", metadata))
            output.show_data(run, metadata)
            run.ui.out()
        data = data.get("data")
    if data is not None:
        run.ui.out(output.heading_for("Data", data))
        output.show_data(run, data)
    return 0


def _field(run: Run, secret: Secret, path: str, *, versioned: bool) -> int:
    if not versioned:
        return output.show_fields(run, secret)
    data = (secret.data or {}).get("data")
    if data is None:
        raise Refused(f"No data found at {path}", 2)
    # "data" means all of it, unless a key of the secret has that name.
    return output.show_fields(run, {"data": data} if run.field == "data" and "data" not in data else data)


def _list(run: Run) -> int:
    Arity(0 if run.flags.text("mount") else 1, 1, "1").check(len(run.args))
    place = locate(run, run.args[0] if run.args else "")
    path = place.path("metadata")
    with run.doing(f"Error listing {path}"):
        secret = run.client.list(path)
    return listed_names(run, secret, path)


# ------------------------------------------------------------------------------------------------ writing
def _put(run: Run) -> int:
    if len(run.args) == 1:
        raise Refused("Must supply data")
    data = parse_words(run.args[1:], run.ui.read_stdin)
    place = locate(run, run.args[0])
    path = place.path()
    body: dict[str, Any] = data
    if place.versioned:
        body = {"data": data, "options": {"cas": run.flags.int("cas")} if run.flags.given("cas") else {}}
    with run.doing(f"Error writing data to {path}"):
        secret = run.client.write(path, body)
    if secret is None:
        return output.show_written(run, None, f"Success! Data written to: {path}")
    code = show_version(run, path, secret)
    version = (secret.data or {}).get("version")
    if run.table and place.versioned and type(version) is int and version > 1:
        _warn_of_dropped(run, place, version, data)
    return code


def _warn_of_dropped(run: Run, place: Place, version: int, data: dict[str, Any]) -> None:
    """Name the keys that the version before had and this one has not. Asks for names only, and needs no answer."""
    try:
        with run.client.preliminary():
            before = run.client.read(place.path("subkeys"), {"version": str(version - 1), "depth": "1"})
    except ClientError:
        return
    names = ((before.data if before else None) or {}).get("subkeys")
    dropped = sorted(names.keys() - data.keys()) if isinstance(names, dict) else []
    if dropped:
        run.ui.warn(
            f"\nWARNING! Version {version} does not have these keys of version {version - 1}: {', '.join(dropped)}\n"
            f'"{run.prog} kv patch" keeps what is not given; "{run.prog} kv rollback -version={version - 1} '
            f'{place.mount}{place.name}" goes back.'
        )


def _patch(run: Run) -> int:
    removed = [part for text in run.flags.list("remove-data") for part in text.split(",") if part]
    if len(run.args) == 1 and not removed:
        raise Refused("Must supply data")
    data = parse_words(run.args[1:], run.ui.read_stdin) | dict.fromkeys(removed)
    method = run.flags.text("method")
    place = locate_versioned(run, run.args[0], "K/V engine mount must be version 2 for patch support", 2)
    path = place.path()
    if method not in ("", "patch", "rw"):
        raise Refused(f"Unsupported method provided to -method flag: {method}", 2)
    with run.doing(f"Error writing data to {path}"):
        if method == "rw":
            secret = _read_then_write(run, path, data)
        else:
            options = {"cas": run.flags.int("cas")} if run.flags.int("cas") > 0 else {}
            try:
                secret = run.client.patch(path, {"data": data, "options": options})
            except ResponseError as error:
                # Policies from before PATCH grant read and update only, servers from before do not know it.
                if method == "patch" or error.status not in (403, 405):
                    raise
                secret = _read_then_write(run, path, data)
                run.ui.warn(
                    f'Data was written to {path} but we recommend that you add the "patch" capability to your ACL '
                    "policy in order to use HTTP PATCH in the future."
                )
    if secret is None:
        return output.show_written(run, None, f"Success! Data written to: {path}")
    return show_version(run, path, secret)


def _read_then_write(run: Run, path: str, changes: dict[str, Any]) -> Secret | None:
    """Merge into the newest version, and write only if it is still the newest."""
    data, metadata = _version_at(run, path, 0)
    if data is None:
        raise Refused(f"No data found at {path}; patch only works on existing data", 2)
    # As in a merge patch, null removes a key.
    merged = {key: value for key, value in {**data, **changes}.items() if key not in changes or value is not None}
    body = {"data": merged, "options": {"cas": metadata.get("version", 0)}}
    return run.client.write(path, body)


def _version_at(run: Run, path: str, version: int) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """A version's data (None if it is gone) and metadata; raises `Refused` when there is none."""
    with run.client.preliminary():
        secret = run.client.read(path, {"version": str(version)} if version else None)
    if secret is None or secret.data is None:
        raise nothing_at(path)
    data = secret.data.get("data")
    return data if isinstance(data, dict) else None, secret.data.get("metadata") or {}


def _rollback(run: Run) -> int:
    version = run.flags.int("version")
    if len(run.args) != 1:
        raise Refused(f"Invalid number of arguments (expected 1, got {len(run.args)})")
    if not run.flags.given("version"):
        raise Refused("Version flag must be specified")
    if version <= 0:
        raise Refused(f"Invalid value {version} for the version flag")
    place = locate_versioned(run, run.args[0], "K/V engine mount must be version 2 for rollback support", 2)
    path = place.path()
    with run.doing(f"Error doing pre-read at {path}"):
        _, newest = _version_at(run, path, 0)
        data, metadata = _version_at(run, path, version)
    if metadata.get("deletion_time") and data is None:
        raise Refused("Cannot roll back to a version that has been deleted", 2)
    if metadata.get("destroyed") or data is None:
        raise Refused("Cannot roll back to a version that has been destroyed", 2)
    with run.doing(f"Error writing data to {path}"):
        secret = run.client.write(path, {"data": data, "options": {"cas": newest.get("version", 0)}})
    return output.show_written(run, secret, f"Success! Data written to: {path}")


# ------------------------------------------------------------------------------------------------ versions
def _delete(run: Run) -> int:
    place = locate(run, run.args[0])
    versions = versions_of(run)
    path = place.path()
    with run.doing(f"Error deleting {path}"):
        if place.versioned and versions:
            secret = run.client.write(place.path("delete"), {"versions": versions})
        else:
            secret = run.client.delete(path)
    return output.show_written(run, secret, f"Success! Data deleted (if it existed) at: {path}")


def _undelete(run: Run) -> int:
    return _change_versions(run, "undelete")


def _destroy(run: Run) -> int:
    return _change_versions(run, "destroy")


def _change_versions(run: Run, verb: str) -> int:
    versions = versions_of(run)
    if not versions:
        raise Refused(f'No versions provided, use the "-versions" flag to specify the version to {verb}.')
    place = locate_versioned(run, run.args[0], f"{verb.capitalize()} not supported on KV Version 1")
    path = place.path(verb)
    with run.doing(f"Error writing data to {path}"):
        secret = run.client.write(path, {"versions": versions})
    return output.show_written(run, secret, f"Success! Data written to: {path}")


def _enable_versioning(run: Run) -> int:
    path = mount_path(run.args[0])
    with run.doing(f"Error tuning secrets engine {path}"):
        secret = run.client.write(f"sys/mounts/{path}tune", {"options": {"version": "2"}}, method="POST")
    output.warn(run, secret)
    run.ui.out(f"Success! Tuned the secrets engine at: {path}")
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "kv",
        "Interact with the key/value store",
        (
            Command(
                "get",
                "Retrieve a secret",
                _get,
                usage="[options] KEY",
                about="""
Reads a secret, by default its newest version.

    $ {prog} kv get secret/app
    $ {prog} kv get -version=1 secret/app
    $ {prog} kv get -field=password secret/app
""",
                flags=(MOUNT, Flag("version", "Version to read; 0 is the newest.", "int")),
                arity=exactly(1),
                output=("field", "format"),
            ),
            Command(
                "put",
                "Set a secret",
                _put,
                usage="[options] KEY [DATA]",
                about="""
Writes a new version of a secret, which replaces all of its keys. "patch" keeps
those that are not given.

    $ {prog} kv put secret/app user=ann password=@password.txt
    $ {prog} kv put secret/app @app.json
    $ echo $PASSWORD | {prog} kv put secret/app password=-
    $ {prog} kv put -cas=1 secret/app user=bob
""",
                flags=(MOUNT, _CAS),
                arity=at_least(1, ">1"),
                output=("field", "format"),
            ),
            Command(
                "patch",
                "Change keys of a secret, keeping the others",
                _patch,
                usage="[options] KEY [DATA]",
                about="""
Writes a new version of a secret that differs only in the keys given.

    $ {prog} kv patch secret/app password=@password.txt
""",
                flags=(
                    MOUNT,
                    _CAS,
                    Flag("remove-data", "Key to remove; may be given several times, or with commas.", "list"),
                    Flag("method", 'patch, or rw to read and write; by default "rw" only where "patch" may not.'),
                ),
                arity=at_least(1, ">1"),
                output=("field", "format"),
            ),
            Command(
                "delete",
                "Delete versions of a secret",
                _delete,
                usage="[options] PATH",
                about="""
Deletes the newest version of a secret, or those given; "undelete" brings them
back. Version 1 of the engine deletes for good.

    $ {prog} kv delete secret/app
    $ {prog} kv delete -versions=3,4 secret/app
""",
                flags=(MOUNT, _VERSIONS),
                arity=exactly(1),
                output=("field", "format"),
            ),
            Command(
                "undelete",
                "Bring back deleted versions",
                _undelete,
                usage="[options] KEY",
                about="""
Brings back versions that were deleted. Those that were destroyed are gone.

    $ {prog} kv undelete -versions=3 secret/app
""",
                flags=(MOUNT, _VERSIONS),
                arity=exactly(1),
                output=("field", "format"),
            ),
            Command(
                "destroy",
                "Remove versions for good",
                _destroy,
                usage="[options] KEY",
                about="""
Removes the values of versions from the storage. Nothing brings them back.

    $ {prog} kv destroy -versions=1,2 secret/app
""",
                flags=(MOUNT, _VERSIONS),
                arity=exactly(1),
                output=("field", "format"),
            ),
            Command(
                "rollback",
                "Make an old version the newest",
                _rollback,
                usage="[options] KEY",
                about="""
Writes the data of an old version as a new one.

    $ {prog} kv rollback -version=2 secret/app
""",
                flags=(MOUNT, Flag("version", "Version to go back to.", "int")),
                arity=ANY,
            ),
            Command(
                "list",
                "List the keys below a path",
                _list,
                usage="[options] PATH",
                about="""
Lists the keys below a path; those that end in a slash are folders. "{prog} kv
find" and "{prog} kv tree" go into these, too.

    $ {prog} kv list secret/team
""",
                flags=(MOUNT,),
                arity=ANY,
                output=("detailed", "format"),
            ),
            METADATA,
            Command(
                "enable-versioning",
                "Make a version 1 engine keep versions",
                _enable_versioning,
                usage="[options] MOUNT",
                about="""
Turns a version 1 engine into one of version 2. Each secret becomes its own version
1; the engine answers again when all are. There is no way back.

    $ {prog} kv enable-versioning kv
""",
                arity=exactly(1),
            ),
            *EXTRAS,
        ),
        about="""
Reads and writes secrets in the key/value engine of either version.

    $ {prog} kv put secret/app user=ann
    $ {prog} kv get secret/app
    $ {prog} kv metadata get secret/app

With -mount the engine's path is given apart from the key's:

    $ {prog} kv get -mount=secret app
""",
    ),
)
