"""What a person can give, and which files are meant by it. Pictures and videos are a few frames of seeded noise."""

import hashlib
import os
from pathlib import Path
from zipfile import ZipFile

import pytest

from tests.video.test_pictures import noise, save
from workbench.errors import VideoError
from workbench.video.encode import write_frames
from workbench.video.inputs import clip_name, find_files, is_there, natural_key, source_digest
from workbench.video.pictures import Pictures
from workbench.video.source import open_source


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """Pictures ``f1.png``, ``f2.png`` and ``f10.png`` in a folder, which is the current one."""
    own = tmp_path / "own"
    own.mkdir()
    for number in (1, 2, 10):
        save(own / f"f{number}.png", noise(number))
    monkeypatch.chdir(own)
    return own


def names_of(given) -> list[str]:
    with open_source(given) as source:
        assert isinstance(source, Pictures)
        return source.names


def test_natural_order():
    names = ["b", "a10", "a2", "A3", "a02", "a", "10", "9", "a2b3", "a2b20"]
    assert sorted(names, key=natural_key) == ["9", "10", "a", "a02", "a2", "a2b3", "a2b20", "A3", "a10", "b"]


@pytest.mark.parametrize("given", [".", "f%d.png", "f%01d.png", "*.png", "f?*.png", "../own/f*.png", "frames.txt"])
def test_ways_to_name_the_same_pictures(folder, given):
    Path("frames.txt").write_text("# a comment\n\nf1.png\r\nf2.png\n  f10.png  \n")
    assert names_of(given) == ["f1.png", "f2.png", "f10.png"]


def test_one_by_one_and_lists_keep_the_order_that_is_given(folder):
    assert names_of(["f10.png", "f1.png"]) == ["f10.png", "f1.png"]
    Path("list.txt").write_text("f10.png\nf2.png\n")
    assert names_of("list.txt") == ["f10.png", "f2.png"]


def test_the_digits_of_a_pattern_count(folder):
    save(folder / "f0003.png", noise(3))
    assert names_of("f%04d.png") == ["f0003.png"]
    with pytest.raises(VideoError, match=r"f%05d\.png matches no file"):
        open_source("f%05d.png")


def test_names_are_below_the_folder_in_common(folder):
    for name in ("a", "b"):
        (folder / name).mkdir()
        save(folder / name / "x.png", noise(0))
    assert names_of(["a/x.png", "b/x.png"]) == ["a/x.png", "b/x.png"]
    assert names_of("*/x.png") == ["a/x.png", "b/x.png"]


@pytest.mark.parametrize("coding", ["utf-8-sig", "utf-16"])
def test_lists_as_windows_writes_them(folder, coding):
    """Lines that end in CR LF, behind a mark of the coding: UTF-8, or UTF-16 as PowerShell writes it."""
    Path("list.txt").write_bytes("f10.png\r\nf2.png\r\n".encode(coding))
    assert names_of("list.txt") == ["f10.png", "f2.png"]


def test_a_list_that_is_no_text(folder):
    Path("list.txt").write_bytes(b"\0\1\2")
    with pytest.raises(VideoError, match=r"list\.txt is no text"):
        open_source("list.txt")
    Path("list.txt").write_bytes(rb"own\f1.png")
    with pytest.raises(VideoError, match=r"not there: own\\f1\.png; write one path of a file per line"):  # as it is written
        open_source("list.txt")


def test_a_pattern_of_folders_is_there_while_a_file_matches(folder):
    pattern = folder.parent / "o*" / "f?.png"
    assert names_of(pattern) == ["f1.png", "f2.png"] and is_there(pattern)
    for name in ("f1.png", "f2.png"):
        Path(name).unlink()
    assert not is_there(pattern) and not is_there(folder.parent / "gone*" / "f?.png")


def test_files_that_a_list_names_and_that_are_not_there(folder):
    Path("list.txt").write_text("f1.png\ngone.png\nhttp://example.org/a.png\n")
    with pytest.raises(VideoError, match=r"list\.txt lists 2 of 3 files .* not there: gone\.png, http.*relative to the list"):
        open_source("list.txt")
    Path("list.txt").write_text("# nothing\n")
    with pytest.raises(VideoError, match="lists no files"):
        open_source("list.txt")


