"""A public function, class or method without a docstring is a warning, and the build is strict."""

import inspect
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

LOGGER = logging.getLogger(__name__)


def check(app: Sphinx, what: str, name: str, thing: Any, skip: bool, options: Any) -> None:
    """Called for every member that autodoc considers, before those without a docstring are left out."""
    if name.startswith("_") or not (inspect.isroutine(thing) or inspect.isclass(thing) or isinstance(thing, property)):
        return
    target = thing.fget if isinstance(thing, property) else thing
    if str(getattr(target, "__module__", "")).startswith("workbench") and not inspect.getdoc(thing):
        LOGGER.warning("%s.%s has no docstring", target.__module__, getattr(target, "__qualname__", name))


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the check."""
    app.connect("autodoc-skip-member", check)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
