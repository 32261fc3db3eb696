"""Access control, without I/O: text → rules (`parse`), rules → decisions (`match`), our own policies (`builtin`)."""

from strongroom.policy.decision import Decision
from strongroom.policy.match import ACL
from strongroom.policy.parse import PathRule, Policy, TemplateVars, decode_policy_text, parse_policy

__all__ = ["ACL", "Decision", "PathRule", "Policy", "TemplateVars", "decode_policy_text", "parse_policy"]
