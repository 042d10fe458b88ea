"""``workbench app`` in Chromium: from the drop of a video or of pictures to the download, and what goes wrong on the way.

One server in a process of its own serves all tests; each waits for its own job, as several people at one machine would.
"""

import csv
import os
import shutil
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np
import pytest
from playwright.sync_api import Page, expect

from tests import ROOT
from tests.browser.pages import ANSWER, PICTURES, RUN, START
from tests.helpers.tiny import mixture, text
from tests.helpers.tiny import pictures as frames_of
from workbench.evaluation.files import read_order

README_SIZE = {"width": 1280, "height": 1225}
SIZES = {"wide": {"width": 1280, "height": 900}, "narrow": {"width": 400, "height": 800}}


@contextmanager
def served(runs: Path) -> Iterator[str]:
    """A server of this folder in a process of its own; its address, with the token."""
    command = [sys.executable, "-m", "workbench", "app", "--no-browser", "--port", "0", "--out", str(runs)]
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(START)


@pytest.fixture(scope="module")
def app(tmp_path_factory) -> Iterator[tuple[str, Path]]:
    """Address of a server, with its token, and the folder of its runs."""
    runs = tmp_path_factory.mktemp("app")
    with served(runs) as address:
        yield address, runs


@pytest.fixture
def open_page(app, browser) -> Iterator:
    """``open_page()``: the page of a server in a browser of its own, without a cookie. Errors in it fail the test."""
    contexts, errors = [], []

    def _open(size: str = "wide", address: str = app[0]) -> Page:
        context = browser.new_context(viewport=SIZES[size], accept_downloads=True)
        context.set_default_timeout(ANSWER * 1000)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(address)
        assert "token" not in page.url
        return page

    yield _open
    for context in contexts:
        context.close()
    assert errors == []


def wait_until(page: Page, condition: str) -> None:
    """Wait until JavaScript is true. Playwright's own wait evaluates text in the page, whose policy forbids that."""
    deadline = time.monotonic() + ANSWER
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(100)


def wait_for_result(page: Page) -> None:
    """Wait until the result is on the page and nothing runs any more."""
    expect(page.locator("#result")).to_be_visible(timeout=RUN * 1000)
    expect(page.locator("#progress")).to_be_hidden(timeout=RUN * 1000)
    assert page.locator("#problem").is_hidden(), page.locator("#problem").inner_text()


def saved(page: Page, name: str, folder: Path) -> Path:
    """The file that a click on a link of the downloads saves."""
    with page.expect_download() as download:
        page.locator("#downloads").get_by_role("link", name=name, exact=True).click()
    path = folder / name
    download.value.save_as(path)
    return path


def show(page: Page, name: str) -> None:
    """Save a picture of the page as ``build/browser/app-NAME.png``, once its thumbnails are loaded."""
    page.evaluate("document.querySelectorAll('img').forEach(picture => { picture.loading = 'eager' })")
    wait_until(page, "[...document.images].every(picture => picture.complete && picture.naturalWidth > 0)")
    PICTURES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=PICTURES / f"app-{name}.png", full_page=True)


def in_order(run: Path) -> list[int]:
    """Positions of the frames of all scenes in their order, read from ``order.csv``."""
    kept = [row for row in read_order(run / "order.csv") if row.scene >= 0]
    return [row.position for row in sorted(kept, key=lambda row: (row.scene, row.order))]


def test_a_video_from_drop_to_download(app, open_page, short, tmp_path):
    """A video is dropped, restored, a scene flipped, and the result downloaded: frame by frame that of the run."""
    page, (_, runs) = open_page(), app
    show(page, "start")
    page.set_input_files("#files", short)
    expect(page.locator("#hint")).to_contain_text(" of ", timeout=RUN * 1000)
    show(page, "progress")
    wait_for_result(page)
    run = runs / "short"
    assert page.url.endswith("/job/short")
    assert page.locator("#summary").inner_text().startswith("26 frames: 2 scenes, 4 foreign frames, ")
    expect(page.locator(".scene")).to_have_count(2)
    expect(page.locator("#foreign-strip img")).to_have_count(4)
    wait_until(page, "document.getElementById('video').readyState > 0")
    assert page.evaluate("document.getElementById('video').duration") == pytest.approx(22 / 25, abs=0.1)

    before = in_order(run)
    shown = page.locator(".scene").nth(1).locator("img")
    first, last = shown.first.get_attribute("src"), shown.last.get_attribute("src")
    page.get_by_role("button", name="Flip: scene 1").click()
    expect(page.locator("#stale")).to_be_visible()
    expect(shown.first).to_have_attribute("src", last)
    expect(shown.last).to_have_attribute("src", first)
    page.get_by_role("button", name="Write the video again").click()
    expect(page.locator("#stale")).to_be_hidden(timeout=RUN * 1000)
    wait_for_result(page)
    assert in_order(run) == before[:12] + before[12:][::-1]

    video = frames_of(saved(page, "reconstructed.mp4", tmp_path))
    own, source = frames_of(run / "reconstructed.mp4"), frames_of(short)
    assert len(video) == len(own) == 22
    for picture, kept, position in zip(video, own, in_order(run), strict=True):
        assert (picture == kept).all() and np.abs(picture.astype(int) - source[position]).mean() < 6
    with saved(page, "order.csv", tmp_path).open(newline="") as table:
        assert [int(row["position"]) for row in csv.DictReader(table)] == list(range(26))
    assert saved(page, "reconstructed.edl", tmp_path).read_text() == (run / "reconstructed.edl").read_text()


