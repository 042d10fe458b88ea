"""Short forms of ``make fuzz`` (broken and hostile files instead of a video, a run or a truth) and of ``make kill-test``."""

import os
import subprocess
import sys

import pytest

from tests import ROOT

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="inputs are handled in forks")


def test_broken_and_hostile_files(tmp_path):
    """25 inputs, made from the seed alone: each ends in a one-line error or a complete result, and touches nothing else."""
    command = [sys.executable, "-m", "tests.robustness.fuzz", "--count", "25", "--seed", "3", "--keep", tmp_path / "boxes"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "25 inputs" in answer.stdout and "handled wrongly: none" in answer.stdout


def test_killed_runs_end_with_the_same_bytes(tmp_path):
    """Three runs, killed at moments given by the seed and continued; the second replaces the result of other parameters."""
    command = [sys.executable, "-m", "tests.robustness.kill_runs", "--count", "3", "--seed", "1"]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])}
    answer = subprocess.run(command, capture_output=True, text=True, env=environment | {"TMPDIR": str(tmp_path)}, cwd=tmp_path)
    assert answer.returncode == 0, answer.stdout + answer.stderr
    assert "runs that ended otherwise: none" in answer.stdout
