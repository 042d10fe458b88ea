"""The order editor without a browser: press a button, and read the run, the page and the strip."""

import itertools
import re
import shutil
import time

import cv2
import ipywidgets
import matplotlib.pyplot as plt
import numpy as np
import pytest
from tqdm import tqdm

from tests.helpers.tiny import check_result
from tests.pipeline.test_editing import everything
from workbench.embedding.images import thumbnail
from workbench.pipeline.editing import computed, edit_order
from workbench.pipeline.edits import frame_lists
from workbench.run import Run
from workbench.widgets.order import order_editor
from workbench.widgets.player import ScenePlayer, matrix_png


@pytest.fixture
def run(short_run, tmp_path) -> Run:
    """A copy of the short run (26 frames: scenes of 12 and 10, four outliers), in which two links of scene 0 were guessed:
    those from place 3 to 4 (confidence 0.41) and from 7 to 8 (0.62). All others are sure."""
    return with_confidence(short_run[0], tmp_path / "run", {3: 0.41, 7: 0.62})


def with_confidence(run, path, doubtful) -> Run:
    """A copy of a run in which all links have a confidence of 0.97, but those of scene 0 from the places given."""
    shutil.copytree(run.path, path)
    for scene in (0, 1):
        file = path / "distances" / f"scene{scene:02d}.npz"
        with np.load(file) as found:
            matrices = dict(found)
        matrices["confidence"][:] = 0.97
        for place, confidence in doubtful.items() if scene == 0 else ():
            matrices["confidence"][place] = confidence
        np.savez(file, **matrices)
    copy = Run.open(path)
    computed(copy).to_csv(path / "order.csv", index=False, lineterminator="\n")
    return copy


@pytest.fixture(autouse=True)
def no_figure_left():
    yield
    assert not plt.get_fignums()


class Page:
    """What a person sees of the editor and can press."""

    def __init__(self, run: Run) -> None:
        self.widget = order_editor(run)
        self.scene, self.place = self.of_kind(ipywidgets.Dropdown)[0], self.of_kind(ipywidgets.IntSlider)[0]
        self.side, self.beside = self.of_kind(ipywidgets.Dropdown)[1], self.of_kind(ipywidgets.BoundedIntText)[0]

    def all(self, widget: ipywidgets.Widget | None = None) -> list[ipywidgets.Widget]:
        widget = widget or self.widget
        return [widget, *(inner for child in getattr(widget, "children", ()) for inner in self.all(child))]

    def of_kind(self, kind: type) -> list:
        return [widget for widget in self.all() if isinstance(widget, kind)]

    def named(self, name: str) -> ipywidgets.Widget:
        (found,) = [widget for widget in self.all() if name in widget._dom_classes]
        return found

    def press(self, name: str) -> str:
        """Press a button and return the text of the status."""
        self.named(name).click()
        if name == "wb-write":
            self.wait()
        return self.status

    def wait(self) -> None:
        """Wait until nothing is being written, which the label of the button shows."""
        end = time.monotonic() + 60
        while self.named("wb-write").description != "Write the video again":
            assert time.monotonic() < end
            time.sleep(0.01)

    @property
    def status(self) -> str:
        return self.named("wb-status").value

    def row(self, which: int = 0) -> list[ipywidgets.Widget]:
        """The pictures and marks that a strip shows: 0 is the strip of the scene, 1 that of the outliers."""
        strip = [widget for widget in self.all() if "wb-strip" in widget._dom_classes][which]
        return [cell for cell in strip.children if cell.layout.display != "none"]

    def frames(self, which: int = 0) -> list[str]:
        return [cell.children[1].description for cell in self.row(which) if "wb-frame" in cell._dom_classes]

    def click(self, caption: str) -> None:
        """Click the frame with this caption, in either strip."""
        for cell in [*self.row(0), *self.row(1)]:
            if "wb-frame" in cell._dom_classes and cell.children[1].description == caption:
                return cell.children[1].click()
        raise AssertionError(f"{caption} is not shown")

    def chosen(self) -> list[str]:
        cells = [cell for cell in [*self.row(0), *self.row(1)] if "wb-chosen" in cell._dom_classes]
        return [cell.children[1].description for cell in cells]

    def marks(self) -> list[tuple[str, str]]:
        """The marks in the strip, each with the caption of the frame before it."""
        row = self.row()
        return [
            (cell.children[1].description, mark.value) for cell, mark in zip(row[::2], row[1::2], strict=False) if mark.value
        ]


