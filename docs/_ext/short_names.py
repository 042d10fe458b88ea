"""Resolve the short names of docstrings as the module that they stand in would: by its own imports and definitions.

``:class:`RunError``` in :mod:`workbench.run.run` leads to :class:`workbench.errors.RunError`, since that module imports it.
A constant has no entry to lead to; that it exists is checked, and its name is shown. Anything else stays a warning.
"""

import importlib
from typing import Any

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util.nodes import make_refnode


def resolve(app: Sphinx, env: BuildEnvironment, node: pending_xref, shown: nodes.Element) -> nodes.Element | None:
    """Called for a reference that Sphinx does not find."""
    if node.get("refdomain") != "py" or not str(node.get("py:module", "")).startswith("workbench"):
        return None
    target = node["reftarget"]
    for module_name, name in ((node["py:module"], target), target.rpartition(".")[::2]):
        if not module_name.startswith("workbench") or not name:
            continue
        try:
            found: Any = importlib.import_module(module_name)
            for part in name.split("."):
                found = getattr(found, part)
        except Exception:  # a module that cannot be imported is warned of elsewhere
            continue
        place = f"{getattr(found, '__module__', '')}.{getattr(found, '__qualname__', '')}"
        entry = env.domains.python_domain.objects.get(place)
        if entry:
            return make_refnode(app.builder, node["refdoc"], entry.docname, entry.node_id, shown, place)
        return shown if name.isupper() else None
    return None


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the resolver."""
    app.connect("missing-reference", resolve)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
