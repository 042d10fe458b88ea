"""The documentation: ``make docs`` builds it into ``build/docs``. Warnings are errors, and no network is needed."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
sys.path[:0] = [str(HERE.parent), str(HERE), str(HERE / "_ext")]
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ["HF_HUB_OFFLINE"] = "1"

from numpydoc.docscrape_sphinx import SphinxDocString  # noqa: E402
from pipeline_picture import draw  # noqa: E402

import workbench  # noqa: E402

project = "Video reconstruction workbench"
author = "the authors of the video reconstruction workbench"
copyright = author
version = release = workbench.__version__

extensions = [
    "myst_parser",
    "numpydoc",  # before autodoc's pages are written: it reads the sections of docstrings
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx_click",
    "documented",
    "examples",
    "mathtext",
    "repository_links",
    "short_names",
]
templates_path = ["_templates"]
nitpicky = True

myst_enable_extensions = ["dollarmath", "deflist", "colon_fence", "attrs_inline"]
myst_heading_anchors = 3

autosummary_generate = True
autodoc_default_options = {"members": True, "member-order": "bysource"}
# Sections of the docstrings say what goes in and comes out; types in signatures would say it twice.
autodoc_typehints = "none"
autodoc_preserve_defaults = True
numpydoc_show_class_members = False
numpydoc_xref_param_type = False  # "(N, D) float32 array" is text, no class
# What the docstring of a class says of an attribute stands: numpydoc would put the docstring of its value in its place.
_process_param = SphinxDocString._process_param
SphinxDocString._process_param = lambda self, param, about, _: _process_param(self, param, about, False)

html_math_renderer = "mathtext"
html_theme = "furo"
html_title = "Video reconstruction workbench"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_show_copyright = False

draw(HERE / "generated/pipeline.svg")
