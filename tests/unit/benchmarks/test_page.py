from __future__ import annotations

import re
import warnings
from pathlib import Path
from typing import Any

import pytest

from benchmarks.common.page import write_page, write_tables

WRITES: dict[str, Any] = {"results": {"create ConfigMaps": {"requests_per_cpu_second": 2.0}}}


def test_tables_stand_in_one_file_each_below_its_name(tmp_path: Path) -> None:
    write_tables(tmp_path, {"writes": "a  b  \n1  2\n\n"})
    assert "## writes\n\n```text\na  b\n1  2\n```\n" in (tmp_path / "tables.md").read_text()


def test_the_page_holds_plots_and_tables_and_loads_nothing(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="plots need the extra `bench`")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what matplotlib's own parts warn of is not ours
        write_page(tmp_path, {"writes": WRITES}, {"writes": "1 < 2"})

    page = (tmp_path / "index.html").read_text()
    assert (tmp_path / "writes.png").read_bytes().startswith(b"\x89PNG")
    assert "<pre>1 &lt; 2</pre>" in page
    assert "currentColor" in page
    assert "color-scheme: light dark" in page
    assert re.findall(r'(?:src|href)="(?!#)[^"]*"', page) == []
