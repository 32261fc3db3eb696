"""`kv mv` and `kv cp`: the server does it, in one step; nothing of the secret comes here."""

from __future__ import annotations

from strongroom.cli import output
from strongroom.cli.command import Refused
from strongroom.cli.kv_paths import Place, locate, locate_versioned
from strongroom.cli.run import Run
from strongroom.client.errors import ResponseError

_REFUSAL = "Only version 2 of the K/V engine can move and copy secrets"


def move(run: Run) -> int:
    """Move a secret."""
    return _transfer(run, "move", "Moved")


def copy(run: Run) -> int:
    """Copy a secret."""
    return _transfer(run, "copy", "Copied")


def _transfer(run: Run, verb: str, done: str) -> int:
    source = locate_versioned(run, run.args[0], _REFUSAL)
    target = locate(run, run.args[1])
    if target.mount != source.mount:
        raise Refused(
            f"{source.mount} and {target.mount or run.args[1]} are different mounts: a secret stays in its own. "
            f'"{run.prog} kv export" and "kv import" carry the newest version across.'
        )
    if run.args[1].endswith("/") or not target.name:  # into a folder, as files go
        target = target._replace(name="/".join(filter(None, (target.name, source.name.rpartition("/")[2]))))
    path = source.path(verb)
    with run.doing(f"Error writing data to {path}"):
        try:
            secret = run.client.write(path, {"to": target.name}, method="POST")
        except ResponseError as error:
            if error.status == 403:
                error.hint = _needed(source, target, verb)
            elif error.status == 404:
                error.hint = f"There is no secret at {source.path()}."
            raise
    if not run.table and secret is not None:
        return output.show(run, secret)
    output.warn(run, secret)
    run.ui.out(f"Success! {done} {source.mount}{source.name} to {target.mount}{target.name}")
    return 0


def _needed(source: Place, target: Place, verb: str) -> str:
    """The rules that allow it."""
    metadata = ["read", "delete"] if verb == "move" else ["read"]
    rules = (
        (source.path(verb), ["update"]),
        (source.path("data"), ["read"]),
        (source.path("metadata"), metadata),
        (target.path("data"), ["create"]),
        (target.path("metadata"), ["create"]),
    )
    lines = "\n".join(
        f'path "{path}" {{ capabilities = [{", ".join(f"{chr(34)}{word}{chr(34)}" for word in words)}] }}'
        for path, words in rules
    )
    return (
        "This needs rights on both paths. The policies of the token must allow:\n\n"
        f"{lines}\n\n"
        f'and "update" on "{source.path("undelete")}" if the secret has deleted versions.'
    )
