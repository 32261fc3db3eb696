"""The commands that work on any path: read, write, patch, list, delete, unwrap, path-help, version-history."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import ANY, Command, Group, Refused, at_least, between, exactly
from strongroom.cli.data import clean_path, parse_params, parse_words
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run
from strongroom.client.secret import Secret

_FORCE = Flag("force", "Send the request even without data.", "bool", aliases=("f",))


def nothing_at(path: str) -> Refused:
    """There is no such thing."""
    return Refused(f"No value found at {path}", 2)


def listed_names(run: Run, secret: Secret | None, path: str) -> int:
    """Print the names of a list, or say that there are none: exit code 2, and `{}` for programs."""
    keys = (secret.data or {}).get("keys") if secret else None
    if secret is not None and secret.wrap_info is not None:
        return output.show_secret(run, secret)
    if isinstance(keys, list) and keys:
        if run.table:
            output.warn(run, secret)
            if run.detailed and isinstance(info := (secret.data or {}).get("key_info"), dict) and info:  # type: ignore[union-attr]
                return _detailed(run, keys, info)
        return output.show_names(run, keys)
    if not run.table:
        output.emit(run, {})
        return 2
    if secret is not None and secret.data is None:
        return output.show_secret(run, secret)
    raise nothing_at(path)


def _detailed(run: Run, keys: list[Any], info: dict[str, Any]) -> int:
    titles = sorted({title for entry in info.values() if isinstance(entry, dict) for title in entry})
    rows = [
        [str(key), *(output.go_value((info.get(key) or {}).get(title)) for title in titles)] for key in sorted(keys)
    ]
    run.ui.out(output.table(["Keys", *titles], rows))
    return 0


def _read(run: Run) -> int:
    path = clean_path(run.args[0])
    params = parse_params(run.args[1:], run.ui.read_stdin)
    with run.doing(f"Error reading {path}"):
        if run.format == "raw":
            content = run.client.read_raw(path, params)
            if content is None:
                raise nothing_at(path)
            run.ui.raw(content + b"\n")
            return 0
        secret = run.client.read(path, params)
    if secret is None:
        raise nothing_at(path)
    return output.show(run, secret)


def _write(run: Run) -> int:
    path, data = _path_and_data(run)
    with run.doing(f"Error writing data to {path}"):
        secret = run.client.write(path, data)
    if secret is not None and (secret.auth or {}).get("mfa_requirement"):
        from strongroom.cli.mfa import completed

        secret = completed(run, run.client, secret)
    return output.show_written(run, secret, f"Success! Data written to: {path}")


def _patch(run: Run) -> int:
    path, data = _path_and_data(run)
    with run.doing(f"Error writing data to {path}"):
        secret = run.client.patch(path, data)
    return output.show_written(run, secret, f"Success! Data written to: {path}")


def _path_and_data(run: Run) -> tuple[str, dict[str, Any]]:
    data = parse_words(run.args[1:], run.ui.read_stdin)
    if not data and not run.flags.bool("force"):
        raise Refused("Must supply data or use -force")
    return clean_path(run.args[0]), data


def _list(run: Run) -> int:
    path = clean_path(run.args[0])
    with run.doing(f"Error listing {path}"):
        secret = run.client.list(path)
    return listed_names(run, secret, path)


def _delete(run: Run) -> int:
    path = clean_path(run.args[0])
    params = parse_params(run.args[1:], run.ui.read_stdin)
    with run.doing(f"Error deleting {path}"):
        secret = run.client.delete(path, params)
    return output.show_written(run, secret, f"Success! Data deleted (if it existed) at: {path}")


def _unwrap(run: Run) -> int:
    with run.doing("Error unwrapping"):
        secret = run.client.unwrap(run.args[0].strip() if run.args else "")
    if secret is None:
        raise Refused("Could not find wrapped response", 2)
    return output.show(run, secret)


def _path_help(run: Run) -> int:
    path = clean_path(run.args[0])
    with run.doing("Error retrieving help"):
        answer = run.client.get_json(path, {"help": "1"})
    if not run.table:
        return output.show_data(run, answer)
    run.ui.out(str(answer.get("help") or "").rstrip("\n"))
    return 0


def _version_history(run: Run) -> int:
    with run.doing("Error reading version history"):
        secret = run.client.list("sys/version-history")
    data = (secret.data if secret else None) or {}
    if not run.table:
        return output.show_data(run, data)
    info = data.get("key_info") or {}
    rows = []
    for version in data.get("keys") or ():
        entry = info.get(version) or {}
        rows.append([str(version), str(entry.get("timestamp_installed") or ""), str(entry.get("build_date") or "")])
    run.ui.out(output.table(("Version", "Installation Time", "Build Date"), rows))
    return 0


COMMANDS: tuple[Command | Group, ...] = (
    Command(
        "read",
        "Read data and retrieve secrets",
        _read,
        usage="[options] PATH [K=V...]",
        about="""
