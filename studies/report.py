"""One self-contained HTML page for a run: text, tables and figures inside, no network, no script."""

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

STYLE = """
:root { color-scheme: light dark; --ink: #1c1e21; --paper: #fcfcfa; --rule: #d8d8d2; --soft: #63666a; --mark: #e8f1e4; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6e6e3; --paper: #17181a; --rule: #3b3d40; --soft: #a0a3a6; --mark: #24371f; } }
* { box-sizing: border-box; }
body { font: 16px/1.55 system-ui, sans-serif; color: var(--ink); background: var(--paper);
  max-width: 62rem; margin: 0 auto; padding: 1.2rem; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: .6rem 0 .2rem; }
h2 { font-size: 1.2rem; margin: 2.4rem 0 .5rem; border-top: 1px solid var(--rule); padding-top: 1.2rem; }
p { max-width: 46rem; } .lead { font-size: 1.1rem; } .soft { color: var(--soft); }
figure { margin: 1.2rem 0; } figcaption { color: var(--soft); font-size: .95rem; max-width: 46rem; margin-top: .4rem; }
img { width: 100%; height: auto; background: #fff; border-radius: 6px; padding: .3rem; }
.scroll { overflow-x: auto; } table { border-collapse: collapse; font-size: .93rem; margin: .6rem 0; }
th, td { text-align: left; padding: .3rem .8rem .3rem 0; border-bottom: 1px solid var(--rule); vertical-align: top; }
td.n, th.n { text-align: right; font-variant-numeric: tabular-nums; } td.n { white-space: nowrap; }
tr.best td { background: var(--mark); }
code { overflow-wrap: anywhere; }
"""


@dataclass(frozen=True)
class Section:
    """One part of the page: a heading and HTML."""

    title: str
    body: str


def paragraph(text: str, kind: str = "") -> str:
    """Plain text as a paragraph of the CSS class `kind`."""
    return f'<p class="{kind}">{escape(text)}</p>'


def table(head: Sequence[str], rows: Sequence[Sequence[Any]], *, best: int | None = None) -> str:
    """A table; columns whose first value is a number or looks like one are set right, row `best` is marked."""
    numeric = [bool(rows) and str(rows[0][k])[:1].isdigit() for k in range(len(head))]
    kinds = [' class="n"' if number else "" for number in numeric]

    def line(cells: Sequence[Any], tag: str) -> str:
        return "".join(f"<{tag}{kind}>{escape(str(c))}</{tag}>" for c, kind in zip(cells, kinds, strict=True))

    marks = [' class="best"' if k == best else "" for k in range(len(rows))]
    body = "".join(f"<tr{mark}>{line(row, 'td')}</tr>" for mark, row in zip(marks, rows, strict=True))
    return f'<div class="scroll"><table><tr>{line(head, "th")}</tr>{body}</table></div>'


def picture(figure: "Figure", caption: str) -> str:
    """A matplotlib figure with its caption, a sentence that says what it shows."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=150, metadata={"Software": None})
    data = base64.b64encode(stream.getvalue()).decode()
    text = escape(caption)
    return f'<figure><img alt="{text}" src="data:image/png;base64,{data}"><figcaption>{text}</figcaption></figure>'


def write(path: Path, title: str, lead: str, sections: Sequence[Section]) -> Path:
    """Write the page, whole or not at all."""
    parts = "".join(f"<section><h2>{escape(s.title)}</h2>{s.body}</section>\n" for s in sections)
    head = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    page = (
        f'<!doctype html><html lang="en"><head>{head}<title>{escape(title)}</title><style>{STYLE}</style></head>\n'
        f"<body><h1>{escape(title)}</h1>{lead}{parts}</body></html>\n"
    )
    unfinished = path.with_suffix(".part")
    try:
        unfinished.write_text(page, encoding="utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
    return path
