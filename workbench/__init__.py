"""Video reconstruction workbench: a shuffled video with foreign frames goes in, the video comes back.

A folder is a station of the video on its way, or serves the stations; :mod:`workbench.run` alone decides paths. What
notebooks use most has short names: ``from workbench import stages, viz, widgets`` and ``from workbench.run import Run``.
Nothing is imported before it is asked for, so that ``workbench --help`` answers at once.
"""

from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from workbench.pipeline import stages

__all__ = ["stages"]
__version__ = "0.1.0"


def __getattr__(name: str) -> ModuleType:
    if name != "stages":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return import_module("workbench.pipeline.stages")
