"""What the strict build of the documentation does not see: links as a code host follows them, and the picture's boxes."""

import re
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from sklearn.datasets import load_sample_images

from workbench.errors import ModelError
from workbench.matching.sift import sift_features
from workbench.run.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "docs/buttons", "docs/commands", "benchmarks", "data", "sweeps", "training")
    for path in (ROOT / folder).glob("*.md")
)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_to_files(page):
    """Relative links of Markdown files, headings included, as on a code host."""
    for target in LINK.findall((ROOT / page).read_text(encoding="utf-8")):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, heading = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if heading:
            titles = re.findall(r"^#+ (.*)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert heading in [re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles], (
                f"{page}: {target}"
            )


def examples():
    """The blocks of Python in CONTRIBUTING.md."""
    return re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)


def example_modules():
    """Those that are whole modules; a module goes on in the next block when that begins with a class."""
    modules = []
    for example in examples():
        if example.startswith('"""'):
            modules.append(example)
        elif modules and example.startswith("class "):
            modules[-1] += f"\n\n{example}"
    return modules


def test_examples_are_short():
    """A worked example has at most 40 lines, those of docstrings included."""
    assert examples() and all(example.count("\n") <= 40 for example in examples())


@pytest.mark.parametrize("check", [["check"], ["format", "--check"]], ids=" ".join)
def test_example_modules_are_clean(check):
    """They pass ruff as they stand."""
    assert len(example_modules()) == 2
    for module in example_modules():
        command = [
            sys.executable,
            "-m",
            "ruff",
            *check,
            "--no-cache",
            "--stdin-filename",
            ROOT / "workbench/matching/new.py",
            "-",
        ]
        done = subprocess.run(command, cwd=ROOT, input=module, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr


def test_example_matchers_match():
    """Both, on two cuts of a photograph: matches follow the shift, and orb refuses descriptors of another length."""
    found = {}
    for module in example_modules():
        exec(compile(module, "CONTRIBUTING.md", "exec"), found)
    parameters = SimpleNamespace(max_keypoints=300, nms_radius=3, ratio=1.0, min_cosine=0.8, max_hamming=64)
    photograph = load_sample_images().images[0]
    views = [photograph[:400, :600].copy(), photograph[10:410, 20:620].copy(), np.zeros((400, 600, 3), np.uint8)]
    orb = [found["Orb"](parameters)(view, (600, 400)) for view in views]
    sift = [sift_features(view, 300, 0.01, (600, 400)) for view in views]
    for name, (a, b, blank) in {"OrbMatcher": orb, "MutualNearest": sift}.items():
        matcher = found[name](parameters)
        matches, _ = matcher.match([a], [b])[0]
        good = matches >= 0
        error = np.linalg.norm(a.keypoints[good] - [20, 10] - b.keypoints[matches[good]], axis=1)
        assert good.sum() > 100 and (error < 2).mean() > 0.9 and len(np.unique(matches[good])) == good.sum()
        assert all((matcher.match([one], [two])[0][0] == -1).all() for one, two in ((a, blank), (blank, a)))
    with pytest.raises(ModelError, match=r"orb takes descriptors of 256 .* 128: choose --features.keypoints orb"):
        found["OrbMatcher"](parameters).match(orb[:1], sift[:1])


def test_the_picture_has_a_box_for_every_stage(tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "docs")
    import pipeline_picture

    at = pipeline_picture.places()
    assert list(at) == list(STAGES)
    assert len({(place.column, place.row) for place in at.values()}) == len(STAGES)
    assert all(at[before].row < at[stage.name].row for stage in STAGES.values() for before in stage.reads)
    command = [sys.executable, ROOT / "docs/pipeline_picture.py", tmp_path / "pipeline.png"]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    assert (tmp_path / "pipeline.png").stat().st_size < 150 * 2**10