@pytest.fixture
def page(run) -> Page:
    return Page(run)


def captions(frames: list[int], start: int = 0) -> list[str]:
    return [f"{place} · #{frame}" for place, frame in enumerate(frames, start)]


def test_it_shows_the_order(run, page):
    """Ten frames from the start, then those around the slider; the pictures are those of the frames."""
    large, small = frame_lists(run.order())
    assert page.frames() == captions(large[:10])
    assert page.chosen() == [f"0 · #{large[0]}"]
    page.place.value = 11
    assert page.frames() == captions(large[2:], 2)
    assert page.chosen() == [f"11 · #{large[11]}"]
    shown = cv2.imdecode(np.frombuffer(page.row()[0].children[0].value, np.uint8), cv2.IMREAD_COLOR)[:, :, ::-1]
    expected = thumbnail(run.images()[large[2]], *shown.shape[1::-1])
    assert np.abs(shown.astype(int) - expected).mean() < 6
    page.scene.value = 1
    assert page.frames() == captions(small) and page.place.max == 9 and page.place.value == 0
    assert page.frames(1) == [f"#{frame}" for frame in run.order().query("scene < 0")["position"]]
    page.click(f"4 · #{small[4]}")
    assert page.chosen() == [f"4 · #{small[4]}"] and f"<b>Frame #{small[4]}</b>, place 4 of scene 1" in str(
        [html.value for html in page.of_kind(ipywidgets.HTML)]
    )


def test_weak_links_are_marked_and_found(run, page):
    """They stand between places 3 and 4, and 7 and 8; the button goes from one to the next and back to the first."""
    large, _ = frame_lists(run.order())
    (first, one), (second, other) = page.marks()
    assert [first, second] == [f"3 · #{large[3]}", f"7 · #{large[7]}"] and "0.41" in one and "0.62" in other
    for place, sure in ((3, 0.41), (7, 0.62), (3, 0.41)):
        assert f"Scene 0, place {place} to {place + 1}: confidence {sure}" in page.press("wb-weak")
        assert page.place.value == place and page.chosen() == [f"{place} · #{large[place]}"]
    page.press("wb-flip")
    (first, one), (second, other) = page.marks()
    assert [first, second] == [f"3 · #{large[8]}", f"7 · #{large[4]}"] and "0.62" in one and "0.41" in other


def test_no_weak_link(short_run, tmp_path):
    """Without a weak link, the button shows the link with the least confidence."""
    run = with_confidence(short_run[0], tmp_path / "run", {5: 0.85})
    table = run.order()
    page = Page(run)
    least = table["confidence"].min()
    said = page.press("wb-weak")
    assert "No link is weak; this is the least sure one." in said and f"confidence {least:.2f}" in said
    place = table.loc[table["confidence"].idxmin(), ["scene", "order"]].tolist()
    assert [page.scene.value, page.place.value] == place


def test_flip_write_and_undo(run, page):
    """An edit changes order.csv at once and the videos only on request; then the player shows the new video."""
    before, file = frame_lists(run.order()), run.path / "order.csv"
    first, played = file.read_bytes(), page.named("wb-player").value
    assert played == (run.path / "scene00.mp4").read_bytes()
    said = page.press("wb-flip")
    assert "Scene 0 runs the other way round" in said and "press <b>Write the video again</b>" in said
    assert frame_lists(Run.open(run.path).order()) == [before[0][::-1], before[1]]
    assert page.named("wb-player").value == played
    assert f"frame {before[0][-1]} comes before frame {before[0][0]}" in page.named("wb-edits").value
    assert "The videos are written" in page.press("wb-write")
    check_result(run.path, run.source, exact=False)
    assert page.named("wb-player").value == (run.path / "scene00.mp4").read_bytes() != played
    assert "of an earlier order" not in str([html.value for html in page.of_kind(ipywidgets.HTML)])
    assert "Taken back: flip the scene" in page.press("wb-undo")
    assert file.read_bytes() == first and "none" in page.named("wb-edits").value
    assert "of an earlier order" in str([html.value for html in page.of_kind(ipywidgets.HTML)])
    assert "there is no edit to take back" in page.press("wb-undo")


