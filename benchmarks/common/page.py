"""Results as a folder for people: tables as Markdown, plots as PNG, and one page that holds everything."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from pathlib import Path

from benchmarks.common.compare import Results
from benchmarks.common.plots import draw

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 2rem auto; padding: 0 1rem;
  background: Canvas; color: CanvasText; }
pre { overflow-x: auto; font-size: 12px; line-height: 1.35; padding: .8rem; border: 1px solid #8885; }
svg { max-width: 100%; height: auto; }
"""


def write_tables(folder: Path, tables: Mapping[str, str]) -> None:
    parts = [f"## {name}\n\n```text\n{_trimmed(text)}\n```\n" for name, text in tables.items()]
    (folder / "tables.md").write_text("# Results of the benchmarks\n\n" + "\n".join(parts))


def write_page(folder: Path, results: Mapping[str, Results], tables: Mapping[str, str]) -> None:
    """Plots too. Raises NoMatplotlib, and has written nothing then."""
    plots = draw(results, folder)
    figures = "\n".join(f'<figure role="img" aria-label="{escape(name)}">{svg}</figure>' for name, svg in plots.items())
    texts = "\n".join(f"<h2>{escape(name)}</h2>\n<pre>{escape(_trimmed(text))}</pre>" for name, text in tables.items())
    (folder / "index.html").write_text(
        '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width">\n<title>backbeat: benchmarks</title>\n'
        f"<style>{_STYLE}</style>\n<h1>backbeat: benchmarks</h1>\n{figures}\n{texts}\n</html>\n"
    )


def _trimmed(text: str) -> str:
    return "\n".join(line.rstrip() for line in text.strip().splitlines())
