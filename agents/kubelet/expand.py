"""`$(NAME)` in commands, arguments and environment values, as Kubernetes reads it. Pure.

`$(NAME)` becomes the variable's value where there is one and stays as it is where there is none; `$$` is one dollar,
so `$$(NAME)` is never a reference; any other dollar is a dollar.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

_REFERENCE = re.compile(r"\$(?:\$|\(([^)]*)\))")


def expand(text: str, variables: Mapping[str, str]) -> str:
    if "$" not in text:
        return text

    def replace(match: re.Match[str]) -> str:
        if match.group(0) == "$$":
            return "$"
        return variables.get(match.group(1), match.group(0))

    return _REFERENCE.sub(replace, text)
