"""What the browser tests share: one finished run, one JupyterLab and one Chromium for all of them.

They work on a copy of the notebooks, the sample and its run in a temporary folder; nothing in the repository is touched but
``build/browser/``, where the pictures go.
"""

import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.browser.pages import ANSWER, PICTURES, ROOT, JupyterServer, NotebookPage
from workbench.notebooks.chain import CHAIN
from workbench.notebooks.lab import copy_notebooks
from workbench.pipeline import stages
from workbench.run import Run
from workbench.run.stages import stage_parameters

# WebGL is drawn in software; what would look for a network stays off.
OPTIONS = (
    "--no-sandbox --disable-gpu --use-gl=angle --use-angle=swiftshader --enable-unsafe-swiftshader --disable-quic "
    "--no-first-run --disable-background-networking --disable-component-update --disable-sync --disable-dev-shm-usage"
)
SIZE = {"width": 1400, "height": 1000}
LOG = pytest.StashKey[JupyterServer]()
FAILED = pytest.StashKey[bool]()


def file_name(text: str) -> str:
    """``text`` with a dash for what does not belong into the name of a file."""
    return re.sub(r"[^0-9A-Za-z_]+", "-", text).strip("-")


@pytest.fixture(scope="session")
def site(tmp_path_factory) -> Path:
    """The folder that JupyterLab serves: notebooks/ without outputs, data/, and runs/sample as the defaults make it."""
    folder = tmp_path_factory.mktemp("site")
    shutil.copytree(ROOT / "data", folder / "data")
    (folder / "notebooks").mkdir()
    for name in CHAIN:
        notebook = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4)
        for cell in notebook.cells:
            if cell.cell_type == "code":  # what is seen is then what this kernel made
                cell.outputs, cell.execution_count = [], None
        nbformat.write(notebook, folder / "notebooks" / f"{name}.ipynb")
    parameters = stage_parameters({})
    run = Run.create(folder / "runs" / "sample", folder / "data" / "sample.mp4")
    stages.reconstruct(run, parameters, progress=False)
    stages.run_stage(run, parameters["umap"])
    return folder


@pytest.fixture
def own_run(site, request) -> Run:
    """A copy of the sample's run for one test to change, with notebooks beside it as ``workbench lab RUN`` puts them there:
    ``open_notebook(f"runs/{own_run.path.name}/lab/03_tune_eps.ipynb")``.
    """
    path = site / "runs" / file_name(request.node.name)
    shutil.copytree(site / "runs" / "sample", path)
    run = Run.open(path)
    copy_notebooks(run)
    return run


@pytest.fixture(scope="session")
def server(site, tmp_path_factory, request) -> Iterator[JupyterServer]:
    """JupyterLab on ``site``; it ends with the session, whatever happens."""
    server = JupyterServer(site, tmp_path_factory.mktemp("jupyter"))
    request.config.stash[LOG] = server
    try:
        server.wait()
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium as Debian installs it, without a window."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.fail("chromium is not on PATH: install it (on Debian: apt-get install chromium)", pytrace=False)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=OPTIONS.split())
        yield browser
        browser.close()


@pytest.fixture
def open_notebook(server, browser, request) -> Iterator[Callable[[str], NotebookPage]]:
    """``open_notebook("notebooks/01_embed.ipynb")``: the notebook in a page of its own, its kernel started.

    After the test the page is closed and the kernel shut down. When the test failed, build/browser/failed-TEST.png shows how
    the page looked.
    """
    failed = PICTURES / f"failed-{file_name(request.node.name)}.png"
    failed.unlink(missing_ok=True)
    context = browser.new_context(viewport=SIZE)
    context.set_default_timeout(ANSWER * 1000)
    page = context.new_page()
    page.on("pageerror", lambda error: print(f"in the page: {error}"))
    page.on("console", lambda message: message.type == "error" and print(f"console: {message.text}"))
    yield lambda path: NotebookPage(page, server, path)
    if request.node.stash.get(FAILED, False):
        failed.parent.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=failed)
    context.close()
    server.stop_kernels()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    """A failure is shown with the end of JupyterLab's log."""
    report = yield
    if report.failed:
        item.stash[FAILED] = True
        if LOG in item.config.stash:
            report.sections.append(("JupyterLab's log", item.config.stash[LOG].log_end()))
    return report
