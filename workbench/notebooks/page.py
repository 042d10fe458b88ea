"""What every notebook does beside its question: open the run, show a figure with what it says, show how the controls look."""

import html
import os
from typing import Any

import matplotlib.pyplot as plt
from IPython.display import Image, display
from matplotlib.figure import Figure

from workbench.errors import NotebookError
from workbench.notebooks.chain import notebooks_folder
from workbench.parameters import Parameters
from workbench.run import Run
from workbench.run.kept import with_kept

HEADLESS = "WORKBENCH_HEADLESS"  # environment variable, set where notebooks run without a person
OF_CONTROLS = (
    "Where a kernel runs, the controls are here. This picture shows them on the sample; its numbers are those of the day "
    "when it was taken, and not of this run."
)
CONTROLS_FOLDER = "controls"  # folder of data/ with a picture of the controls of every notebook


def is_interactive(interactive: bool) -> bool:
    """Decide whether a notebook shows its controls.

    Parameters
    ----------
    interactive : bool
        Whether controls are wanted, a parameter of every notebook.

    Returns
    -------
    bool
        True when controls are wanted and the environment variable ``WORKBENCH_HEADLESS`` is unset or empty.
    """
    return bool(interactive) and not os.environ.get(HEADLESS)


def open_run(run_path: str, interactive: bool, *parameters: Parameters, video: Any = None) -> tuple[Any, ...]:
    """Open the run of a notebook, with what is kept in it.

    Parameters
    ----------
    run_path : str
        The run directory.
    interactive : bool
        Whether controls are wanted.
    *parameters : Parameters
        Parameters of the stages that the notebook computes. Where a person works, kept values take the place of defaults, and a
        line is printed that names them.
    video : str or list of str, optional
        The video, for the notebook that may make the run. Default: the run must exist.

    Returns
    -------
    run : Run
        The run.
    controls : bool
        Whether controls are shown, see :func:`is_interactive`.
    *parameters : Parameters
        Those of the stages.

    Raises
    ------
    MissingStageError
        If there is no run at ``run_path``.
    RunError
        If a run of another video is there.
    ParameterError
        If what is kept cannot be used.
    """
    run = Run.open(run_path) if video is None else Run.create(run_path, video)
    controls = is_interactive(interactive)
    return run, controls, *(with_kept(run, chosen) if controls else chosen for chosen in parameters)


class Sentences:
    """Sentences below a figure.

    Parameters
    ----------
    *sentences : str
        Plain text, a paragraph each.
    """

    def __init__(self, *sentences: str) -> None:
        self.sentences = sentences

    def _repr_markdown_(self) -> str:
        return "\n\n".join(html.escape(sentence, quote=False) for sentence in self.sentences)

    def __repr__(self) -> str:
        return "\n".join(self.sentences)


def show(figure: Figure, *sentences: str) -> None:
    """Show a figure, and below it what is seen in it.

    Parameters
    ----------
    figure : Figure
        The figure; it is closed, so that the cell does not show it a second time.
    *sentences : str
        What it shows, plain text, a paragraph each.
    """
    display(figure)
    plt.close(figure)
    if sentences:
        tell(*sentences)


def tell(*sentences: str) -> None:
    """Show sentences, above a table for example.

    Parameters
    ----------
    *sentences : str
        Plain text, a paragraph each.
    """
    display(Sentences(*sentences))


def picture_of_controls(notebook: str) -> Image:
    """Show how the controls of a notebook look, where none run; a line above says where the picture is from.

    Parameters
    ----------
    notebook : str
        Number of the notebook, such as ``03``.

    Returns
    -------
    IPython.display.Image
        The picture, taken on the sample.

    Raises
    ------
    NotebookError
        If the picture is not beside the notebooks.
    """
    path = notebooks_folder().parent / "data" / CONTROLS_FOLDER / f"{notebook}.jpg"
    if not path.is_file():
        raise NotebookError(f"{path} is missing: get it from the repository, or take the cell that shows it out")
    tell(OF_CONTROLS)
    return Image(filename=str(path))
