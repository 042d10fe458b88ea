"""Make the pictures of the controls that notebooks show where no controls run, from those that the browser tests leave.

    make browser-test && .venv/bin/python -m tests.browser.pictures_of_controls

They are written to data/controls/, one per notebook, small enough to be kept in a notebook.
"""

from PIL import Image, ImageChops

from tests.browser.pages import PICTURES, ROOT
from workbench.notebooks.chain import CHAIN

OUT = ROOT / "data" / "controls"
WIDTH, QUALITY = 760, 62
EDGE, MARGIN = 3, 6  # px at the edges that may hold lines of the page; px that are left around what is not white
WHITE = 8  # difference to white up to which a pixel counts as white


def trimmed(picture: Image.Image) -> Image.Image:
    """An RGB picture without its white margins."""
    picture = picture.crop((EDGE, EDGE, picture.width - EDGE, picture.height - EDGE))
    ink = (
        ImageChops.difference(picture, Image.new("RGB", picture.size, "white")).convert("L").point(lambda value: value > WHITE)
    )
    left, top, right, bottom = ink.getbbox()
    right, bottom = min(picture.width, right + MARGIN), min(picture.height, bottom + MARGIN)
    return picture.crop((max(0, left - MARGIN), max(0, top - MARGIN), right, bottom))


def main() -> None:
    """Trim the pictures and make them smaller; none is made larger."""
    OUT.mkdir(exist_ok=True)
    for name in CHAIN:
        with Image.open(PICTURES / f"{name}.png") as page:
            controls = trimmed(page.convert("RGB"))
        controls.thumbnail((WIDTH, controls.height), Image.Resampling.LANCZOS)
        controls.save(OUT / f"{name[:2]}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
