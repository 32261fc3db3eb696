"""`/v1/sys`: the system backend. Every module here declares routes on `system`; importing them is what adds them."""

from strongroom.system import (
    audit,
    capabilities,
    generate_root,
    health,
    init,
    internal,
    leases,
    mounts,
    policies,
    rekey,
    rotate,
    seal,
    tools,
    wrapping,
)
from strongroom.system.engine import system

__all__ = [
    "audit",
    "capabilities",
    "generate_root",
    "health",
    "init",
    "internal",
    "leases",
    "mounts",
    "policies",
    "rekey",
    "rotate",
    "seal",
    "system",
    "tools",
    "wrapping",
]