def test_folders_and_patterns_without_pictures(folder):
    (folder / "empty").mkdir()
    with pytest.raises(VideoError, match="is a folder without a file in it"):
        open_source("empty")
    (folder / "above" / "a").mkdir(parents=True)
    with pytest.raises(VideoError, match=r"only with folders \(a\): give one of them, or a pattern such as 'above/\*/\*'"):
        open_source("above")
    (folder / "empty" / "._a.png").write_bytes(b"system")
    with pytest.raises(VideoError, match="only files that systems leave there"):
        open_source("empty")
    (folder / "empty" / "a.md").write_text("mine")
    with pytest.raises(VideoError, match=r"no picture that can be read; 1 file was left out, .*: a\.md"):
        open_source("empty")
    with pytest.raises(VideoError, match="matches no file"):
        open_source("*.jpg")
    with pytest.raises(VideoError, match="give one folder alone"):
        open_source(["empty", "f1.png"])
    with pytest.raises(VideoError, match="network address"):
        open_source(["http://example.org/a.mp4", "f1.png"])


def test_a_video_among_pictures_is_refused_where_it_was_named(folder):
    write_frames([noise(number) for number in range(3)], folder / "clip.mp4")
    with pytest.raises(VideoError, match=r"clip\.mp4 is a video, and there are pictures beside it"):
        open_source(["f1.png", "clip.mp4"])
    with open_source(".") as source:
        assert any("left out" in text and "clip.mp4" in text for text in source.info().notes)
    (folder / "videos").mkdir()
    (folder / "clip.mp4").rename(folder / "videos" / "clip.mp4")
    with pytest.raises(VideoError, match=r"has videos and no pictures \(clip\.mp4\): give the videos themselves"):
        open_source("videos")


def test_an_archive_or_a_list_among_several_files_is_refused(folder):
    with ZipFile("more.zip", "w") as archive:
        archive.write("f1.png")
    Path("list.txt").write_text("f1.png\n")
    with pytest.raises(VideoError, match=r"more\.zip is an archive, .*: give it alone"):
        open_source(["more.zip", "f2.png"])
    with pytest.raises(VideoError, match=r"list\.txt is a text list, .*: give it alone"):
        open_source(["f2.png", "list.txt"])


def test_the_same_file_twice_is_kept_and_told(folder):
    with open_source(["f1.png", "f2.png", "f1.png"]) as source:
        assert source.names == ["f1.png", "f2.png", "f1.png"]
        assert "the same file more than once, which was kept: f1.png, f1.png" in source.info().notes


def test_odd_names(tmp_path):
    """A name that is not UTF-8, one with a line break, one of 250 bytes, one that begins with a dash, one with brackets."""
    odd = [b"\xff\xfe.png", b"a\nb.png", b"x" * 246 + b".png", b"-rf.png", b"a [1].png"]
    for number, name in enumerate(odd):
        save(tmp_path / "frame.png", noise(number)).rename(os.fsdecode(os.fsencode(tmp_path / "") + b"/" + name))
    names = names_of(tmp_path)
    assert sorted(names) == sorted(["\\udcff\\udcfe.png", "a\\nb.png", "x" * 246 + ".png", "-rf.png", "a [1].png"])
    assert all(map(str.isprintable, names))
    assert names_of([tmp_path / "a [1].png", tmp_path / "-rf.png"]) == ["a [1].png", "-rf.png"]
    assert find_files(tmp_path / "a [1].png") == tmp_path / "a [1].png"


def test_the_digest_is_of_names_and_contents(folder):
    before = source_digest(".")
    assert source_digest(folder) == before == source_digest("*.png")
    assert source_digest("f%d.png") == before
    Path("f1.png").rename("g1.png")
    renamed = source_digest(".")
    save(folder / "g1.png", noise(7))
    assert len({before[0], renamed[0], source_digest(".")[0]}) == 3
    assert source_digest("f2.png")[0] == hashlib.sha256(Path("f2.png").read_bytes()).hexdigest()


def test_the_name_of_a_clip(folder):
    assert clip_name("a/clip.mp4") == "clip" and clip_name("frames.tar.gz") == "frames"
    assert clip_name(".") == folder.name == clip_name("*.png") == clip_name("f%d.png") == clip_name(folder)
    assert clip_name(["a.mp4", "b.mp4"]) == "a"
