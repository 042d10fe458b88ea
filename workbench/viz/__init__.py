"""Figures for notebooks and reports: arrays in, a matplotlib ``Figure`` out.

All of them are available here: ``from workbench import viz`` and ``fig = viz.umap_scatter(...)``. Figures are made with
``plt.subplots``, so a notebook shows them at the end of the cell: assign the returned figure, or the cell shows it twice.
Functions with an ``ax`` argument draw into it when it is given. A scene has the same colour and marker in every figure;
outliers (label -1) are grey crosses.
"""

from workbench.viz.charts import (
    eps_curve,
    frame_change_plot,
    frame_changes,
    k_distance_curve,
    umap_scatter,
)
from workbench.viz.maps import nearest_frames, picture_map, scene_maps, value_map
from workbench.viz.matrices import match_counts_matrix, similarity_before_after, similarity_matrix
from workbench.viz.order import (
    alignment_error_plot,
    link_confidence_plot,
    order_against_truth,
    scene_overlay_before_after,
)
from workbench.viz.pairs import plot_images, plot_matches, registered_overlay
from workbench.viz.pictures import (
    OUTLIER_COLOUR,
    SCENE_COLOURS,
    cluster_gallery,
    film_strip,
    named_strips,
    overlay_figure,
    scene_colour,
    scene_marker,
    scene_name,
    strips_before_after,
)

__all__ = [
    "OUTLIER_COLOUR",
    "SCENE_COLOURS",
    "alignment_error_plot",
    "cluster_gallery",
    "eps_curve",
    "film_strip",
    "frame_change_plot",
    "frame_changes",
    "k_distance_curve",
    "link_confidence_plot",
    "match_counts_matrix",
    "named_strips",
    "nearest_frames",
    "order_against_truth",
    "overlay_figure",
    "picture_map",
    "plot_images",
    "plot_matches",
    "registered_overlay",
    "scene_colour",
    "scene_maps",
    "scene_marker",
    "scene_name",
    "scene_overlay_before_after",
    "similarity_before_after",
    "similarity_matrix",
    "strips_before_after",
    "umap_scatter",
    "value_map",
]
