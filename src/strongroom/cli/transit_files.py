"""Files of any size under transit keys, and lists of ciphertexts made anew."""

from __future__ import annotations

import base64
import binascii
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from strongroom.cli.command import Refused
from strongroom.cli.data import clean_path, os_error
from strongroom.cli.progress import Progress
from strongroom.cli.run import Run
from strongroom.crypto import filestream
from strongroom.errors import CryptoError

SUFFIX = ".sealed"
_PATH = re.compile(r"(?P<mount>.+)/keys/(?P<name>[^/]+)")


def _key(run: Run) -> tuple[str, str]:
    """The mount and the name of the key that the first argument names."""
    word = clean_path(run.args[0])
    place = _PATH.fullmatch(word)
    if place:
        return place["mount"], place["name"]
    if "/" in word or not word:
        raise Refused("expected a key's name, or its path in the form :path:/keys/:name:")
    return clean_path(run.flags.text("mount") or "transit"), word


def _context(run: Run) -> dict[str, str]:
    return {"context": run.flags.text("context")} if run.flags.given("context") else {}


def _call(run: Run, path: str, body: dict[str, Any], what: str) -> dict[str, Any]:
    with run.doing(what), run.client.preliminary():
        secret = run.client.write(path, body)
    if secret is None or not secret.data:
        raise Refused(f"{what}: the server gave no answer", 2)
    return secret.data


@contextmanager
def _local() -> Iterator[None]:
    """Turn what the system or a damaged file does into a refusal."""
    try:
        yield
    except OSError as error:
        raise Refused(f"{error.filename or 'the file'}: {os_error(error)}") from None
    except CryptoError as error:
        raise Refused(str(error)) from None


@contextmanager
def _input(run: Run, name: str) -> Iterator[tuple[IO[bytes], int]]:
    """The file to read, "-" for stdin, and its size where it has one."""
    if name == "-":
        yield run.ui.stdin.buffer, 0
        return
    with open(name, "rb") as file:  # noqa: PTH123 - the message names what was typed
        yield file, os.fstat(file.fileno()).st_size


@contextmanager
def _output(run: Run, name: str) -> Iterator[IO[bytes]]:
    """The file to write, "-" for stdout. It gets its name once it is whole; until then nobody else can read it."""
    if name == "-":
        run.ui.stdout.flush()
        yield run.ui.stdout.buffer
        run.ui.stdout.buffer.flush()
        return
    target = Path(name)
    if target.exists() and not run.flags.bool("force"):
        raise Refused(f"{name} exists; use -force to replace it")
    with _replacing(target) as file:
        yield file


