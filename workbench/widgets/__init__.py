"""Interactive controls for the ``explore`` cells of the notebooks: ipywidgets, and plotly figures to click, hover or lasso.

A notebook first draws the static figures of :mod:`workbench.viz` and adds controls only where :func:`is_interactive` allows it.
:mod:`~workbench.widgets.frames` browses frames, :mod:`~workbench.widgets.matrix` picks pairs from a matrix,
:mod:`~workbench.widgets.map` explores the UMAP, :mod:`~workbench.widgets.scenes` tunes the clustering,
:mod:`~workbench.widgets.matches` inspects matches, :mod:`~workbench.widgets.decisions` takes back what they decided about the
scenes, :mod:`~workbench.widgets.order` edits the order, and :mod:`~workbench.widgets.sweep` reads the table of a sweep. Their
entry points are all importable from this package.
"""

from workbench.notebooks.page import is_interactive
from workbench.widgets.decisions import decision_browser
from workbench.widgets.frames import frame_browser
from workbench.widgets.map import map_browser, views_of
from workbench.widgets.matches import match_inspector
from workbench.widgets.matrix import clickable_matrix, similarity_browser
from workbench.widgets.order import order_editor
from workbench.widgets.scenes import scene_tuner
from workbench.widgets.sweep import sweep_browser

__all__ = [
    "clickable_matrix",
    "decision_browser",
    "frame_browser",
    "is_interactive",
    "map_browser",
    "match_inspector",
    "order_editor",
    "scene_tuner",
    "similarity_browser",
    "sweep_browser",
    "views_of",
]
