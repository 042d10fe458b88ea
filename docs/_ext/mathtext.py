"""Formulas as SVG, drawn by matplotlib's mathtext while the pages are built: they need neither LaTeX nor a network.

Sphinx's own renderers load MathJax from the network or call LaTeX. mathtext knows fractions, sums, indices, roots and Greek
letters, but no environments such as ``cases``: a formula it does not understand is a warning, and the build is strict.
"""

from html import escape
from typing import Any

import matplotlib
from docutils import nodes
from matplotlib.font_manager import FontProperties
from matplotlib.path import Path as Outline
from matplotlib.textpath import TextPath, TextToPath
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

LOGGER = logging.getLogger(__name__)
SIZE = 20  # of the outlines, in units of the picture
EM = 1.2  # height of a formula's text beside that of the text around it
LETTERS = {Outline.MOVETO: "M", Outline.LINETO: "L", Outline.CURVE3: "Q", Outline.CURVE4: "C"}


def as_svg(formula: str, is_block: bool) -> str:
    """Draw a formula in the colour of the text around it."""
    with matplotlib.rc_context({"mathtext.fontset": "cm"}):
        text = f"${' '.join(formula.split())}$"
        width, height, depth = TextToPath().get_text_width_height_descent(text, FontProperties(size=SIZE), True)
        outline = TextPath((0, 0), text, size=SIZE)
    parts = []
    for points, code in outline.iter_segments(simplify=False, curves=True):
        if code == Outline.CLOSEPOLY:
            parts.append("Z")
        else:
            pairs = [f"{x:.2f} {-y:.2f}" for x, y in points.reshape(-1, 2)]
            parts.append(LETTERS[code] + " ".join(pairs))
    scale, edge = EM / SIZE, 1
    box = f"{-edge} {-(height - depth) - edge:.2f} {width + 2 * edge:.2f} {height + 2 * edge:.2f}"
    style = f"width:{(width + 2 * edge) * scale:.3f}em;height:{(height + 2 * edge) * scale:.3f}em;"
    style += "" if is_block else f"vertical-align:{-(depth + edge) * scale:.3f}em"
    label = escape(formula.strip())
    return (
        f'<svg class="formula" role="img" aria-label="{label}" viewBox="{box}" style="{style}">'
        f'<title>{label}</title><path fill="currentColor" d="{"".join(parts)}"/></svg>'
    )


def _draw(node: Any, is_block: bool) -> str:
    try:
        return as_svg(node.astext(), is_block)
    except ValueError as error:
        LOGGER.warning("formula cannot be drawn: %s", " ".join(str(error).split()), location=node)
        return f"<code>{escape(node.astext())}</code>"


def visit_inline(self: Any, node: nodes.math) -> None:
    """Write a formula inside a line."""
    self.body.append(_draw(node, is_block=False))
    raise nodes.SkipNode


def visit_block(self: Any, node: nodes.math_block) -> None:
    """Write a formula on a line of its own."""
    self.body.append('<div class="formula-block">')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})</span>')
    self.body.append(_draw(node, is_block=True))
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer."""
    app.add_html_math_renderer("mathtext", (visit_inline, None), (visit_block, None))
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