def test_set_aside_and_take_back(run, page):
    """A frame that is set aside joins the outliers, and the next one is chosen. An outlier goes beside the frame at which the
    slider stands, and its links are marked as made by hand."""
    large, _ = frame_lists(run.order())
    page.place.value = 5
    assert f"Frame #{large[5]} is set aside" in page.press("wb-drop")
    assert f"#{large[5]}" in page.frames(1) and page.chosen() == [f"5 · #{large[6]}"]
    assert [name for name, mark in page.marks() if "hand" in mark] == [f"4 · #{large[4]}"]
    page.click(f"#{large[5]}")
    page.place.value = 2
    assert page.chosen() == [f"#{large[5]}"] and page.beside.value == large[2]
    assert f"stands after frame #{large[2]}, at place 3 of scene 0" in page.press("wb-move")
    assert page.frames()[3] == f"3 · #{large[5]}"
    hand = [name for name, mark in page.marks() if "hand" in mark]
    assert hand == [f"2 · #{large[2]}", f"3 · #{large[5]}", f"5 · #{large[4]}"]
    page.press("wb-undo"), page.press("wb-undo")
    assert frame_lists(run.order())[0] == large and page.chosen() == [f"5 · #{large[5]}"]


def test_move_into_another_scene(run, page):
    """The editor follows the frame there."""
    large, small = frame_lists(run.order())
    page.click(f"1 · #{large[1]}")
    page.side.value, page.beside.value = "before", small[6]
    page.press("wb-move")
    assert page.scene.value == 1 and page.chosen() == [f"6 · #{large[1]}"]
    assert frame_lists(run.order()) == [large[:1] + large[2:], [*small[:6], large[1], *small[6:]]]
    assert [text for text, _ in page.scene.options] == ["scene 0 (11 frames)", "scene 1 (11 frames)"]


def test_an_edit_that_is_not_possible_is_explained_in_one_line(run, page):
    """Nothing is changed and nothing is raised."""
    large, _ = frame_lists(run.order())
    (outlier, *_) = run.order().query("scene < 0")["position"]
    before = (run.path / "order.csv").read_bytes(), (run.path / "run.json").read_bytes()
    page.beside.value = outlier
    assert f"frame {outlier} is set aside: name a frame of a scene" in page.press("wb-move")
    page.beside.value = large[0]
    assert f"frame {large[0]} cannot stand beside itself" in page.press("wb-move")
    page.click(f"#{outlier}")
    assert f"Frame #{outlier} is set aside already" in page.press("wb-drop")
    assert ((run.path / "order.csv").read_bytes(), (run.path / "run.json").read_bytes()) == before
    run.record["source"]["path"] = str(run.path / "gone.mp4")
    page.press("wb-flip")
    assert "the video of this run is gone" in page.press("wb-write") and "\n" not in page.status


def test_stopped_while_writing(run, page, monkeypatch):
    """While the first video is being written, here without an end, nothing can be edited. The button that started it stops it,
    and the old videos are still there. Pressed again, it writes."""

    def write(*_: object, **__: object) -> None:
        for _ in tqdm(itertools.count(), "write"):
            time.sleep(0.01)

    before = everything(run)
    page.press("wb-flip")
    edited = (run.path / "order.csv").read_bytes()
    with monkeypatch.context() as patched:
        patched.setattr("workbench.pipeline.writing.write_parts", write)
        page.named("wb-write").click()
        end = time.monotonic() + 60
        while "write: " not in str([html.value for html in page.of_kind(ipywidgets.HTML)]):
            assert time.monotonic() < end
        assert page.named("wb-write").description == "Stop" and "Writing the video." in page.status
        for name in ("wb-drop", "wb-undo"):
            assert "the video is being written: wait until it is done, or stop it" in page.press(name)
        assert (run.path / "order.csv").read_bytes() == edited
        page.press("wb-write")
    assert "Stopped; the videos are as they were." in page.status
    assert "write: " not in str([html.value for html in page.of_kind(ipywidgets.HTML)])
    after = everything(run)
    assert {name for name in before if after[name] != before[name]} <= {"run.json", "order.csv", "alignment.csv"}
    assert after.keys() == before.keys()
    assert "The videos are written" in page.press("wb-write")
    check_result(run.path, run.source, exact=False)


