"""`operator rekey`: new unseal keys."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Command, Refused, between
from strongroom.cli.flags import Flag
from strongroom.cli.pgp_files import pgp_keys
from strongroom.cli.run import Run

_REKEY_INIT = (
    ("nonce", ""),
    ("started", False),
    ("t", 0),
    ("n", 0),
    ("progress", 0),
    ("required", 0),
    ("pgp_fingerprints", None),
    ("backup", False),
    ("verification_required", False),
    ("verification_nonce", ""),
)
_REKEY_DONE: tuple[tuple[str, Any], ...] = (
    ("nonce", ""),
    ("complete", False),
    ("keys", []),
    ("keys_base64", []),
    ("pgp_fingerprints", None),
    ("backup", False),
    ("verification_required", False),
)


def pick(answer: dict[str, Any], keys: tuple[tuple[str, Any], ...]) -> dict[str, Any]:
    """These members of an answer, each with what stands for it when it is absent."""
    return {key: answer.get(key, absent) for key, absent in keys}


def next_key(run: Run, nonce: str) -> tuple[str, str]:
    """An unseal key and the nonce it is for: an argument, stdin for "-", or asked for."""
    given = run.args[0].strip() if run.args else ""
    own = run.flags.text("nonce").strip()
    if given == "-":
        return run.ui.read_stdin().strip(), own
    if given:
        return given, own
    if not run.may_ask:
        raise Refused('There is no terminal to ask for a key on. Give it by stdin with "-" as the argument.')
    run.ui.warn(f"Operation nonce: {nonce}")
    return run.ui.ask_hidden("Unseal Key (will be hidden): ").strip(), nonce


def _rekey(run: Run) -> int:
    flags = run.flags
    if flags.bool("backup-retrieve") or flags.bool("backup-delete"):
        return _rekey_backup(run)
    verify = flags.bool("verify")
    path = f"{_rekey_base(run)}/{'verify' if verify else 'init'}"
    if flags.bool("cancel"):
        with run.doing("Error canceling rekey"):
            run.client.delete(path)
        run.ui.out(f"Success! Canceled rekeying{' verification' if verify else ''} (if it was started)")
        return 0
    if flags.bool("status"):
        with run.doing("Error reading rekey status"):
            status = run.client.get_json(path)
        return _show_rekey(run, status)
    if flags.bool("init"):
        return _rekey_init(run)
    return _rekey_verify(run) if verify else _rekey_key(run)


def _rekey_init(run: Run) -> int:
    flags = run.flags
    body: dict[str, Any] = {
        "secret_shares": flags.int("key-shares") if flags.given("key-shares") else 5,
        "secret_threshold": flags.int("key-threshold") if flags.given("key-threshold") else 3,
        "require_verification": flags.bool("verify"),
    }
    if flags.list("pgp-keys"):
        body |= {"pgp_keys": pgp_keys(flags.list("pgp-keys")), "backup": flags.bool("backup")}
    with run.doing("Error initializing rekey"):
        status = run.client.send_json(f"{_rekey_base(run)}/init", body)
    if run.table and not flags.list("pgp-keys"):
        run.ui.warn("WARNING! The new keys will be shown once, and there is no way to show them again.")
    return _show_rekey(run, status)


def _rekey_backup(run: Run) -> int:
    path = _target(run, {"barrier": "sys/rekey/backup", "recovery": "sys/rekey/recovery-key-backup"})
    if run.flags.bool("backup-delete"):
        with run.doing("Error deleting backed up keys"):
            run.client.delete(path)
        run.ui.out("Success! Delete backup keys (if they existed)")
        return 0
    with run.doing("Error retrieving backed up keys"):
        secret = run.client.read(path)
    if secret is None:
        raise Refused("Error retrieving backed up keys: the server answered nothing")
    return output.show(run, secret)


def _show_rekey(run: Run, status: dict[str, Any]) -> int:
    if not run.table:
        return output.emit(run, pick(status, _REKEY_INIT))
    rows = [("Nonce", status.get("nonce") or ""), ("Started", bool(status.get("started")))]
    if status.get("started"):
        progress = f"{status.get('progress', 0)}/{status.get('required') or status.get('t', 0)}"
        rows += [("Rekey Progress", progress), ("New Shares", status.get("n")), ("New Threshold", status.get("t"))]
        if "verification_required" in status:
            rows.append(("Verification Required", bool(status["verification_required"])))
        if status.get("verification_nonce"):
            rows.append(("Verification Nonce", status["verification_nonce"]))
    if status.get("pgp_fingerprints"):
        rows += [("PGP Fingerprints", status["pgp_fingerprints"]), ("Backup", bool(status.get("backup")))]
    run.ui.out(output.table(("Key", "Value"), [(name, output.go_value(value)) for name, value in rows]))
    return 0


def _rekey_key(run: Run) -> int:
    with run.doing("Error getting rekey status"):
        status = run.client.get_json(f"{_rekey_base(run)}/init")
    if not status.get("started"):
        raise Refused('No rekey is in progress. Start a rekey process by running "vault\noperator rekey -init".')
    key, nonce = next_key(run, str(status.get("nonce") or ""))
    if not nonce:
        raise Refused("Missing nonce value: specify it via the -nonce flag")
    with run.doing("Error posting unseal key"):
        answer = run.client.send_json(f"{_rekey_base(run)}/update", {"key": key, "nonce": nonce})
    if not answer.get("complete"):
        return _show_rekey(run, answer)
    if not run.table:
        document = pick(answer, _REKEY_DONE)
        if answer.get("verification_nonce"):
            document["verification_nonce"] = answer["verification_nonce"]
        return output.emit(run, document)
    _print_new_keys(run, answer, status)
    return 0


def _print_new_keys(run: Run, answer: dict[str, Any], status: dict[str, Any]) -> None:
    fingerprints = answer.get("pgp_fingerprints") or []
    lines = []
    for number, key in enumerate(answer.get("keys_base64") or (), 1):
        mark = f" fingerprint: {fingerprints[number - 1]}; value:" if number <= len(fingerprints) else ""
        lines.append(f"Key {number}{mark}: {key}")
    lines += ["", f"Operation nonce: {answer.get('nonce')}", ""]
    if answer.get("verification_required"):
        lines += [
            f"The new keys are {status.get('n')}, of which {status.get('t')} are needed. They count once",
            'they have been verified: run "vault operator rekey -verify" with the new keys.',
            "The old keys stay in force until then.",
            "",
            f"Verification nonce: {answer.get('verification_nonce')}",
        ]
    else:
        if fingerprints and answer.get("backup"):
            lines += [
                'The encrypted keys are kept at "core/unseal-keys-backup" in the storage. See them with',
                '"vault operator rekey -backup-retrieve", and remove them with "-backup-delete": nothing',
                "else does.",
                "",
            ]
        lines += [
            f"Vault unseal keys rekeyed with {status.get('n')} key shares and a key threshold of {status.get('t')}.",
            "Please securely distribute the key shares printed above. The old keys do not",
            f"work any more; at least {status.get('t')} of the new ones unseal the server from now on.",
        ]
    run.ui.out("\n" + "\n".join(lines))


def _rekey_verify(run: Run) -> int:
    with run.doing("Error getting rekey verification status"):
        status = run.client.get_json(f"{_rekey_base(run)}/verify")
    key, nonce = next_key(run, str(status.get("nonce") or ""))
    if not nonce:
        raise Refused("Missing nonce value: specify it via the -nonce flag")
    with run.doing("Error posting unseal key"):
        answer = run.client.send_json(f"{_rekey_base(run)}/verify", {"key": key, "nonce": nonce})
    if not answer.get("complete"):
        with run.doing("Error getting rekey verification status"):
            return _show_rekey(run, run.client.get_json(f"{_rekey_base(run)}/verify"))
    if not run.table:
        return output.emit(run, pick(answer, (("nonce", ""), ("complete", False))))
    run.ui.out("Success! Rekey verification was successful. The new keys are in force.")
    return 0


def _rekey_base(run: Run) -> str:
    """Where the API has it: the unseal keys, or the recovery keys of a seal that opens by itself."""
    return _target(run, {"barrier": "sys/rekey", "recovery": "sys/rekey-recovery-key"})


def _target(run: Run, paths: dict[str, str]) -> str:
    target = run.flags.text("target") or "barrier"
    if target not in paths:
        raise Refused(f"Unknown target: {target}")
    return paths[target]


REKEY = Command(
    "rekey",
    "Generate new unseal keys",
    _rekey,
    usage="[options] [KEY]",
    about="""
