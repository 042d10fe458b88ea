"""Controls for the ``explore`` cells of notebooks: ipywidgets, and plotly where one clicks, hovers or draws a lasso.

A notebook draws the static figures of :mod:`workbench.viz` first and adds controls only when :func:`is_interactive` says so.
Frames and pairs are chosen with :mod:`workbench.widgets_frames` and :mod:`workbench.widgets_matrix`.
"""

from workbench.widgets_frames import eps_slider, frame_browser, is_interactive, pair_chooser
from workbench.widgets_matrix import clickable_matrix, similarity_browser

__all__ = ["clickable_matrix", "eps_slider", "frame_browser", "is_interactive", "pair_chooser", "similarity_browser"]
