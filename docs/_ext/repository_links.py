"""Links to files of the repository that are no pages, as they work on a code host, lead to the page that shows the file.

A module leads to its page, a README that a page includes to that page. Folders have no page: their links become plain text.
Other files, such as notebooks, can be downloaded from the page, which is what MyST makes of them.
"""

import os
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx import addnodes
from sphinx.application import Sphinx
from sphinx.transforms import SphinxTransform

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
PAGES = {
    "README.md": "index",
    "CONTRIBUTING.md": "contributing",
    "CHANGELOG.md": "changelog",
    "benchmarks/README.md": "benchmarks",
    "sweeps/README.md": "sweeps",
    "training/README.md": "training",
    "training/RESULTS.md": "training",
}


class RepositoryLinks(SphinxTransform):
    """Runs when a page has been read, before files to download are collected."""

    default_priority = 880

    def apply(self, **options: Any) -> None:
        """Change the links of the page."""
        kinds = (addnodes.download_reference, addnodes.pending_xref)
        for node in list(self.document.findall(lambda found: isinstance(found, kinds))):
            if node.get("reftype") == "myst":
                self._change(node)

    def _change(self, node: nodes.Element) -> None:
        path, _, anchor = node["reftarget"].partition("#")
        if node.get("refdomain") == "doc":  # MyST takes every Markdown file for a page; one that is none has its whole path
            if not path.startswith("/"):
                return
            path, anchor = f"{path}.md", node.get("reftargetid") or ""
        if not path:
            return
        # Links stand in the file that wrote them, which a page may include.
        written_in = Path(node.source or self.env.doc2path(self.env.docname))
        file = Path(os.path.normpath(written_in.parent / path))
        if not file.is_relative_to(ROOT) or not file.exists():
            return
        inside = file.relative_to(ROOT).as_posix()
        page = PAGES.get(inside)
        if file.suffix == ".md" and file.is_relative_to(DOCS):
            page = file.relative_to(DOCS).as_posix().removesuffix(".md")
        if inside.startswith("workbench/") and (file.suffix == ".py" or (file / "__init__.py").is_file()):
            page = f"generated/api/{inside.removesuffix('.py').removesuffix('/__init__').replace('/', '.')}"
        here = {"refdoc": self.env.docname, "reftype": "myst", "refexplicit": True}
        if page:
            link = addnodes.pending_xref(
                "", *node.children, refdomain="doc", reftarget=page, reftargetid=anchor or None, **here
            )
        elif file.is_dir():
            link = nodes.inline("", "", *node.children)
        else:
            target = os.path.relpath(file, Path(self.env.doc2path(self.env.docname)).parent)
            link = addnodes.download_reference("", *node.children, refdomain=None, reftarget=target, **here)
        node.replace_self(link)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_transform(RepositoryLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
