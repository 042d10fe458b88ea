"""Controls for the ``explore`` cells of notebooks: ipywidgets, and plotly where one clicks, hovers or draws a lasso.

A notebook draws the static figures of :mod:`workbench.viz` first and adds controls only when :func:`is_interactive` says so.
Frames are browsed by :mod:`workbench.widgets.frames`, pairs chosen by :mod:`workbench.widgets.matrix`, the map read by
:mod:`workbench.widgets.map`, scenes tuned by :mod:`workbench.widgets.scenes`, matches inspected by
:mod:`workbench.widgets.matches`, an order changed by :mod:`workbench.widgets.order` and sweeps read by
:mod:`workbench.widgets.sweep`; all can be reached here.
"""

from workbench.widgets.frames import frame_browser, is_interactive
from workbench.widgets.map import map_browser, views_of
from workbench.widgets.matches import match_inspector
from workbench.widgets.matrix import clickable_matrix, similarity_browser
from workbench.widgets.order import order_editor
from workbench.widgets.scenes import scene_tuner
from workbench.widgets.sweep import sweep_browser

__all__ = [
    "clickable_matrix",
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
