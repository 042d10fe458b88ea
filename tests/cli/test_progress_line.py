"""The line about a whole run: who sees it, and where it ends."""

import pytest

from workbench.cli import progress_line as line_module
from workbench.cli.progress_line import progress_line
from workbench.pipeline import cost
from workbench.run.stages import STAGES, stage_parameters


@pytest.fixture
def watched(monkeypatch):
    """A terminal, and a clip of 100 frames of which nothing is finished."""
    monkeypatch.setattr(line_module, "is_watched", lambda: True)
    monkeypatch.setattr(cost, "clip_size", lambda *_: cost.ClipSize(100, 640, 480))
    monkeypatch.setattr(cost, "finished_stages", lambda *_: set())


def test_a_terminal_sees_the_estimate_and_the_whole(watched, capsys):
    with progress_line(None, stage_parameters({})) as whole:
        whole.begin(STAGES["video"])
        whole.told(100, 0, 100)
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("100 frames, about 500 pairs: about ")
    assert told.err.rsplit("\r", 1)[1].startswith("100% |")


def test_an_error_leaves_the_line_where_it_is(watched, capsys):
    with pytest.raises(KeyboardInterrupt), progress_line(None, stage_parameters({})) as whole:
        whole.begin(STAGES["video"])
        whole.told(50, 0, 100)
        raise KeyboardInterrupt
    last = capsys.readouterr().err.rsplit("\r", 1)[1]
    assert "| video, about " in last and last.rstrip().endswith("left, 50/100") and "100% |" not in last


def test_a_log_sees_nothing(watched, monkeypatch, capsys):
    monkeypatch.setattr(line_module, "is_watched", lambda: False)
    with progress_line(None, stage_parameters({})) as whole:
        whole.begin(STAGES["video"])
    assert capsys.readouterr().err == ""