Reads what is at a path: a secret, a configuration, freshly made credentials.

    $ {prog} read cubbyhole/my-note
    $ {prog} read -field=password database/creds/readonly

K=V words are sent as parameters of the request.
""",
        arity=at_least(1),
        output=("field", "raw"),
    ),
    Command(
        "write",
        "Write data, configuration and secrets",
        _write,
        usage="[options] PATH [DATA K=V...]",
        about="""
Writes data to a path. What happens depends on what is mounted there.

Data is given as "key=value" words. A value that begins with "@" is read from a
file, the value "-" from stdin. "@file" and "-" alone read a JSON object.

    $ {prog} write cubbyhole/my-note text=hello
    $ {prog} write -f transit/keys/my-key
    $ {prog} write aws/roles/ops policy_document=@policy.json
    $ echo $SECRET | {prog} write cubbyhole/my-note text=-
""",
        flags=(_FORCE,),
        arity=at_least(1),
        output=("field", "format"),
    ),
    Command(
        "patch",
        "Change data, configuration and secrets in part",
        _patch,
        usage="[options] PATH [DATA K=V...]",
        about="""
Changes only what is given, by a JSON merge patch. Data is given as for "write";
null in a JSON object removes a key.

    $ {prog} patch secret/metadata/app max_versions=5
""",
        flags=(_FORCE,),
        arity=at_least(1),
        output=("field", "format"),
    ),
    Command(
        "list",
        "List data or secrets",
        _list,
        usage="[options] PATH",
        about="""
Lists the names below a path; those of folders end in "/".

    $ {prog} list secret/metadata
""",
        arity=exactly(1),
        output=("detailed", "format"),
    ),
    Command(
        "delete",
        "Delete secrets and configuration",
        _delete,
        usage="[options] PATH [K=V...]",
        about="""
Deletes what is at a path, or takes it out of use, depending on what is mounted
there. Deleting what does not exist is no error.

    $ {prog} delete cubbyhole/my-note
""",
        arity=at_least(1, "at least 1"),
        output=("field", "format"),
    ),
    Command(
        "unwrap",
        "Unwrap a wrapped secret",
        _unwrap,
        usage="[options] [TOKEN]",
        about="""
Exchanges a wrapping token, once, for the answer it holds. Without an argument
the token in use is unwrapped.

    $ {prog} unwrap hvs.CAES...
""",
        arity=between(0, 1),
        output=("field", "format"),
    ),
    Command(
        "path-help",
        "Retrieve the API's help for a path",
        _path_help,
        usage="[options] PATH",
        about="""
Shows the server's own help for a mount or for one of its paths.

    $ {prog} path-help sys/mounts
""",
        arity=exactly(1),
    ),
    Command(
        "version-history",
        "Print which versions the server has run",
        _version_history,
        usage="[options]",
        about="""
Prints which versions have run on the server's storage, and since when.

    $ {prog} version-history
""",
        arity=ANY,
    ),
)
