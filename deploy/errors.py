"""What a user of the `backbeat` command may be told instead of a traceback.

UserError
├── AlreadyRunning      another supervisor works on this data-dir
├── NotRunning          none does
└── UpFailed            it was started, and did not become ready
"""

from __future__ import annotations


class UserError(Exception):
    """The message says what is wrong and what to do."""

    exit_code = 1


class AlreadyRunning(UserError):
    """One data-dir, one supervisor."""


class NotRunning(UserError):
    """There is nothing to look at."""


class UpFailed(UserError):
    """A part ended for good, or not everything was ready in time. What was started is stopped again."""
