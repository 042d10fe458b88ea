"""What ``workbench reconstruct`` and ``workbench run`` take, and how they refuse what they do not."""

import json
from pathlib import Path

import pytest

from tests.helpers.tiny import refused, workbench
from tests.video.test_pictures import noise, save
from tests.video.test_video import make


@pytest.fixture
def pictures(tmp_path, monkeypatch) -> Path:
    """A folder ``frames`` with two pictures of noise, in the current folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "frames").mkdir()
    for number in range(2):
        save(tmp_path / "frames" / f"-{number}.png", noise(number))
    return tmp_path / "frames"


@pytest.mark.parametrize("command", ["reconstruct", "run"])
def test_what_cannot_be_read_leaves_no_run(pictures, command):
    """One line each, and no run directory."""
    Path("empty").mkdir()
    Path("list.txt").write_text("frames/-0.png\ngone.png\n")
    make(Path("clip.mp4"), 3)
    refused(workbench(command, "empty"), 1, "empty is a folder without a file in it")
    refused(workbench(command, "frames/%03d.png"), 1, "frames/%03d.png matches no file")
    refused(workbench(command, "list.txt"), 1, "list.txt lists 1 of 2 files that are not there: gone.png")
    refused(workbench(command, "clip.mp4", "frames/-0.png"), 1, "clip.mp4 is a video, and there are pictures beside it")
    refused(workbench(command, "frames", "clip.mp4"), 1, "frames is a folder, and there is more beside it")
    refused(workbench(command, ""), 2, "an empty path is given")
    refused(workbench(command, "clip.mp4", "http://example.org/b.mp4"), 2, "http://example.org/b.mp4 is a network address")
    assert not Path("runs").exists()


@pytest.mark.parametrize("words", [["frames"], ["frames/*.png"], ["--", "-0.png", "-1.png"]])
def test_names_in_the_result_and_in_the_record(pictures, words, monkeypatch):
    """Several files are recorded one by one, a folder and a pattern as they are. The names begin with a dash."""
    if words[0] == "--":
        monkeypatch.chdir(pictures)
    out = pictures.parent / "out"
    answer = workbench("reconstruct", "--out", out, *words)
    assert answer.status == 0 and answer.err == "note: pictures have no frame rate: 25 frames per second is used\n"
    header, *rows = (out / "order.csv").read_text().splitlines()
    assert header == "position,scene,order,confidence,name"
    assert [row.split(",")[0::4] for row in rows] == [["0", "-0.png"], ["1", "-1.png"]]
    source = json.loads((out / "run.json").read_text())["source"]
    expected = {"frames": str(pictures), "frames/*.png": str(pictures / "*.png")}
    assert source["path"] == expected.get(words[0], str(pictures / "-0.png, -1.png"))
    assert source.get("files") == ([str(pictures / name) for name in ("-0.png", "-1.png")] if words[0] == "--" else None)


def test_one_picture_is_as_a_video_of_one_frame(pictures):
    (pictures / "-1.png").unlink()
    make(Path("clip.mp4"), 1)
    answers = [workbench("reconstruct", given) for given in ("frames", "clip.mp4")]
    assert [answer.status for answer in answers] == [0, 0]
    figures = [
        [line for line in answer.out.splitlines() if "Seconds" not in line and "runs/" not in line] for answer in answers
    ]
    assert figures[0] == figures[1] and figures[0][0].split() == ["Frames", "1"]
