"""Documents name only what is there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")])
_PATH = re.compile(r"`((?:broker|apiserver|agents|deploy|tests|benchmarks|examples|docs)/[\w./-]*)`")
_LINK = re.compile(r"\]\((?!https?:)([^)#]+)")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_every_path_and_link_in_a_document_exists(document: Path) -> None:
    text = document.read_text()
    named = [ROOT / path for path in _PATH.findall(text)]
    linked = [document.parent / link for link in _LINK.findall(text)]
    assert [str(path) for path in (*named, *linked) if not path.exists()] == []
