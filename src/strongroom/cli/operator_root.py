"""`operator generate-root`: a root token out of unseal keys."""

from __future__ import annotations

from typing import Any

from strongroom.cli import output
from strongroom.cli.command import Command, Refused, between
from strongroom.cli.flags import Flag
from strongroom.cli.operator_keys import next_key, pick
from strongroom.cli.pgp_files import pgp_keys
from strongroom.cli.run import Run

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_ROOT = (
    ("nonce", ""),
    ("started", False),
    ("progress", 0),
    ("required", 0),
    ("complete", False),
    ("encoded_token", ""),
    ("encoded_root_token", ""),
    ("pgp_fingerprint", ""),
    ("otp", ""),
    ("otp_length", 0),
)


def _generate_root(run: Run) -> int:
    flags = run.flags
    if flags.bool("generate-otp"):
        return _generate_otp(run)
    if flags.text("decode"):
        return _decode(run)
    path = f"{_token_made(run)}/attempt"
    if flags.bool("cancel"):
        with run.doing("Error canceling root token generation"):
            run.client.delete(path)
        run.ui.out("Success! Root token generation canceled (if it was started)")
        return 0
    if flags.bool("status"):
        with run.doing("Error getting root generation status"):
            return _show_root(run, run.client.get_json(path))
    if not flags.bool("init"):
        return _root_key(run)
    body = {}
    if flags.text("otp"):
        body["otp"] = flags.text("otp")
    if flags.text("pgp-key"):
        body["pgp_key"] = pgp_keys([flags.text("pgp-key")])[0]
    with run.doing("Error initializing root generation"):
        status = run.client.send_json(path, body)
    if run.table and status.get("otp"):
        run.ui.warn(
            "A one-time password has been made and is shown as OTP. It is needed to decode\n"
            "the new root token: keep it safe, it is not shown again.\n"
        )
    return _show_root(run, status)


def _token_made(run: Run) -> str:
    """Where the token is made: a root token, or one of those of Vault's that this server refuses."""
    if run.flags.bool("dr-token") and run.flags.bool("recovery-token"):
        raise Refused("Both -recovery-token and -dr-token flags are set")
    if run.flags.bool("dr-token"):
        return "sys/replication/dr/secondary/generate-operation-token"
    return "sys/generate-recovery-token" if run.flags.bool("recovery-token") else "sys/generate-root"


def _show_root(run: Run, status: dict[str, Any]) -> int:
    if not run.table:
        return output.emit(run, pick(status, _ROOT))
    rows = [
        ("Nonce", status.get("nonce") or ""),
        ("Started", bool(status.get("started"))),
        ("Progress", f"{status.get('progress', 0)}/{status.get('required', 0)}"),
        ("Complete", bool(status.get("complete"))),
    ]
    for title, key in (
        ("PGP Fingerprint", "pgp_fingerprint"),
        ("Encoded Token", "encoded_token"),
        ("OTP", "otp"),
        ("OTP Length", "otp_length"),
    ):
        if status.get(key):
            rows.append((title, status[key]))
    run.ui.out(output.columns([(title, output.go_value(value)) for title, value in rows]))
    return 0


def _root_key(run: Run) -> int:
    with run.doing("Error getting root generation status"):
        status = run.client.get_json(f"{_token_made(run)}/attempt")
    if not status.get("started"):
        raise Refused(
            'No root generation is in progress. Start a root generation by running "vault\n'
            'operator generate-root -init".\n'
            "If starting root generation using the OTP method and generating your own OTP,\n"
            f"the length of the OTP string needs to be {status.get('otp_length')} characters in length."
        )
    key, nonce = next_key(run, str(status.get("nonce") or ""))
    if not nonce:
        raise Refused("Missing nonce value: specify it via the -nonce flag")
    with run.doing("Error posting unseal key"):
        answer = run.client.send_json(f"{_token_made(run)}/update", {"key": key, "nonce": nonce})
    return _show_root(run, answer)


def _generate_otp(run: Run) -> int:
    import secrets

    with run.doing("Error getting root generation status"):
        length = run.client.get_json(f"{_token_made(run)}/attempt").get("otp_length") or 0
    otp = "".join(secrets.choice(_ALPHABET) for _ in range(length))
    if not run.table:
        return output.emit(run, {"otp": otp, "otp_length": length})
    run.ui.out(otp)
    return 0


def _decode(run: Run) -> int:
    import base64
    import binascii

    otp = run.flags.text("otp").strip().encode()
    if not otp:
        raise Refused("Missing otp: use -otp to supply it")
    text = run.flags.text("decode").strip()
    encoded = run.ui.read_stdin().strip() if text == "-" else text
    try:
        token = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise Refused("Error decoding root token: it is not base64") from None
    if len(token) != len(otp):
        raise Refused(f"Error decoding root token: the OTP has {len(otp)} characters, the token {len(token)}")
    decoded = bytes(left ^ right for left, right in zip(token, otp, strict=True)).decode("ascii", "replace")
    if not run.table:
        return output.emit(run, {"token": decoded})
    run.ui.out(decoded)
    return 0


GENERATE_ROOT = Command(
    "generate-root",
    "Generate a new root token",
    _generate_root,
    usage="[options] [KEY]",
    about="""
Makes a root token out of a threshold of unseal keys, given one at a time. The
token comes encoded with a one-time password that -init shows.

    $ {prog} operator generate-root -init
    $ {prog} operator generate-root
    $ {prog} operator generate-root -decode=... -otp=...

With -pgp-key the token is encrypted for a public key, a file in binary, base64 or
armour, instead. Its holder gets it with

    $ echo "..." | base64 -d | gpg -dq
""",
    flags=(
        Flag("cancel", "Give it up, with the keys given so far.", "bool"),
        Flag("dr-token", "Make a token for operations on a replica for disasters; Strongroom has none.", "bool"),
        Flag("decode", "Decode this encoded token with -otp; - reads it from stdin."),
        Flag("generate-otp", "Print a password that fits -otp.", "bool"),
        Flag("init", "Start it.", "bool"),
        Flag("nonce", "Nonce that -init printed; needed where the key is not asked for."),
        Flag("otp", "One-time password, where it is not the server's."),
        Flag("pgp-key", "File of a PGP key to encrypt the token with, instead of a password."),
        Flag("recovery-token", "Make a token for the recovery mode, which Strongroom does not have.", "bool"),
        Flag("status", "Print how far it is.", "bool"),
    ),
    arity=between(0, 1),
)
