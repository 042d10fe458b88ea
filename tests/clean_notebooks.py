"""Remove from executed notebooks what changes from run to run without a meaning, so that running them again gives small diffs.

    python -m tests.clean_notebooks notebooks/*.ipynb
    python -m tests.clean_notebooks --check notebooks/*.ipynb    # changes nothing, and fails where something would be removed

Outputs stay; pictures are reduced to 256 colours, which more than halves their size and is hardly visible. Removed are times of
execution, the metadata of papermill and of editors, the state of widgets, the version of the interpreter, memory addresses,
and the random names that pandas gives to styled tables.
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
    """Clean a notebook in place and return it. Cells keep only their tags, source and outputs."""
    notebook.metadata = nbformat.from_dict({"kernelspec": KERNEL, "language_info": {"name": "python"}})
    names: dict[str, str] = {}
    for cell in notebook.cells:
        tags = cell.metadata.get("tags")
        cell.metadata = nbformat.from_dict({"tags": tags} if tags else {})
        for output in cell.get("outputs", []):
            if "metadata" in output:
                output.metadata = nbformat.from_dict({})
            data = output.get("data", {})
            data.pop("application/vnd.jupyter.widget-view+json", None)  # a view of a widget state that is removed
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
    """Reduce a base64 PNG to at most 256 colours and to the picture alone; a PNG with a palette is returned unchanged."""
    with Image.open(io.BytesIO(base64.b64decode(png))) as image:
        if image.mode == "P":
            return png
        file = io.BytesIO()
        picture = image.convert("RGB")
        # Dithering avoids visible steps in colour bars; Pillow dithers only when a palette is given.
        palette = picture.quantize(256, method=Image.Quantize.MAXCOVERAGE)
        picture.quantize(palette=palette, dither=Image.Dither.FLOYDSTEINBERG).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def clean_file(path: Path, check: bool = False) -> bool:
    """Clean a notebook file, or with ``check`` leave it as it is; return whether there was something to remove."""
    before = path.read_text(encoding="utf-8")
    after = nbformat.writes(clean(nbformat.reads(before, as_version=4))) + "\n"
    if after != before and not check:
        path.write_text(after, encoding="utf-8")
    return after != before


def main(arguments: list[str]) -> int:
    """Clean or check the notebooks that are named; return the exit status."""
    check = arguments[:1] == ["--check"]
    names = arguments[check:]
    if not names:
        sys.exit("usage: python -m tests.clean_notebooks [--check] NOTEBOOK...")
    changed = [name for name in names if clean_file(Path(name), check)]
    for name in changed:
        print(f"{name} is not clean: run `python -m tests.clean_notebooks {name}`" if check else f"cleaned {name}")
    return int(check and bool(changed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
