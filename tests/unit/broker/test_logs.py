"""Standard output belongs to the program that uses the library."""

from __future__ import annotations

import subprocess
import sys

SAYS = "import structlog; structlog.get_logger('broker.x').{level}('a broker is away', rv=7)"
YIELDS = "from broker.logs import yield_to_the_program; yield_to_the_program(); "


def said(code: str) -> tuple[str, str]:
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    return ran.stdout, ran.stderr


def test_what_is_usual_is_not_shown_and_what_is_not_goes_to_standard_error() -> None:
    assert said(YIELDS + SAYS.format(level="info")) == ("", "")
    out, err = said(YIELDS + SAYS.format(level="warning"))
    assert out == ""
    assert "a broker is away" in err
    assert "rv=7" in err


def test_who_asks_for_more_has_it_by_pythons_logging() -> None:
    asked = "import logging; logging.basicConfig(level=logging.INFO); "
    assert "INFO:broker.x:" in said(asked + YIELDS + SAYS.format(level="info"))[1]


def test_a_program_that_configured_structlog_keeps_that() -> None:
    own = "import structlog; structlog.configure(processors=[structlog.processors.JSONRenderer()]); "
    assert said(own + YIELDS + SAYS.format(level="info"))[0] == '{"rv": 7, "event": "a broker is away"}\n'
