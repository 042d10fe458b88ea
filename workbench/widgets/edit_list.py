"""The edits of an order with their numbers, and the choice of one to take back."""

import html

import ipywidgets

from workbench.pipeline.editing import undo, undo_all
from workbench.pipeline.order_edits import Edit, describe
from workbench.run import Run
from workbench.widgets.buttons import ERROR_COLOUR

LAST, ALL = 0, -1  # choices beside the numbers of edits


class EditList:
    """The list of edits and the choice of those that are taken back.

    Parameters
    ----------
    run : Run
        An ordered run.

    Attributes
    ----------
    listed, which : ipywidgets.Widget
        The list and the choice, to be placed on the page.
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.listed = ipywidgets.HTML()
        self.which = ipywidgets.Dropdown(layout={"width": "110px"})
        self.listed.add_class("wb-edits")
        self.which.add_class("wb-edit-number")

    def show(self) -> bool:
        """Show the edits as they are now; the last one is chosen.

        Returns
        -------
        bool
            Whether there is any.
        """
        edits, left_out = self.run.edits("order"), self.run.info("order").get("edits_left_out", [])
        lines = "".join(f"<li>{html.escape(describe(edit))}</li>" for edit in reversed(edits))
        warnings = "".join(f"<div style='color:{ERROR_COLOUR}'>{html.escape(line)}</div>" for line in left_out)
        # The last edit comes first: of a long list only the beginning is in sight.
        style = "margin:0;max-height:7em;overflow:auto;line-height:1.4"
        listed = f"<ol reversed style='{style}'>{lines}</ol>" if edits else "none"
        self.listed.value = f"<b>Edits:</b> {listed}{warnings}"
        numbers = [(f"edit {number}", number) for number in range(len(edits), 0, -1)]
        self.which.options = [("the last edit", LAST), *numbers, ("all edits", ALL)]
        self.which.value = LAST
        return bool(edits)

    def undo(self) -> list[Edit]:
        """Take the chosen edit back, or all of them.

        Returns
        -------
        list of dict
            The edits that were taken back.

        Raises
        ------
        UsageError
            When there is none.
        """
        if self.which.value == ALL:
            return undo_all(self.run)
        return [undo(self.run, None if self.which.value == LAST else self.which.value)]
