"""Transit: handing over keys that were made elsewhere; files and lists of ciphertexts."""

from __future__ import annotations

import base64
import binascii
import re
import secrets
from typing import TYPE_CHECKING, Any

from strongroom.cli.command import ANY, Command, Group, Refused, deferred, exactly
from strongroom.cli.data import clean_path, parse_words, read_text
from strongroom.cli.flags import Flag
from strongroom.cli.run import Run

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

_PATH = re.compile(r"(?P<mount>.+)/keys/(?P<name>[^/]+)")
_EPHEMERAL_BYTES = 32


def _material(word: str) -> bytes:
    """The key: base64, or `@file` with base64 in it; raises `Refused`."""
    try:
        text = read_text(word[1:]) if word.startswith("@") else word
    except ValueError as error:
        raise Refused(f"error reading source key material: {error}") from None
    try:
        return binascii.a2b_base64("".join(text.split()), strict_mode=True)
    except ValueError:
        raise Refused("error base64 decoding source key material: illegal base64 data") from None


def _wrapping_key(run: Run, mount: str) -> RSAPublicKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    with run.doing("failed to fetch wrapping key"), run.client.preliminary():
        secret = run.client.read(f"{mount}/wrapping_key")
    pem = (secret.data or {}).get("public_key") if secret else None
    try:
        public = load_pem_public_key(str(pem).encode())
    except ValueError:
        public = None
    if not isinstance(public, RSAPublicKey):
        raise Refused("failed to parse wrapping key: the server gave no RSA public key", 2)
    return public


def _import(run: Run, endpoint: str) -> int:
    from cryptography.hazmat.primitives import hashes, keywrap
    from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP

    if len(run.args) < 2:
        raise Refused(
            f"Incorrect argument count (expected 2+, got {len(run.args)}). Wanted PATH to import into and KEY material."
        )
    place = _PATH.fullmatch(clean_path(run.args[0]))
    if place is None:
        raise Refused("expected transit path and key name in the form :path:/keys/:name:")
    material = _material(run.args[1])
    data: dict[str, Any] = parse_words(run.args[2:], run.ui.read_stdin)
    known = {"SHA1": hashes.SHA1(), "SHA224": hashes.SHA224(), "SHA256": hashes.SHA256()}  # noqa: S303
    known |= {"SHA384": hashes.SHA384(), "SHA512": hashes.SHA512()}
    digest = known.get(str(data.get("hash_function", "SHA256")).upper().replace("-", ""))
    if digest is None:
        raise Refused("unknown hash function: use SHA1, SHA224, SHA256, SHA384 or SHA512")
    run.ui.out("Retrieving wrapping key.")
    public = _wrapping_key(run, place["mount"])
    run.ui.out("Wrapping source key with ephemeral key.")
    ephemeral = secrets.token_bytes(_EPHEMERAL_BYTES)
    wrapped = keywrap.aes_key_wrap_with_padding(ephemeral, material)
    run.ui.out("Encrypting ephemeral key with wrapping key.")
    box = public.encrypt(ephemeral, OAEP(MGF1(digest), digest, None)) + wrapped
    run.ui.out("Submitting wrapped key.")
    with run.doing("failed to call import", 3):
        run.client.write(
            f"{place['mount']}/keys/{place['name']}/{endpoint}",
            {**data, "ciphertext": base64.b64encode(box).decode()},
        )
    run.ui.out("Success!")
    return 0


def _import_key(run: Run) -> int:
    return _import(run, "import")


def _import_version(run: Run) -> int:
    return _import(run, "import_version")


_MOUNT = Flag("mount", "Where the engine is mounted, if KEY is a name alone.", default="transit")
_CONTEXT = Flag("context", "The context of a derived key, in base64.")
_OUTPUT = Flag("output", 'Where the result goes; "-" for stdout.')
_FORCE = Flag("force", "Replace the output if it exists.", "bool", aliases=("f",))

COMMANDS: tuple[Command | Group, ...] = (
    Group(
        "transit",
        "Interact with the transit secrets engine",
        (
            Command(
                "import",
                "Import a key that was made elsewhere",
                _import_key,
                usage="[options] PATH/keys/NAME KEY [K=V...]",
                about="""
Hands a key over to the server under its wrapping key, so that nobody in between
sees it. KEY is base64, or @file with base64 in it: the bytes of a symmetric
key, PKCS#8 (DER) of an asymmetric one. K=V are the key's settings.

    $ {prog} transit import transit/keys/orders @key.b64 type=aes256-gcm96
""",
                arity=ANY,
            ),
            Command(
                "import-version",
                "Import one more version of an imported key",
                _import_version,
                usage="[options] PATH/keys/NAME KEY [K=V...]",
                about="""
Like "transit import", for a key that was imported before.

    $ {prog} transit import-version transit/keys/orders @newer.b64
""",
                arity=ANY,
            ),
            Command(
                "encrypt-file",
                "Encrypt a file of any size",
                deferred("transit_files", "encrypt_file"),
                usage="[options] KEY FILE",
                about="""
Encrypts a file with a data key of its own, which KEY wraps and which is kept in
front of the result, FILE.sealed. Only the data key passes between here and the
server. FILE may be "-" for stdin.

    $ {prog} transit encrypt-file orders backup.tar
""",
                flags=(_CONTEXT, _FORCE, _MOUNT, _OUTPUT),
                arity=exactly(2),
                output=(),
            ),
            Command(
                "decrypt-file",
                "Decrypt such a file",
                deferred("transit_files", "decrypt_file"),
                usage="[options] KEY FILE",
                about="""
Decrypts what "transit encrypt-file" made. The result gets its name once all of
it is known to be what was encrypted; on stdout each part is, when it appears.

    $ {prog} transit decrypt-file orders backup.tar.sealed
""",
                flags=(_CONTEXT, _FORCE, _MOUNT, _OUTPUT),
                arity=exactly(2),
                output=(),
            ),
            Command(
                "rewrap-file",
                "Wrap the data key of such a file anew",
                deferred("transit_files", "rewrap_file"),
                usage="[options] KEY FILE",
                about="""
Wraps a file's data key with the latest version of KEY, after a rotation. The
content stays as it is.

    $ {prog} transit rewrap-file orders backup.tar.sealed
""",
                flags=(_CONTEXT, _MOUNT),
                arity=exactly(2),
                output=(),
            ),
            Command(
                "rewrap",
                "Make a list of ciphertexts anew",
                deferred("transit_files", "rewrap_list"),
                usage="[options] KEY",
                about="""
Reads ciphertexts from stdin, one JSON value a line: a text, or an object with
"ciphertext" and, as needed, "context", "associated_data" and "key_version".
Prints each line with its new ciphertext, in the same order; one that cannot be
rewrapped gets an "error", and the exit code is then 2.

    $ {prog} transit rewrap orders < column.jsonl > rewrapped.jsonl
""",
                flags=(Flag("batch", "How many to send at once.", "int", default="500"), _MOUNT),
                arity=exactly(1),
                output=(),
            ),
        ),
        about="""
Encryption as a service: keys stay on the server.

    $ {prog} transit import transit/keys/orders @key.b64 type=aes256-gcm96
""",
    ),
)
