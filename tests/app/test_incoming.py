"""Names of what is dropped, and how it is given to the pipeline."""

import pytest

from workbench.app.incoming import given_to, plain_name
from workbench.run.run import UPLOAD


@pytest.mark.parametrize(
    ("files", "given"),
    [
        (["clip.mp4"], "clip.mp4"),
        (["b10.png", "b9.png"], ["b9.png", "b10.png"]),
        (["holiday/a.png", "holiday/b.png"], "holiday"),
        (["holiday/clip.mp4"], "holiday/clip.mp4"),
    ],
)
def test_what_was_dropped_is_given_as_on_the_command_line(tmp_path, files, given):
    for file in files:
        (tmp_path / UPLOAD / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / UPLOAD / file).touch()
    expected = [tmp_path / UPLOAD / name for name in given] if isinstance(given, list) else tmp_path / UPLOAD / given
    assert given_to(tmp_path) == expected


@pytest.mark.parametrize(
    ("given", "name"),
    [
        ("clip.mp4", "clip.mp4"),
        ("My clip (2).mov", "My clip (2).mov"),
        ("a/b.png", "a_b.png"),
        ("", "file"),
        (".mp4", "mp4"),
        ("--x.mp4", "x.mp4"),
        ("影" * 100 + ".mp4", "影" * 38 + ".mp4"),
    ],
)
def test_names_are_made_plain(given, name):
    assert plain_name(given) == name
