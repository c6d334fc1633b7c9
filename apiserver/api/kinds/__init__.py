"""The kinds that bring rules of their own: every module of this package registers one kind or a small family.

Adding a kind is one new file here. `base` and modules whose names start with `_` are what the kinds share, and are
not kinds themselves. Importing this package imports all of them, so that `base.rules_for` knows every rule.
"""

from __future__ import annotations

import importlib
import pkgutil


def _kind_modules() -> list[str]:
    names = (module.name for module in pkgutil.iter_modules(__path__))
    return sorted(name for name in names if name != "base" and not name.startswith("_"))


for _name in _kind_modules():
    importlib.import_module(f"{__name__}.{_name}")
