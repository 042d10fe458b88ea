"""Every notebook in a real browser: JupyterLab runs it, its figures and controls are there, and the controls answer."""

import pytest

from workbench.headless import CHAIN


@pytest.mark.parametrize("name", CHAIN)
def test_runs_and_shows_controls(open_notebook, name: str):
    """All cells run without an error; there are static figures, and a slider or list in the part Explore."""
    notebook = open_notebook(f"notebooks/{name}.ipynb")
    notebook.run_all()
    assert notebook.find(".jp-RenderedImage img").count() > 0
    notebook.find(".jupyter-widgets.widget-hslider, .jupyter-widgets.widget-dropdown").first.wait_for()
    notebook.picture(name)
