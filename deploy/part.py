"""The process of one part under `backbeat up`: `python -m deploy.part <part> <name>`.

It is told everything by its environment, and imports nothing of the command line, so it is there sooner.
"""

from __future__ import annotations

import os
import sys

from deploy.leash import die_with_parent
from deploy.parts import from_environment, run_part

SUPERVISOR = "BACKBEAT_SUPERVISOR"


def main() -> None:
    supervisor = os.environ.pop(SUPERVISOR, "")
    if supervisor:
        die_with_parent(int(supervisor))
    name = sys.argv[1]
    sys.exit(run_part(name, from_environment(name, os.environ)))


if __name__ == "__main__":
    main()
