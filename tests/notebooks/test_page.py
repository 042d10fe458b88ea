"""What every notebook does beside its question, on the run of the short sample and without a kernel."""

import shutil

import matplotlib.pyplot as plt
import pytest
from IPython.display import Image

from workbench import widgets
from workbench.errors import MissingStageError, NotebookError
from workbench.notebooks import page
from workbench.notebooks.chain import CHAIN
from workbench.parameters import ClusterParameters, UmapParameters
from workbench.run import Run
from workbench.run.kept import keep


@pytest.fixture
def kept_run(short_run, tmp_path) -> Run:
    """A copy of the run of the short sample, in which an eps of 0.04 is kept."""
    run = Run.open(shutil.copytree(short_run[0].path, tmp_path / "run"))
    keep(run, ClusterParameters(eps=0.04))
    return run


@pytest.fixture
def displayed(monkeypatch) -> list:
    """What is displayed, in its order."""
    found: list = []
    monkeypatch.setattr(page, "display", found.append)
    return found


@pytest.mark.parametrize(
    ("wanted", "headless", "expected"), [(True, None, True), (True, "", True), (True, "1", False), (False, None, False)]
)
def test_is_interactive(monkeypatch, wanted, headless, expected):
    monkeypatch.delenv(page.HEADLESS, raising=False)
    if headless is not None:
        monkeypatch.setenv(page.HEADLESS, headless)
    assert widgets.is_interactive(wanted) is expected


def test_a_person_gets_what_is_kept(kept_run, monkeypatch, capsys):
    """With controls, kept values take the place of defaults and a line says so; headless runs take what they are given."""
    monkeypatch.delenv(page.HEADLESS, raising=False)
    run, controls, clusterer, umap = page.open_run(str(kept_run.path), True, ClusterParameters(), UmapParameters())
    assert (run.path, controls, clusterer.eps, umap) == (kept_run.path, True, 0.04, UmapParameters())
    assert capsys.readouterr().out.startswith("Kept in this run: eps = 0.04")
    _, controls, clusterer = page.open_run(str(kept_run.path), False, ClusterParameters())
    assert (controls, clusterer.eps, capsys.readouterr().out) == (False, 0.0, "")


def test_only_with_a_video_a_run_is_made(sample, tmp_path):
    run, _ = page.open_run(str(tmp_path / "new"), False, video=str(sample))
    assert run.source == sample
    with pytest.raises(MissingStageError):
        page.open_run(str(tmp_path / "none"), False)


def test_a_figure_comes_before_what_it_shows(displayed):
    fig, _ = plt.subplots()
    page.show(fig, "One < two.", "Three.")
    assert displayed[0] is fig and not plt.fignum_exists(fig.number)
    assert displayed[1]._repr_markdown_() == "One &lt; two.\n\nThree." and repr(displayed[1]) == "One < two.\nThree."
    page.show(plt.subplots()[0])
    assert len(displayed) == 3


def test_pictures_of_controls(monkeypatch, tmp_path, displayed):
    """There is one per notebook of the chain, small enough to be kept in it, below a line on its numbers; a missing one is an
    error that says so."""
    for name in CHAIN:
        picture = page.picture_of_controls(name[:2])
        assert isinstance(picture, Image) and picture.data[:2] == b"\xff\xd8" and len(picture.data) < 80_000
    assert all(repr(line).endswith("and not of this run.") for line in displayed) and len(displayed) == len(CHAIN)
    monkeypatch.setattr(page, "notebooks_folder", lambda: tmp_path / "notebooks")
    with pytest.raises(NotebookError, match="take the cell that shows it out"):
        page.picture_of_controls("00")
