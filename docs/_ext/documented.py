"""A public function, class or method without a docstring is a warning, and the build is strict."""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)
SAID: set[str] = set()  # what was warned of: modules offer names of others, too


def check(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> None:
    """Called for every member that autodoc considers, before those without a docstring are left out."""
    if name.startswith("_") or not (inspect.isroutine(thing) or inspect.isclass(thing) or isinstance(thing, property)):
        return
    target = thing.fget if isinstance(thing, property) else thing
    module, place = str(getattr(target, "__module__", "")), getattr(target, "__qualname__", name)
    if not module.startswith("workbench") or place.endswith("<lambda>") or inspect.getdoc(thing):
        return
    full = f"{module}.{place}"
    if full not in SAID:
        SAID.add(full)
        LOGGER.warning("%s has no docstring", full)


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.connect("autodoc-skip-member", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
