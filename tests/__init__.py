"""The tests. Folders mirror those of the package; ``helpers`` and ``fixtures`` hold what several of them share."""

from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent  # of the repository
DATA = ROOT / "data"
