"""What HTML reports share: one file that opens anywhere, without a request to anywhere, no date and no run inside."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from typing import Any

CSS = """
:root { --ink: #26323d; --soft: #66747f; --line: #e3e8ec; --model: #1f6f8b; --other: #b9c6ce; }
* { box-sizing: border-box; }
body { margin: 0; background: #f6f8f9; color: var(--ink); font: 16px/1.55 system-ui, "Segoe UI", Roboto, sans-serif; }
main { max-width: 860px; margin: 0 auto; padding: 28px 16px 56px; }
h1 { font-size: 1.6rem; margin: 0 0 2px; }
h2 { font-size: 1.12rem; margin: 0 0 10px; }
p { margin: 10px 0 0; }
ul { margin: 0; padding-left: 20px; }
li { margin: 4px 0; }
section { background: #fff; border: 1px solid var(--line); border-radius: 10px; padding: 18px 20px; margin-top: 16px; }
img { display: block; width: 100%; max-width: 720px; height: auto; margin: 0 auto; }
code { font-size: .88rem; overflow-wrap: anywhere; }
.soft { color: var(--soft); font-size: .92rem; }
.head { display: flex; flex-wrap: wrap; align-items: center; gap: 4px 18px; }
.big { font-size: 2.7rem; font-weight: 650; color: var(--model); line-height: 1.1; }
.facts { display: flex; flex-wrap: wrap; gap: 10px 30px; margin-top: 12px; }
.facts b { display: block; font-size: 1.2rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 7px 12px 7px 0; border-top: 1px solid var(--line); vertical-align: top; }
th { border-top: 0; color: var(--soft); font-weight: 500; font-size: .88rem; }
td.n, th.n { text-align: right; white-space: nowrap; padding: 7px 0 7px 12px; }
.bar { height: 7px; border-radius: 4px; background: var(--other); margin-top: 5px; }
.first td { font-weight: 600; }
.first .soft { font-weight: 400; }
.first .bar { background: var(--model); }
"""


def page(title: str, parts: Iterable[str]) -> str:
    """A whole page. title: of the tab and on top; parts: sections."""
    meta = '<meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">'
    head = f"<head>{meta}<title>slyk: {escape(title)}</title><style>{CSS}</style></head>"
    body = "\n".join([f"<h1>{escape(title[:1].upper() + title[1:])}</h1>", *parts])
    return f'<!doctype html>\n<html lang="en">{head}\n<body><main>\n{body}\n</main></body></html>\n'


def section(title: str, body: str) -> str:
    """A box with a heading; body: HTML."""
    return f"<section><h2>{escape(title)}</h2>{body}</section>"


def alike(title: str, rows: Iterable[tuple[str, str, Mapping[str, Any]]]) -> str:
    """A section on what `slyk.duplicates.compare` found: of which photos, like what, and its figures."""
    body = ""
    for whose, other, found in rows:
        if not found["num_photos"]:
            body += f"<p>No {escape(whose)} to compare.</p>"
            continue
        looked = f", {found['num_looked_at']} of them looked at" * (found["num_looked_at"] < found["num_like_hash"])
        body += (
            f"<p><b>{found['num']}</b> of {found['num_photos']} {escape(whose)} ({found['share']:.2%}) show the same "
            f'picture as {escape(other)} <span class="soft">(alike by hash: '
            f"{found['num_like_hash']}{looked}).</span></p>"
        )
        pairs = "".join(f"<li><code>{escape(pair)}</code></li>" for pair in found["pairs"])
        body += f"<ul>{pairs}</ul>" * bool(pairs)
    return section(title, body)


def image(title: str, png: bytes) -> str:
    """A picture inside of the page."""
    return f'<img alt="{escape(title)}" src="data:image/png;base64,{base64.b64encode(png).decode()}">'


def table(names: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table whose first column is text and whose others are numbers; cells are HTML."""
    head = "".join(f'<th class="{"n" if i else ""}">{escape(name)}</th>' for i, name in enumerate(names))
    body = "".join(
        "<tr>" + "".join(f'<td class="{"n" if i else ""}">{cell}</td>' for i, cell in enumerate(row)) + "</tr>"
        for row in rows
    )
    return f'<div class="wide"><table><tr>{head}</tr>{body}</table></div>'
