"""Remove from executed notebooks what changes from run to run and means nothing, so that running them again gives small diffs.

    python tests/clean_notebooks.py notebooks/*.ipynb

Outputs stay, pictures with 256 colours: less than half of the size, and hard to tell apart. Gone are the times of execution,
papermill's notes, the state of widgets, editors' leftovers, the version of the interpreter, addresses in memory, and the random
names that pandas gives to styled tables.
"""

import base64
import io
import re
import sys
from pathlib import Path

import nbformat
from PIL import Image

KERNEL = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
STYLED_TABLE = re.compile(r"\bT_[0-9a-f]{5}")
ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def clean(notebook: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """``notebook``, changed in place. Cells keep their tags and nothing else beside source and outputs."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    names: dict[str, str] = {}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)  # a view of a state that is gone
            if "text/plain" in data:
                data["text/plain"] = ADDRESS.sub("", data["text/plain"])
            if "image/png" in data:
                data["image/png"] = fewer_colours(data["image/png"])
            if "text/html" in data:
                data["text/html"] = STYLED_TABLE.sub(
                    lambda found: names.setdefault(found[0], f"T_{len(names):05x}"), data["text/html"]
                )
    return notebook


def fewer_colours(png: str) -> str:
    """A PNG as base64, with 256 colours at most and nothing but the picture; one that has a palette stays as it is."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        if image.mode == "P":
            return png
        file = io.BytesIO()
        picture = image.convert("RGB")
        # Without dithering colour bars would fall into steps; Pillow dithers only to a palette that is given.
        palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)
        picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def clean_file(path: Path) -> bool:
    """Clean a notebook file; True when it was changed."""
    before = path.read_text(encoding="utf-8")
    after = nbformat.writes(clean(nbformat.reads(before, as_version=4))) + "\n"
    if after != before:
        path.write_text(after, encoding="utf-8")
    return after != before


if __name__ == "__main__":
    if len(sys.argv) < 2:
        sys.exit("usage: python tests/clean_notebooks.py NOTEBOOK...")
    for name in sys.argv[1:]:
        if clean_file(Path(name)):
            print(f"cleaned {name}")
