"""The HTML of tables and pages, for all reports."""

import html
from collections.abc import Sequence

PAGE_STYLE = """<style>
body { font: 16px/1.5 sans-serif; color: #222; max-width: 1040px; margin: 2em auto; padding: 0 1em; }
h1, h2 { font-weight: 500; margin: 1.6em 0 0.5em; }
img, video { max-width: 100%; }
table { border-collapse: collapse; font-size: 15px; }
th, td { text-align: left; padding: 0.15em 1.2em 0.15em 0; border-bottom: 1px solid #ddd; }
.summary { display: flex; flex-wrap: wrap; gap: 3em; align-items: flex-start; }
.anchor-link { display: none; }
.warning { background: #fff3cd; padding: 0.5em 1em; }
</style>"""


def html_table(rows: Sequence[Sequence[str]], heading: Sequence[str] = ()) -> str:
    """Make a table in HTML.

    Parameters
    ----------
    rows : sequence of rows
        The cells of every row, plain text.
    heading : sequence of str
        The headings of the columns, plain text. Default: no heading.

    Returns
    -------
    str
        The table as HTML.
    """
    lines = [("th", heading)] if heading else []
    lines += [("td", row) for row in rows]
    cells = ("".join(f"<{tag}>{html.escape(text)}</{tag}>" for text in line) for tag, line in lines)
    return "<table>" + "".join(f"<tr>{line}</tr>" for line in cells) + "</table>"


def html_page(title: str, body: str) -> str:
    """Make a page that needs nothing but itself.

    Parameters
    ----------
    title : str
        Plain text.
    body : str
        HTML.

    Returns
    -------
    str
        The page as HTML.
    """
    head = f"<meta charset='utf-8'><title>{html.escape(title)}</title>{PAGE_STYLE}"
    return f"<!DOCTYPE html>\n<html lang='en'><head>{head}</head>\n<body>{body}</body></html>\n"
