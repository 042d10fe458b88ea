"""What the strict build of the documentation does not see: links as a code host follows them, and the picture's boxes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from workbench.run.stages import STAGES

ROOT = Path(__file__).resolve().parents[1]
LINK = re.compile(r"\]\(([^)\s]+)\)")
PAGES = sorted(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "docs", "benchmarks", "data", "sweeps", "training")
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


def test_examples_are_short():
    """A worked example of CONTRIBUTING.md has under 30 lines."""
    examples = re.findall(r"```python\n(.*?)```", (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"), re.DOTALL)
    assert examples and all(example.count("\n") < 30 for example in examples)


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
