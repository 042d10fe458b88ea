"""What the matches decided about the scenes: every decision with its frames and its reason, and a button to take it back."""

import html
from typing import Any

import ipywidgets
import numpy as np

from workbench.errors import WorkbenchError
from workbench.pipeline.decision_editing import redo_decision, undo_decision
from workbench.pipeline.decision_edits import decision_lines, decision_strips
from workbench.run import Run
from workbench.scenes.decisions import in_words
from workbench.widgets.frames import gallery

MAX_FRAMES = 10  # pictures shown of the frames of a decision, and of each scene beside them
MAX_ROWS = 8  # decisions that are in view at once
UNDO_LABEL, RESTORE_LABEL = "Undo this decision", "Restore it"
NEXT_HINT = "Next: run all cells of this notebook again, and then all of 05_order_frames."


def decision_browser(run: Run) -> ipywidgets.Widget:
    """Go through the decisions about the scenes, the largest first; see their frames beside the scenes concerned; undo one.

    An undo changes ``scenes.csv`` at once and is recorded in the run, see
    :func:`~workbench.pipeline.decision_editing.undo_decision`. An error of the workbench is shown in one line.

    Parameters
    ----------
    run : Run
        A run whose pairs are matched.

    Returns
    -------
    ipywidgets.Widget
        The list, the pictures and the button; a line of text when nothing was decided.

    Raises
    ------
    MissingStageError, StaleStageError
        If the matches are missing, or out of date.
    """
    if run.decisions().empty:
        return ipywidgets.HTML("no decision was needed: the scenes are those of the clusterer" + _doubts(run))
    return _Browser(run).widget


class _Browser:
    """The list of decisions, the one that is chosen, and its button."""

    def __init__(self, run: Run) -> None:
        self.run, self.images, self.updating = run, run.images(), False
        self.choice = ipywidgets.Select(layout={"width": "100%"})
        self.summary, self.about, self.pictures, self.status = (ipywidgets.HTML() for _ in range(4))
        self.button = ipywidgets.Button(icon="undo", layout={"width": "180px"})
        named = {"summary": self.summary, "choice": self.choice, "about": self.about, "gallery": self.pictures}
        for name, widget in {**named, "undo": self.button, "status": self.status}.items():
            widget.add_class(f"wb-decision-{name}")
        self.read()
        self.choice.observe(self._on_choice, "value")
        self.button.on_click(lambda _: self.change())
        parts = [self.summary, self.choice, self.about, self.pictures, self.button, self.status, ipywidgets.HTML(_doubts(run))]
        self.widget = ipywidgets.VBox(parts, layout={"max_width": "1100px"})
        self.widget.add_class("wb-decisions")

    def read(self) -> None:
        """Read the decisions from the run; the one that was chosen stays so."""
        self.decisions = self.run.decisions().sort_values("frames", ascending=False, kind="stable", ignore_index=True)
        chosen, lines = self.choice.value, decision_lines(self.decisions)
        numbers = self.decisions["number"].tolist()
        self.updating = True
        self.choice.options = list(zip(lines, numbers, strict=True))
        self.choice.value, self.choice.rows = numbers[0] if chosen is None else chosen, min(len(lines) + 1, MAX_ROWS)
        self.updating = False
        frames = self.decisions[~self.decisions["undone"]].groupby("verdict", sort=False)["frames"].sum()
        found = [in_words(str(verdict), int(count)) for verdict, count in frames.items()]
        undone = int(self.decisions["undone"].sum())
        found += [f"{undone} decision{'s were' if undone > 1 else ' was'} undone by hand"] * (undone > 0)
        self.summary.value = f"<b>{html.escape('; '.join(found))}</b>"
        self.draw()

    def draw(self) -> None:
        """Draw the frames of the decision that is chosen beside those of the scenes concerned."""
        row, table = self._chosen(), self.run.scenes_table()
        labels = table["scene"].to_numpy()
        self.pictures.value = "".join(
            f"<b>{heading} ({len(some)})</b><br/>{gallery(self.images, some, labels, MAX_FRAMES)}"
            for heading, some in decision_strips(table, row["number"]).items()
        )
        odds = "" if np.isnan(row["odds"]) else f", {row['odds']:.3g} times likelier if it is right"
        state = "; <b>undone by hand</b>" if row["undone"] else ""
        self.about.value = f"{html.escape(row['reason'])}{odds}{state}"
        self.button.description = RESTORE_LABEL if row["undone"] else UNDO_LABEL
        self.button.icon = "repeat" if row["undone"] else "undo"

    def change(self) -> None:
        """Undo the decision that is chosen, or restore it, and say what to do next."""
        row = self._chosen()
        try:
            if row["undone"]:
                redo_decision(self.run, row["number"])
            else:
                undo_decision(self.run, row["number"])
            self.read()
        except (WorkbenchError, OSError) as error:  # OSError: the disk may be full
            self.status.value = html.escape(str(error))
            return
        where = (
            "as the matches decided" if row["undone"] else "where the clusterer had " + ("it" if row["frames"] == 1 else "them")
        )
        subject = "1 frame is" if row["frames"] == 1 else f"{row['frames']} frames are"
        self.status.value = f"{subject} {where}. {NEXT_HINT}"

    def _on_choice(self, _: object) -> None:
        if not self.updating:
            self.draw()

    def _chosen(self) -> dict[str, Any]:
        """The row of the decision that is chosen."""
        (row,) = self.decisions[self.decisions["number"] == self.choice.value].to_dict("records")
        return row


def _doubts(run: Run) -> str:
    """HTML with what was left as it was, although the matches say something else."""
    doubts = run.info("match").get("doubts", [])
    lines = "".join(f"<li>{html.escape(doubt)}</li>" for doubt in doubts)
    return f"<div><b>Left as it was:</b><ul style='margin:0;line-height:1.4'>{lines}</ul></div>" if doubts else ""
