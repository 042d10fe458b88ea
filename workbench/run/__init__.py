"""The run directory: which stages there are, where their files lie, and what of them is finished and up to date.

``Run`` is offered here too: ``from workbench.run import Run``. It is imported when it is asked for, since the command line asks
other modules of this package for names alone.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from workbench.run.run import Run

__all__ = ["Run"]


def __getattr__(name: str) -> Any:
    if name != "Run":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from workbench.run.run import Run

    return Run
