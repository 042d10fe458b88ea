"""Controls for the ``explore`` cells of notebooks: ipywidgets, and plotly where one clicks, hovers or draws a lasso.

A notebook draws the static figures of :mod:`workbench.viz` first and adds controls only when :func:`is_interactive` says so.
Frames are browsed by :mod:`workbench.widgets_frames`, pairs chosen by :mod:`workbench.widgets_matrix`, the map read by
:mod:`workbench.widgets_map`, scenes tuned by :mod:`workbench.widgets_scenes`, matches inspected by
:mod:`workbench.widgets_matches`, an order changed by :mod:`workbench.widgets_order` and sweeps read by
:mod:`workbench.widgets_sweep`; all can be reached here.
"""

from workbench.widgets_frames import frame_browser, is_interactive
from workbench.widgets_map import map_browser, views_of
from workbench.widgets_matches import match_inspector
from workbench.widgets_matrix import clickable_matrix, similarity_browser
from workbench.widgets_order import order_editor
from workbench.widgets_scenes import scene_tuner
from workbench.widgets_sweep import sweep_browser

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
