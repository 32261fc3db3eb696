"""HCL1 and JSON as configuration and policies are written: text → ordered tree with positions, and the formatter.

Nothing is lost on the way: repeated keys and blocks stay, in order, each with its line and column.
`parse` reads both forms: a text whose first character is `{` is JSON. The only error is `HCLError`.
"""

from strongroom.hcl.parse import parse
from strongroom.hcl.printer import format  # noqa: A004 (the name users of `policy fmt` know)
from strongroom.hcl.tree import Block, Body, Item, List, Literal, Value, plain

__all__ = ["Block", "Body", "Item", "List", "Literal", "Value", "format", "parse", "plain"]
