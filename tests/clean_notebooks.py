"""Remove from executed notebooks what changes from run to run without a meaning, so that running them again gives small diffs.

    python -m tests.clean_notebooks notebooks/*.ipynb
    python -m tests.clean_notebooks --check notebooks/*.ipynb    # changes nothing, and fails where something would be removed

Parameters cells are brought in line with the parameters of the stages: a new parameter gets its line, comments are those of
the dataclasses. Outputs stay; pictures are reduced to 256 colours, which more than halves their size and is hardly visible.
Removed are times of execution, the metadata of papermill and of editors, the state of widgets, the version of the
interpreter, memory addresses, and the random names that pandas gives to styled tables.
"""

import base64
import io
import json
import re
import sys
from dataclasses import fields
from pathlib import Path

import nbformat
from PIL import Image

from workbench.run.stages import STAGES

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


def write_parameters(notebook: nbformat.NotebookNode, stem: str) -> nbformat.NotebookNode:
    """Bring the parameters cell of a notebook in line with the stages that it computes, in place; return the notebook.

    Comments become those of the dataclasses, and a parameter that is new gets a line, with its default, where it stands in its
    dataclass, if it is to have one. Values stay.
    """
    kinds = [stage.parameters for stage in STAGES.values() if stage.notebook == stem]
    own = [item for kind in kinds for item in fields(kind) if item.metadata["in_cell"]]
    for cell in notebook.cells:
        if not own or "parameters" not in cell.metadata.get("tags", []):
            continue
        lines = {line.partition(" = ")[0]: line for line in cell.source.splitlines()}
        for place, item in enumerate(own):
            literal = json.dumps(item.default) if isinstance(item.default, str) else repr(item.default)
            value = lines[item.name].partition("  # ")[0] if item.name in lines else f"{item.name} = {literal}"
            if item.name not in lines:
                before = own[place - 1].name if place else next(iter(lines))
                names = list(lines)
                names.insert(names.index(before) + 1, item.name)
                lines = {name: lines.get(name, "") for name in names}
            lines[item.name] = f"{value}  # {item.metadata['about']}"
        cell.source = "\n".join(lines.values())
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
    notebook = write_parameters(nbformat.reads(before, as_version=4), path.stem)
    after = nbformat.writes(clean(notebook)) + "\n"
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
