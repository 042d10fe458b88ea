"""Conditions of all tests: no network, no screen, no GPU, no logged error, no figure left open.

Fixtures are in ``tests/fixtures``.
"""

import logging
import os
import sys

os.environ["MPLBACKEND"] = "Agg"
if "PYTEST_XDIST_WORKER" in os.environ:  # as many processes as cores: more threads would only wait for each other
    os.environ["OMP_NUM_THREADS"] = "1"
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # results are compared bit by bit, and a GPU rounds differently

import pytest

pytest_plugins = [
    "tests.fixtures.dask",
    "tests.fixtures.decided",
    "tests.fixtures.figures",
    "tests.fixtures.sample",
    "tests.fixtures.short",
]


@pytest.fixture(autouse=True)
def no_logged_error(caplog):
    """A test fails when anything logs an ERROR while it is set up or runs."""
    yield
    records = [record for when in ("setup", "call") for record in caplog.get_records(when)]
    errors = [record.getMessage() for record in records if record.levelno >= logging.ERROR]
    assert not errors, f"logged: {errors}"


@pytest.fixture(autouse=True)
def no_figure_left():
    """A test fails when it leaves a figure open; in a notebook, controls that do so show each figure a second time."""
    yield
    if pyplot := sys.modules.get("matplotlib.pyplot"):
        left = pyplot.get_fignums()
        pyplot.close("all")
        assert not left
