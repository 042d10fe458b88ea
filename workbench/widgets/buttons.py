"""Buttons that say in one line what they did, or why they could not."""

import html
from collections.abc import Callable

import ipywidgets

from workbench.errors import WorkbenchError

ERROR_COLOUR = "#D55E00"  # of what went wrong


class ReportingButtons:
    """Makes buttons that report to one place.

    Parameters
    ----------
    report : callable
        Called with HTML of one line, str, and whether it is an error, bool.
    """

    def __init__(self, report: Callable[[str, bool], None]) -> None:
        self.report = report

    def make(
        self, label: str, name: str, act: Callable[[], str], icon: str, tooltip: str, width: str = "120px"
    ) -> ipywidgets.Button:
        """Make a button.

        Parameters
        ----------
        label : str
            Its text.
        name : str
            A class of the button, by which a page finds it.
        act : callable
            What it does; it returns what is reported, HTML of one line. An error that a person can mend is reported instead.
        icon, tooltip : str
            The Font Awesome name of its icon, and a longer text.
        width : str
            Width of the button, in CSS.

        Returns
        -------
        ipywidgets.Button
            The button.
        """
        button = ipywidgets.Button(description=label, icon=icon, tooltip=tooltip, layout={"width": width})
        button.add_class(name)

        def _clicked(_: object) -> None:
            try:
                self.report(act(), False)
            except (WorkbenchError, OSError) as error:  # OSError: the disk may be full
                self.report(html.escape(str(error)), True)

        button.on_click(_clicked)
        return button
