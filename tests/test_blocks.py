"""Keypoints and matches of one clip, spread over the workers of a Dask scheduler by blocks.

The video is :func:`tiny.mixture`, 27 frames; blocks are made as small as 4 frames and 9 pairs, so that there are several.
Workers are processes on loopback, a thread each.
"""

import os
import pickle
import signal
import subprocess
import time
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from conftest import FAST, dask_processes
from distributed import LocalCluster
from tiny import encode, mixture, refused, workbench

from workbench import features, hloc, match, spread
from workbench.blocks import Loaded
from workbench.errors import RunError
from workbench.parameters import MatchParameters
