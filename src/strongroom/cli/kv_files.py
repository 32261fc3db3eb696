"""`kv export` and `kv import`: secrets as .env, JSON and YAML."""

from __future__ import annotations

from typing import Any

from strongroom.cli import dotenv, output
from strongroom.cli.basic import nothing_at
from strongroom.cli.command import Refused
from strongroom.cli.data import read_text
from strongroom.cli.kv_paths import Place, locate
from strongroom.cli.kv_walk import Walk, top
from strongroom.cli.run import Run
from strongroom.client import jsontext
from strongroom.client.errors import ResponseError

#: How a file's name tells what is in it.
ENDS = {".env": "env", ".json": "json", ".yaml": "yaml", ".yml": "yaml"}


def plain(value: Any) -> str:
    """A value as a text: texts as they are, all else as JSON."""
    return value if isinstance(value, str) else jsontext.dumps(value)


def secret_at(run: Run, place: Place, version: int = 0) -> dict[str, Any]:
    """The data of a secret in its newest or another version; raises `Refused`."""
    path = place.path()
    with run.doing(f"Error reading {path}"):
        params = {"version": str(version)} if place.versioned and version > 0 else None
        secret = run.client.read(path, params)
    if secret is not None and secret.wrap_info is not None:
        raise Refused("A wrapped answer has no data to use here")
    data: Any = secret.data if secret else None
    if place.versioned and isinstance(data, dict):
        data = data.get("data")
    if not isinstance(data, dict):
        raise nothing_at(path)
    return data


# ------------------------------------------------------------------------------------------------ export
def export(run: Run) -> int:
    """Print one secret, or with -recursive all below a path."""
    place = locate(run, run.args[0])
    version = run.flags.int("version")
    if not run.flags.bool("recursive"):
        data = secret_at(run, place, version)
        if not run.table:
            return output.emit(run, jsontext.ordered(data))
        try:
            run.ui.out(dotenv.dumps({key: plain(value) for key, value in data.items()}), end="")
        except ValueError as error:
            raise Refused(f"Error writing .env: {error}; -format=json takes any") from None
        return 0
    if run.table:
        raise Refused("Several secrets do not fit into one .env file: use -format=json or -format=yaml")
    if version:
        raise Refused("-version is a number of one secret, not of several")
    return output.emit(run, _all_below(run, place))


def _all_below(run: Run, place: Place) -> dict[str, Any]:
    """Every secret by its name below the place. What was deleted is left out."""
    walk, found = Walk(run, place), {}
    with run.doing(f"Error listing {place.path('metadata')}"):
        for name in walk.secrets(top(place)):
            secret = run.client.read(place._replace(name=name).path())
            data: Any = secret.data if secret else None
            data = data.get("data") if place.versioned and isinstance(data, dict) else data
            if isinstance(data, dict):
                found[name.removeprefix(top(place))] = jsontext.ordered(data)
    if walk.refused:
        raise Refused("Some folders may not be listed: nothing was exported", 2)
    if not found:
        raise nothing_at(place.path("metadata"))
    return found


# ------------------------------------------------------------------------------------------------ import
def import_(run: Run) -> int:
    """Write one secret from a file, or with -recursive several."""
    word, source = run.args
    data = _parsed(run, source)
    recursive = run.flags.bool("recursive")
    if recursive and not all(isinstance(one, dict) and name.strip("/") for name, one in data.items()):
        raise Refused("With -recursive the file must hold an object for each secret, by its path")
    place = locate(run, word)
    if not place.versioned and (run.flags.bool("new") or run.flags.given("cas")):
        raise Refused("-new and -cas need version 2 of the engine")
    if recursive and run.flags.given("cas"):
        raise Refused("-cas is the version of one secret, not of several")
    base = top(place) if recursive else place.name
    wanted = {base + name.strip("/"): one for name, one in data.items()} if recursive else {place.name: data}
    for name in sorted(wanted):
        path = place._replace(name=name).path()
        body: dict[str, Any] = wanted[name]
        if place.versioned:
            body = {"data": body, "options": _options(run)}
        with run.doing(f"Error writing data to {path}"):
            secret = _written(run, path, body)
        output.warn(run, secret)
        if run.table:
            run.ui.out(f"Success! Data written to: {path}")
    if not run.table:
        output.emit(run, sorted(place.mount + name for name in wanted))
    return 0


def _options(run: Run) -> dict[str, int]:
    if run.flags.bool("new"):
        return {"cas": 0}
    return {"cas": run.flags.int("cas")} if run.flags.given("cas") else {}


def _written(run: Run, path: str, body: dict[str, Any]) -> Any:
    try:
        return run.client.write(path, body)
    except ResponseError as error:
        if error.status == 400 and run.flags.bool("new") and "did not match" in " ".join(error.errors):
            error.hint = "There is a secret already, and -new writes only new ones. What came before it was written."
        raise


def _parsed(run: Run, source: str) -> dict[str, Any]:
    """The object that a file or stdin holds; raises `Refused` with the place of what cannot be read."""
    kind = run.flags.text("as") or next((kind for end, kind in ENDS.items() if source.lower().endswith(end)), "")
    if kind not in ENDS.values():
        raise Refused(f'Cannot tell what "{source}" holds: say it with -as=env, -as=json or -as=yaml')
    try:
        text = run.ui.read_stdin() if source == "-" else read_text(source)
    except ValueError as error:
        raise Refused(f"Error reading file: {error}") from None
    try:
        value = _load(kind, text)
    except ValueError as error:
        raise Refused(f"Error reading {'stdin' if source == '-' else source}: {error}") from None
    if not isinstance(value, dict) or not value:
        raise Refused(f"Error reading {'stdin' if source == '-' else source}: it must hold names with values")
    return value


def _load(kind: str, text: str) -> Any:
    if kind == "env":
        return dotenv.loads(text)
    if kind == "json":
        return jsontext.loads(text)
    from strongroom.cli import yaml_reader

    return yaml_reader.loads(text)
