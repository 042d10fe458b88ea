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
            if node.get("reftype") != "myst" or node.get("refdomain") is not None:
                continue
            path, _, anchor = node["reftarget"].partition("#")
            if not path:
                continue
            file = Path(os.path.normpath(Path(self.env.doc2path(self.env.docname)).parent / path))
            if not file.is_relative_to(ROOT) or not file.exists():
                continue
            inside = file.relative_to(ROOT).as_posix()
            module = inside.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            page = PAGES.get(inside)
            if inside.startswith("workbench") and (inside.endswith(".py") or (file / "__init__.py").is_file()):
                page = f"generated/api/{module}"
            if page:
                link = addnodes.pending_xref(
                    "",
                    *node.children,
                    refdomain="doc",
                    reftype="myst",
                    reftarget=page,
                    reftargetid=anchor or None,
                    refexplicit=True,
                    refdoc=self.env.docname,
                )
                node.replace_self(link)
            elif file.is_dir():
                node.replace_self(nodes.inline("", "", *node.children))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the transform."""
    app.add_transform(RepositoryLinks)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