Replaces the unseal keys. It is started with -init and needs a threshold of the
present keys, given one at a time. The data and the root token stay.

    $ {prog} operator rekey -init -key-shares=5 -key-threshold=3
    $ {prog} operator rekey

With -pgp-keys nobody sees another's key: each is encrypted for one of the public
keys, which are files in binary, base64 or armour. With -backup the server keeps
what it encrypted.

    $ {prog} operator rekey -init -n=2 -t=2 -pgp-keys=ann.asc,bob.asc -backup
    $ {prog} operator rekey -backup-retrieve
    $ {prog} operator rekey -backup-delete
""",
    flags=(
        Flag("backup", "Keep the new keys, encrypted with -pgp-keys, in the server.", "bool"),
        Flag("backup-delete", "Delete the keys that -backup kept.", "bool"),
        Flag("backup-retrieve", "Print the keys that -backup kept, encrypted as they are.", "bool"),
        Flag("cancel", "Give it up, with the keys given so far.", "bool"),
        Flag("init", "Start it.", "bool"),
        Flag("key-shares", "Number of new keys.", "int", default="5", aliases=("n",)),
        Flag("key-threshold", "Number of them needed.", "int", default="3", aliases=("t",)),
        Flag("nonce", "Nonce that -init printed; needed where the key is not asked for."),
        Flag("pgp-keys", "Files of PGP keys to encrypt the new keys with, with commas.", "list"),
        Flag("status", "Print how far it is.", "bool"),
        Flag("target", "Which keys: those that unseal (barrier), or recovery.", default="barrier"),
        Flag("verify", "With -init: the new keys must be verified; else verify with a new key.", "bool"),
    ),
    arity=between(0, 1),
)