def test_a_scene_is_cut_joined_and_set_aside(run, page):
    """The editor follows the frame that is chosen, and offers the scenes there are."""
    large, small = frame_lists(run.order())
    page.click(f"5 · #{large[5]}")
    assert f"The scene is cut: frame #{large[5]} begins scene 1" in page.press("wb-cut")
    assert frame_lists(run.order()) == [large[:5], large[5:], small]
    assert page.scene.value == 1 and page.frames() == captions(large[5:]) and page.chosen() == [f"0 · #{large[5]}"]
    others = page.named("wb-join-with")
    assert others.options == (("scene 0 (5 frames)", 0), ("scene 2 (10 frames)", 2))
    others.value = 0
    assert "Scene 0 was put behind the end of scene 1; both are scene 0 now" in page.press("wb-join")
    assert frame_lists(run.order()) == [large[5:] + large[:5], small]
    assert page.scene.value == 0 and page.chosen() == [f"7 · #{large[0]}"]
    assert [name for name, mark in page.marks() if "hand" in mark] == [f"6 · #{large[-1]}"]
    assert "Scene 0 (12 frames) is set aside" in page.press("wb-scene-aside")
    assert frame_lists(run.order()) == [small] and page.frames() == captions(small) and len(page.frames(1)) == 10
    assert page.named("wb-join").disabled and page.named("wb-scene-aside").disabled
    assert "no scene would be left" in page.press("wb-scene-aside")
    page.named("wb-edit-number").value = -1
    assert "Taken back: all 3 edits. The videos show this order." in page.press("wb-undo")
    assert frame_lists(run.order()) == [large, small] and not page.named("wb-join").disabled


def test_a_scene_is_played_earlier_and_later(run, page):
    """The matrices of a scene are its own, whatever number it has."""
    large, small = frame_lists(run.order())
    page.scene.value = 1
    own = [widget.value for widget in page.of_kind(ipywidgets.Image) if widget.format == "png"]
    assert (page.named("wb-earlier").disabled, page.named("wb-later").disabled) == (False, True)
    assert "Scene 1 is scene 0 now" in page.press("wb-earlier")
    assert frame_lists(run.order()) == [small, large] and page.scene.value == 0 and page.frames() == captions(small)
    assert [widget.value for widget in page.of_kind(ipywidgets.Image) if widget.format == "png"] == own
    assert "The videos are written" in page.press("wb-write")
    assert page.named("wb-player").value == (run.path / "scene00.mp4").read_bytes()
    assert (page.named("wb-earlier").disabled, page.named("wb-later").disabled) == (True, False)
    assert "Scene 0 is scene 1 now" in page.press("wb-later")
    assert frame_lists(run.order()) == [large, small]


def test_a_scene_begins_with_the_frame_that_is_chosen(run, page):
    large, _ = frame_lists(run.order())
    page.click(f"4 · #{large[4]}")
    said = page.press("wb-first")
    assert f"Scene 0 begins with frame #{large[4]}; what was before it, 4 frames, is played at the end" in said
    assert frame_lists(run.order())[0] == large[4:] + large[:4] and page.chosen() == [f"0 · #{large[4]}"]
    page.click(page.frames(1)[0])
    assert "is set aside: name a frame of a scene" in page.press("wb-first")
    assert "is in no scene: name a frame of a scene" in page.press("wb-cut")


def test_an_edit_that_is_named_is_taken_back(run, page):
    large, small = frame_lists(run.order())
    page.press("wb-flip"), page.press("wb-drop")
    which = page.named("wb-edit-number")
    assert which.options == (("the last edit", 0), ("edit 2", 2), ("edit 1", 1), ("all edits", -1)) and which.value == 0
    which.value = 1
    assert "Taken back: flip the scene" in page.press("wb-undo")
    assert frame_lists(run.order()) == [large[1:], small] and which.options[1:2] == (("edit 1", 1),)


def test_what_is_no_edit_is_listed_as_it_is(run):
    """It may come with the run of somebody else; taking it back leaves the frame that was chosen."""
    run.set_edits("order", [{"drop": "<script>"}], {})
    page = Page(run)
    assert "<script>" not in page.named("wb-edits").value and "&lt;script&gt;" in page.named("wb-edits").value
    chosen = page.chosen()
    assert "Taken back: {&#x27;drop&#x27;: &#x27;&lt;script&gt;&#x27;}" in page.press("wb-undo")
    assert page.chosen() == chosen and run.edits("order") == []


def test_edits_that_were_left_out_are_listed(run):
    """The state after the scenes were computed again."""
    edit = {"flip": [0, 1]}
    run.set_edits("order", [edit], {"edits_left_out": ["flip ...: left out, frames 0 and 1 are not in one scene"]})
    listed = Page(run).named("wb-edits").value
    assert "frame 0 comes before frame 1" in listed and "left out, frames 0 and 1 are not in one scene" in listed


