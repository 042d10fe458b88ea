"""The browser of decisions without a web browser: a decision is chosen, the button pressed, and the run is read afterwards."""

import re
from dataclasses import replace

import numpy as np
import pytest

from tests.fixtures.decided import decided
from tests.pipeline.test_editing import everything
from workbench.errors import StaleStageError
from workbench.parameters import MatchParameters
from workbench.pipeline.decision_editing import compute_again
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.widgets.decisions import NEXT_HINT, decision_browser


class Page:
    """What a person sees of the browser and can press."""

    def __init__(self, run: Run) -> None:
        self.widget = decision_browser(run)

    def __getattr__(self, name: str):
        (found,) = [child for child in self.widget.children if f"wb-decision-{name}" in child._dom_classes]
        return found

    def shown(self) -> list[list[int]]:
        """The frames of every gallery."""
        parts = re.split("<b>", self.gallery.value)[1:]
        return [[int(frame) for frame in re.findall(r"#(\d+)</figure>", part)] for part in parts]


@pytest.fixture
def page(decided_run) -> Page:
    return Page(decided_run)


def test_it_lists_the_decisions(decided_run, page):
    """The largest comes first; its frames are beside those of the scene that it parts them from."""
    assert [number for _, number in page.choice.options] == [0, 1, 2] and page.choice.value == 0
    assert page.choice.options[2][0] == "2: 1 frame was taken back into a scene (25); looks like frame 3"
    assert page.summary.value == (
        "<b>3 frames were parted from their scene; 1 frame was set aside as foreign; 1 frame was taken back into a scene</b>"
    )
    assert page.about.value == "none of 9 pairs registers, 120 times likelier if it is right"
    clustered = decided_run.labels()
    own, beside = page.shown()
    assert own == np.flatnonzero(clustered == 0)[:3].tolist()
    assert len(beside) == 10 and set(beside) <= set(np.flatnonzero(clustered == 0)[3:].tolist())
    assert "in one scene with them by the clusterer (11)" in page.gallery.value
    assert page.gallery.value.count("<img") == 13
    assert "scenes 0 and 1 may be one place" in page.widget.children[-1].value


def test_another_one_is_chosen(page):
    page.choice.value = 2
    assert page.shown()[0] == [25] and page.about.value == "looks like frame 3"
    assert "in one scene with it by the matches" in page.gallery.value


def test_undo_and_restore(decided_run, page):
    """The table changes at once; what was made from it is stale, and the status says what to run."""
    before = everything(decided_run)
    page.choice.value = 2
    page.undo.click()
    run = Run.open(decided_run.path)
    assert run.scenes()[25] == -1 and run.decisions()["undone"].tolist() == [False, False, True]
    assert page.status.value == f"1 frame is where the clusterer had it. {NEXT_HINT}" and "05_order_frames" in NEXT_HINT
    assert page.choice.value == 2 and page.undo.description == "Restore it" and "undone by hand" in page.about.value
    assert page.choice.options[2][0].startswith("2: UNDONE, 1 frame was taken back")
    assert page.summary.value.endswith("set aside as foreign; 1 decision was undone by hand</b>")
    with pytest.raises(StaleStageError):
        run.require("order")
    page.undo.click()
    assert page.status.value.startswith("1 frame is as the matches decided.") and page.undo.description == "Undo this decision"
    after = everything(decided_run)
    assert {name for name in before if after[name] != before[name]} == {"run.json"}
    Run.open(decided_run.path).require("order", "write")


def test_it_opens_on_a_run_that_was_edited(decided_run, page):
    page.undo.click()
    assert page.status.value.startswith("3 frames are where the clusterer had them.")
    compute_again(decided_run, progress=False)
    again = Page(decided_run)
    assert again.undo.description == "Restore it" and again.shown() == page.shown()


def test_an_error_is_one_line(decided_run, page):
    """Somebody else undid the same decision meanwhile."""
    Page(decided_run).undo.click()
    page.undo.click()
    assert page.status.value == "decision 0 is taken back already: restore it, or choose another one"


def test_nothing_was_decided(decided_run):
    with decided(lambda matched, clustered: replace(matched, labels=clustered, decisions=[], doubts=["a <doubt>"])):
        run_stage(decided_run, MatchParameters(match_threshold=0.3), overwrite=True, progress=False)
    text = decision_browser(decided_run).value
    assert text.startswith("no decision was needed: the scenes are those of the clusterer") and "a &lt;doubt&gt;" in text
