"""Python's collector of cyclic garbage, set for processes that live long and hold many objects.

By default it looks at the youngest objects after every 700, and now and then at all of them: measured, that took 8 % of
the API server's and the kubelets' CPU under load, and stopped each for some tenths of a second. Nearly all of what we
let go is freed at once by its reference count; cycles (tasks, tracebacks) may wait a little longer.
"""

from __future__ import annotations

import gc

YOUNG = 20_000
"""New objects, less those that were freed, before the youngest are looked at: some megabytes at most."""


def relax() -> None:
    """Call first: a start makes many objects and no garbage."""
    gc.set_threshold(YOUNG, 10, 10)


def keep_what_is_loaded() -> None:
    """Call when everything is imported: modules are never garbage, and are not looked at again."""
    gc.freeze()