def test_the_last_edit_is_listed_first(run):
    """Only the beginning of a long list is in sight; the numbers, by which an edit is taken back, count down."""
    frames = run.scene_order(0)[:8].tolist()
    edit_order(run, *({"drop": frame} for frame in frames))
    listed = Page(run).named("wb-edits").value
    assert "<ol reversed" in listed and [int(text) for text in re.findall(r"set frame (\d+) aside", listed)] == frames[::-1]


def test_videos_that_cannot_be_played_here(run, monkeypatch):
    """For lossless, large and missing videos the player is hidden, and the caption names the file."""
    player, ordered = ScenePlayer(run), run.scene_order(0).tolist()

    def said() -> str:
        player.show(0, ordered)
        assert (player.video.layout.display == "none") == (player.video.value == b"")
        return player.words.value

    assert said() == "scene 0: scene00.mp4" and player.video.value
    monkeypatch.setattr("workbench.widgets.player.NOTEBOOK_VIDEO_BYTES", 1000)
    assert "are too much for a notebook, open" in said() and str(run.path / "scene00.mp4") in said()
    assert not player.video.value
    outputs = run.record["stages"]["write"]["outputs"]
    outputs[0] = "scene00.mkv"
    run.record["stages"]["write"]["parameters"]["codec"] = "lossless"
    shutil.copy(run.path / "scene00.mp4", run.path / "scene00.mkv")
    assert "browsers do not play lossless video, open" in said()
    (run.path / "scene00.mkv").unlink()
    assert "no video is written yet" in said()
    del run.record["stages"]["write"]
    assert "no video is written yet" in said()


def test_distances_before_and_after(run):
    """In restored order the near pairs (dark) lie along the diagonal; frames that were moved here by hand are left out."""
    player, ordered = ScenePlayer(run), run.scene_order(0).tolist()
    outlier = int(run.order().query("scene < 0")["position"].iloc[0])
    player.show(0, [*ordered, outlier])
    with np.load(run.path / "distances" / "scene00.npz") as found:
        fused, order = found["fused"], found["order"]
    before, after = (picture.value for picture in player.matrices)
    assert before == matrix_png(fused, fused.max())
    assert after == matrix_png(fused[np.ix_(order, order)], fused.max()) != before


def test_a_full_disk(run, page, monkeypatch):
    """A full disk is reported and nothing is recorded; once there is room, the editor works again."""

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as disk:
        disk.setattr(Run, "write_text", full)
        assert "No space left on device" in page.press("wb-flip")
    assert run.edits("order") == []
    assert "runs the other way round" in page.press("wb-flip") and len(Run.open(run.path).edits("order")) == 1


def test_scenes_that_the_files_do_not_have(run):
    """A scene that was made by hand of outliers alone has no distances, and a new scene 2 has no video yet."""
    player, outlier = ScenePlayer(run), int(run.order().query("scene < 0")["position"].iloc[0])
    player.show(0, run.scene_order(0).tolist())
    assert player.matrices[0].value and player.matrices[1].value
    player.show(2, [outlier])
    assert not player.matrices[0].value and not player.matrices[1].value
    assert "scene 2: no video is written yet" in player.words.value


def test_a_large_matrix_is_averaged():
    """900 frames, half of them 0 from each other: the picture has two dark and two bright quarters."""
    group = np.arange(900) // 450
    png = matrix_png((group[:, None] != group[None]).astype(float), 1.0)
    picture = cv2.imdecode(np.frombuffer(png, np.uint8), cv2.IMREAD_COLOR).sum(axis=2)
    assert picture.shape == (400, 400)
    assert len({int(picture[100, 100]), int(picture[300, 300])}) == 1 < len({int(picture[100, 100]), int(picture[100, 300])})


def test_without_a_scene(run):
    table = run.order().assign(scene=-1, confidence=np.nan)
    table.assign(order=table["order"].mask(table["scene"] < 0)).to_csv(run.path / "order.csv", index=False)
    assert order_editor(run).value == "no scene was found, there is no order to change"


def test_it_answers_at_once(run, page):
    """The median over several presses; the bound leaves room for a busy machine."""
    seconds = []
    for name in ("wb-flip", "wb-weak", "wb-drop", "wb-undo", "wb-flip", "wb-undo", "wb-weak"):
        start = time.perf_counter()
        page.press(name)
        seconds.append(time.perf_counter() - start)
    assert np.median(seconds) < 0.5, seconds
