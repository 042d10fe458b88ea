"""Plotly figures in JupyterLab: clicks in the page reach the kernel, and WebGL draws.

The notebook is made here: a heatmap of 200 x 200 cells, two clouds of 500 points each that WebGL draws (x below 1 and above 1),
and callbacks that record the events.
"""

import cv2
import nbformat
import numpy as np
from nbformat import v4

from tests.clean_notebooks import KERNEL

IMPORTS = "import ipywidgets\nimport numpy as np\nimport plotly.graph_objects as go"
HEATMAP = """\
heat = go.FigureWidget(go.Heatmap(z=np.random.default_rng(0).random((200, 200))))
caption = ipywidgets.HTML("nothing")
def hear(trace, points, state):
    caption.value = f"x {points.xs}, y {points.ys}"
heat.data[0].on_click(hear)
display(caption.add_class("proof-caption"), ipywidgets.VBox([heat]).add_class("proof-heatmap"))"""
CLOUDS = """\
places = np.random.default_rng(1).random((2, 2, 500)) + [[[0], [0]], [[1], [0]]]
clouds = go.FigureWidget([go.Scattergl(x=x, y=y, mode="markers") for x, y in places], {"dragmode": "lasso"})
chosen = {}
clouds.data[0].on_selection(lambda trace, points, state: chosen.update(left=points.point_inds))
clouds.data[1].on_selection(lambda trace, points, state: chosen.update(right=points.point_inds))
display(ipywidgets.VBox([clouds]).add_class("proof-clouds"))"""


def test_click_and_lasso(site, open_notebook):
    """A click on the cell (120, 40) reaches ``on_click``, and its answer the page; a lasso around the left cloud selects it.

    x = 1, which separates the clouds, lies in the middle of the drawing area.
    """
    cells = [v4.new_code_cell(source) for source in (IMPORTS, HEATMAP, CLOUDS)]
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), site / "notebooks" / "plotly.ipynb")
    notebook = open_notebook("notebooks/plotly.ipynb")
    notebook.run_all()
    shown = notebook.changed_text(".proof-caption", lambda: notebook.click_plot(".proof-heatmap", 120, 40))
    assert shown == ("nothing", "x [120], y [40]")
    notebook.lasso_plot(".proof-clouds", [(0.01, 0.01), (0.5, 0.01), (0.5, 0.99), (0.01, 0.99)])
    notebook.wait_for_python("chosen.get('left')")
    chosen = notebook.python("chosen")
    assert len(chosen["left"]) > 490
    assert len(chosen["right"]) < 10
    picture = cv2.imread(str(notebook.picture("plotly", ".proof-clouds")))
    blue = (np.abs(picture.astype(int) - (250, 110, 99)).max(axis=2) < 12).mean()  # #636efa, plotly's first colour, as BGR
    assert blue > 0.01