def test_an_earlier_result_is_shown(open_page, site, tmp_path):
    """The sample's run as an earlier server left it. ``app-readme.png`` is the picture of the README."""
    shutil.copytree(site / "runs" / "sample", tmp_path / "runs" / "sample")
    (tmp_path / "runs" / "sample" / "upload").mkdir()
    shutil.copy(site / "data" / "sample.mp4", tmp_path / "runs" / "sample" / "upload")
    with served(tmp_path / "runs") as address:
        page = open_page(address=address)
        page.get_by_role("link", name="sample").click()
        wait_for_result(page)
        assert page.locator("#summary").inner_text().startswith("200 frames: 3 scenes, 20 foreign frames, ")
        wait_until(page, "document.getElementById('video').readyState > 1")
        show(page, "result")
        page.screenshot(path=PICTURES / "app-readme.png", clip={"x": 0, "y": 0, **README_SIZE}, full_page=True)


def test_a_folder_of_pictures(open_page, tmp_path):
    """27 pictures of 96 x 72 px are dropped as a folder; copies come back in the restored order. The page is narrow."""
    folder = tmp_path / "my pictures"
    folder.mkdir()
    for number, picture in enumerate(mixture()):
        cv2.imwrite(str(folder / f"{number}.png"), cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    (folder / ".DS_Store").write_bytes(b"left by a system")
    page = open_page("narrow")
    page.set_input_files("#folder", folder)
    wait_for_result(page)
    assert page.locator("#title").inner_text() == "my pictures"
    assert page.locator("#summary").inner_text().startswith("27 frames: 2 scenes, 3 foreign frames, ")
    assert page.evaluate("document.documentElement.scrollWidth") == 400  # nothing sticks out
    show(page, "narrow")
    rows = [*csv.DictReader(saved(page, "order.csv", tmp_path).open(newline=""))]
    assert [row["name"] for row in rows] == [f"{number}.png" for number in range(27)]
    with zipfile.ZipFile(saved(page, "pictures.zip", tmp_path)) as archive:
        names = archive.namelist()
        for row in rows:
            scene = (
                f"scene{int(row['scene']):02d}/{int(row['order']):06d}"
                if row["order"]
                else f"foreign/{int(row['position']):06d}"
            )
            name = f"{scene}_{row['name']}"
            assert archive.read(name) == (folder / row["name"]).read_bytes()
            names.remove(name)
        assert names == []


def test_a_dropped_folder_is_read_to_its_depths(app, open_page, tmp_path):
    """By the mouse rather than by a button: the entries of a drop are read, also those of folders inside."""
    page = open_page()
    page.evaluate(
        """async () => {
            const root = await navigator.storage.getDirectory();
            const folder = await root.getDirectoryHandle('deep', { create: true });
            const inner = await folder.getDirectoryHandle('inner', { create: true });
            for (const [place, name] of [[folder, 'a.txt'], [inner, 'b.txt'], [inner, '.hidden']]) {
                const out = await (await place.getFileHandle(name, { create: true })).createWritable();
                await out.write('no picture'); await out.close();
            }
            const entry = (handle, name) => ({
                name, isFile: handle.kind === 'file', isDirectory: handle.kind === 'directory',
                file: done => handle.getFile().then(done),
                createReader: () => { let read = false; return { readEntries: async done => {
                    const found = [];
                    if (!read) for await (const [key, child] of handle.entries()) found.push(entry(child, key));
                    read = true; done(found);
                } } },
            });
            const event = new Event('drop', { cancelable: true });
            event.dataTransfer = { items: [{ webkitGetAsEntry: () => entry(folder, 'deep') }] };
            window.sent = [];
            const open = XMLHttpRequest.prototype.open;
            XMLHttpRequest.prototype.open = function (method, path) { window.sent.push(path); open.call(this, method, path); };
            document.dispatchEvent(event);
        }"""
    )
    expect(page.locator("#problem")).to_contain_text("deep", timeout=RUN * 1000)
    sent = [path.partition("?name=")[2] for path in page.evaluate("window.sent")]
    assert sorted(sent) == ["a.txt", "inner%2Fb.txt"]
    assert not (app[1] / "deep").exists()


def test_a_broken_file_is_one_clear_line(app, open_page, tmp_path):
    page = open_page()
    page.set_input_files("#files", text(tmp_path))
    problem = page.locator("#problem")
    expect(problem).to_be_visible(timeout=RUN * 1000)
    assert problem.inner_text().startswith("text.mp4 cannot be read as a video") and "\n" not in problem.inner_text()
    assert not (app[1] / "text").exists()
    page.get_by_role("link", name="Start another one").click()
    expect(page.locator("#start")).to_be_visible()


def test_a_second_person_waits_and_a_job_is_stopped(app, open_page, sample):
    """Two browsers: the second one sees that a job is before its own, then its own begin when the first one is stopped."""
    first, second = open_page(), open_page()
    first.set_input_files("#files", sample)
    expect(first.locator("#status")).to_contain_text("Step", timeout=RUN * 1000)
    second.set_input_files("#files", sample)
    expect(second.locator("#status")).to_have_text("Waiting: 1 job is before this one")
    address = first.url
    first.goto(app[0])  # the job goes on without its page, and its address shows it again
    first.goto(address)
    expect(first.locator("#status")).to_contain_text("Step")
    first.get_by_role("button", name="Stop").click()
    expect(first.get_by_role("button", name="Go on")).to_be_visible()
    expect(second.locator("#status")).to_contain_text("Step", timeout=RUN * 1000)
    second.get_by_role("button", name="Stop").click()
    expect(second.get_by_role("button", name="Go on")).to_be_visible()
