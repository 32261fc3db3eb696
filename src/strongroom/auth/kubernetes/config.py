"""Which cluster the method asks, and with what."""

from __future__ import annotations

from typing import Any

from strongroom.api.args import Args, field
from strongroom.api.context import Context
from strongroom.api.fields import CommaList, Duration
from strongroom.auth.jose import BadKey, key_from_pem
from strongroom.auth.kubernetes.engine import CONFIG, Config, kubernetes
from strongroom.auth.outbound import url_problem
from strongroom.errors import BadRequest, NotFound

MAX_CACHE = 60


class ConfigArgs(Args):
    """The cluster. A write replaces all of it: what is left out is its default again."""

    kubernetes_host: str = field("The API server's URL.")
    kubernetes_ca_cert: str = field("Its CA as PEM; without it the pod's own, outside a pod the system's.")
    token_reviewer_jwt: str = field("Authorises reviews; without it the pod's own JWT, or the one that logs in.")
    pem_keys: CommaList = field("PEM keys or certificates that JWTs must be signed with; none to leave it to reviews.")
    issuer: str = field("Who must have issued the JWTs, if that is checked.")
    disable_iss_validation: bool = field("Do not check the issuer.", default=True)
    disable_local_ca_jwt: bool = field("Do not use the CA and the JWT of the server's own pod.")
    review_cache_ttl: Duration = field("How long a good review counts again for the same JWT; at most 60 s, 0 never.")


@kubernetes.read("config")
async def read_config(ctx: Context) -> dict[str, Any]:
    """Read which cluster the method asks."""
    config = await ctx.storage.load(CONFIG, Config)
    if config is None:
        raise NotFound
    return config.shown()


@kubernetes.write("config")
async def write_config(ctx: Context, args: ConfigArgs) -> None:
    """Set which cluster the method asks, and with what."""
    host = args.kubernetes_host.strip()
    if not host:
        raise BadRequest("no host provided")
    if problem := url_problem(host):
        raise BadRequest(f"invalid kubernetes_host: {problem}")
    if args.disable_local_ca_jwt and not args.kubernetes_ca_cert:
        raise BadRequest("kubernetes_ca_cert must be given when disable_local_ca_jwt is true")
    if args.review_cache_ttl > MAX_CACHE:
        raise BadRequest(f"review_cache_ttl is at most {MAX_CACHE} seconds")
    _check_ca(args.kubernetes_ca_cert)
    for pem in args.pem_keys:
        try:
            key_from_pem(pem)
        except BadKey as e:
            raise BadRequest(str(e)) from None
    values = {name: getattr(args, name) for name in ConfigArgs.fields}
    values |= {
        "kubernetes_host": host,
        "token_reviewer_jwt": args.token_reviewer_jwt.strip(),
        "pem_keys": tuple(args.pem_keys),
    }
    ctx.storage.store(CONFIG, Config(**values))


def _check_ca(pem: str) -> None:
    if not pem:
        return
    from cryptography import x509

    try:
        x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise BadRequest("kubernetes_ca_cert has no PEM certificate") from None
