"""Video reconstruction workbench: a shuffled video with foreign frames goes in, the video comes back.

The package stays thin: arrays in, arrays out, one module a job; only :mod:`workbench.run.run` decides paths.
Nothing heavy is imported here, so that ``workbench --help`` answers at once.
"""

__version__ = "0.1.0"