@contextmanager
def _replacing(target: Path) -> Iterator[IO[bytes]]:
    handle, name = tempfile.mkstemp(prefix=".strongroom-", dir=target.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(target)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def encrypt_file(run: Run) -> int:
    """`transit encrypt-file`."""
    mount, name = _key(run)
    source_name = run.args[1]
    target_name = run.flags.text("output") or ("-" if source_name == "-" else source_name + SUFFIX)
    with _local(), _input(run, source_name) as (source, total), _output(run, target_name) as target:
        data = _call(
            run, f"{mount}/datakey/plaintext/{name}", {"bits": 256, **_context(run)}, "Error making a data key"
        )
        filestream.write_header(target, str(data["ciphertext"]))
        progress = Progress(run.ui, "Encrypting", total)
        try:
            filestream.encrypt(source, target, base64.b64decode(data["plaintext"]), progress.show)
        finally:
            progress.end()
    return _done(run, "Encrypted", source_name, target_name)


def decrypt_file(run: Run) -> int:
    """`transit decrypt-file`."""
    mount, name = _key(run)
    source_name = run.args[1]
    target_name = run.flags.text("output") or source_name.removesuffix(SUFFIX)
    if target_name == source_name != "-":
        raise Refused(f"the file's name does not end in {SUFFIX}: say with -output where its content is to go")
    with _local(), _input(run, source_name) as (source, total), _output(run, target_name) as target:
        body = {"ciphertext": filestream.read_header(source), **_context(run)}
        data = _call(run, f"{mount}/decrypt/{name}", body, "Error decrypting the data key")
        try:
            key = base64.b64decode(data["plaintext"], validate=True)
        except binascii.Error:
            raise Refused("the server gave no data key", 2) from None
        progress = Progress(run.ui, "Decrypting", total)
        try:
            filestream.decrypt(source, target, key, progress.show)
        finally:
            progress.end()
    return _done(run, "Decrypted", source_name, target_name)


def rewrap_file(run: Run) -> int:
    """`transit rewrap-file`."""
    mount, name = _key(run)
    path = Path(run.args[1])
    with _local(), path.open("rb") as source:
        body = {"ciphertext": filestream.read_header(source), **_context(run)}
        data = _call(run, f"{mount}/rewrap/{name}", body, "Error rewrapping the data key")
        with _replacing(path) as target:
            os.fchmod(target.fileno(), os.fstat(source.fileno()).st_mode & 0o777)
            filestream.write_header(target, str(data["ciphertext"]))
            shutil.copyfileobj(source, target, filestream.CHUNK_BYTES)
    run.ui.out(f"Success! Rewrapped the data key of {path} (version {data.get('key_version')})")
    return 0


def _done(run: Run, what: str, source: str, target: str) -> int:
    if target != "-":
        run.ui.out(f"Success! {what} {'stdin' if source == '-' else source} to {target}")
    return 0


def rewrap_list(run: Run) -> int:
    """`transit rewrap`."""
    mount, name = _key(run)
    size = run.flags.int("batch") or 500
    if size < 1:
        raise Refused("-batch must be at least 1")
    failed = done = 0
    progress = Progress(run.ui, "Rewrapping")
    pending: list[tuple[Any, dict[str, Any]]] = []
    for number, line in enumerate(run.ui.stdin, 1):
        if line.strip():
            pending.append(_entry(line, number))
        if len(pending) >= size:
            failed += _rewrap(run, f"{mount}/rewrap/{name}", pending)
            done += len(pending)
            progress.show(done, "ciphertexts")
            pending = []
    if pending:
        failed += _rewrap(run, f"{mount}/rewrap/{name}", pending)
        done += len(pending)
    progress.end()
    if failed:
        raise Refused(f"{failed} of {done} ciphertexts could not be rewrapped; see their error", 2)
    return 0


def _entry(line: str, number: int) -> tuple[Any, dict[str, Any]]:
    """A line and the item of a batch that it stands for."""
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        raise Refused(f"line {number} is not JSON") from None
    item = {"ciphertext": value} if isinstance(value, str) else value
    if not isinstance(item, dict) or not isinstance(item.get("ciphertext"), str):
        raise Refused(f"line {number} is neither a text nor an object with a ciphertext")
    known = ("ciphertext", "context", "associated_data", "key_version")
    return value, {name: item[name] for name in known if item.get(name) is not None}


def _rewrap(run: Run, path: str, pending: list[tuple[Any, dict[str, Any]]]) -> int:
    data = _call(run, path, {"batch_input": [item for _, item in pending]}, "Error rewrapping")
    results = data.get("batch_results")
    if not isinstance(results, list) or len(results) != len(pending):
        raise Refused("Error rewrapping: the server gave another number of results", 2)
    failed = 0
    for (value, item), result in zip(pending, results, strict=True):
        whole = dict(value) if isinstance(value, dict) else item
        if result.get("error"):
            failed += 1
            answer: Any = {**whole, "error": result["error"]}
        else:
            answer = {**whole, "ciphertext": result["ciphertext"]} if isinstance(value, dict) else result["ciphertext"]
        run.ui.out(json.dumps(answer, ensure_ascii=False))
    return failed
