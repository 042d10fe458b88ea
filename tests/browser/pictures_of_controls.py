"""Make the pictures of the controls that notebooks show where no controls run, from those that the browser tests leave.

    make browser-test && .venv/bin/python -m tests.browser.pictures_of_controls

They are written to data/controls/, one per notebook, small enough to be kept in a notebook.
"""

from PIL import Image

from tests.browser.pages import PICTURES, ROOT

OUT = ROOT / "data" / "controls"
WIDTH, QUALITY = 760, 62
# Left, top, right and bottom of the controls in the picture of the visible page, px.
BOXES = {
    "00_make_corrupted_clip": (110, 345, 1360, 720),
    "01_embed": (110, 265, 1360, 800),
    "02_visualise_clusters": (110, 255, 1360, 965),
    "03_tune_eps": (80, 85, 1360, 965),
    "04_inspect_matches": (110, 85, 1360, 890),
    "05_order_frames": (80, 85, 1360, 965),
}


def main() -> None:
    """Cut the pictures out and make them smaller."""
    OUT.mkdir(exist_ok=True)
    for name, box in BOXES.items():
        with Image.open(PICTURES / f"{name}.png") as page:
            controls = page.convert("RGB").crop(box)
        controls = controls.resize((WIDTH, round(WIDTH * controls.height / controls.width)), Image.Resampling.LANCZOS)
        controls.save(OUT / f"{name[:2]}.jpg", quality=QUALITY, optimize=True)


if __name__ == "__main__":
    main()
