"""JupyterLab on the loopback interface, and notebooks in a real browser for the tests.

:class:`JupyterServer` runs JupyterLab, isolated from the settings and files of the person who runs the tests.
:class:`NotebookPage` is one notebook in Chromium: run all cells, wait for the kernel, read, click, take screenshots. Nothing
sleeps for a fixed time: every wait is for a condition.
"""

import ast
import json
import os
import re
import secrets
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

from playwright.sync_api import Locator, Page, expect

from tests import ROOT

PICTURES = ROOT / "build" / "browser"
# Timeouts in seconds: until JupyterLab or a notebook is there, until all cells ran, until an action has its effect. They are
# generous, since a machine may have one slow core, and the first kernel imports torch.
START, RUN, ANSWER = 120, 600, 60

# No pop-ups, no network requests, and all cells are in the page, visible or not.
SETTINGS = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False, "doNotDisturbMode": True},
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}
# Tracks the requests to the kernel, from cells and widgets alike, that are not answered yet: JupyterLab lets the kernel answer
# widgets in a separate thread, so widgets may still be busy when all cells are done.
WATCH = """
window.asked = new Set();
window.quietSince = performance.now();
panel.sessionContext.session.kernel.anyMessage.connect((_, { msg, direction }) => {
  if (direction === 'send' && msg.channel === 'shell') window.asked.add(msg.header.msg_id);
  else if (msg.header.msg_type === 'status' && msg.content.execution_state === 'idle') {
    window.asked.delete(msg.parent_header.msg_id);
  }
  window.quietSince = performance.now();
});
"""
# A slider sends its next value only when the last is answered: a short pause without messages shows that nothing follows.
QUIET = "() => window.asked.size === 0 && performance.now() - window.quietSince > 300"
# JupyterLab's application object, available in the page because of --LabApp.expose_app_in_browser.
CURRENT = "const panel = window.jupyterapp.shell.currentWidget;"


class JupyterServer:
    """JupyterLab in a process of its own; ``root`` is what it serves. The log goes to a file in ``home``."""

    def __init__(self, root: Path, home: Path) -> None:
        self.log, self._runtime, self._token = home / "jupyter.log", home / "runtime", secrets.token_hex(16)
        for name, values in SETTINGS.items():
            file = home / "settings" / f"{name}.jupyterlab-settings"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(json.dumps(values))
        folders = {
            "JUPYTER_CONFIG_DIR": "config",
            "JUPYTER_DATA_DIR": "data",  # kernels are found beside the interpreter
            "JUPYTER_RUNTIME_DIR": "runtime",
            "JUPYTERLAB_SETTINGS_DIR": "settings",
            "JUPYTERLAB_WORKSPACES_DIR": "workspaces",
            "IPYTHONDIR": "ipython",
        }
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        environment = os.environ | {name: str(home / folder) for name, folder in folders.items()} | {"PYTHONPATH": path}
        for name in ("MPLBACKEND", "WORKBENCH_HEADLESS"):  # set for the other tests: no figures, no controls
            environment.pop(name, None)
        options = [
            "--no-browser",
            "--allow-root",
            "--ServerApp.ip=127.0.0.1",
            "--ServerApp.port=0",
            f"--ServerApp.root_dir={root}",
            f"--IdentityProvider.token={self._token}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
        ]
        command = [sys.executable, "-m", "jupyterlab", *options]
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, stdin=subprocess.DEVNULL)

    def wait(self) -> None:
        """Wait until it answers; raises RuntimeError, with its log, when it ends or does not answer in time."""
        file = self._runtime / f"jpserver-{self._process.pid}.json"
        deadline = time.monotonic() + START
        while True:
            try:  # the file is written a moment before the server listens
                self.url = json.loads(file.read_text())["url"].rstrip("/")
                self._ask("/api/status")
                return
            except (OSError, ValueError):
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"JupyterLab did not start:\n{self.log_end()}") from None
                time.sleep(0.1)

    def page_address(self, path: str) -> str:
        """The address at which JupyterLab shows the file ``path``, relative to the root, in an empty workspace."""
        return f"{self.url}/lab/tree/{path}?token={self._token}&reset"

    def stop_kernels(self) -> None:
        """Shut down every kernel, so that its memory is free for the next notebook."""
        for session in json.loads(self._ask("/api/sessions")):
            self._ask(f"/api/sessions/{session['id']}", "DELETE")

    def log_end(self, lines: int = 60) -> str:
        """The last lines of its log."""
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])

    def stop(self) -> None:
        """End the server and its kernels; it is killed when it does not end by itself."""
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _ask(self, path: str, method: str = "GET") -> bytes:
        headers = {"Authorization": f"token {self._token}"}
        request = urllib.request.Request(self.url + path, headers=headers, method=method)
        with urllib.request.urlopen(request, timeout=ANSWER) as answer:
            return answer.read()


class NotebookPage:
    """One notebook, open in a page of the browser."""

    def __init__(self, page: Page, server: JupyterServer, path: str) -> None:
        self.page, self.path = page, path
        page.goto(server.page_address(path), timeout=START * 1000)
        self._until("() => window.jupyterapp?.shell?.currentWidget?.context?.isReady", START)
        assert self._evaluate("return panel.context.path") == path
        self._until(f"() => {{ {CURRENT} return panel.sessionContext.session?.kernel?.status === 'idle' }}", START)
        self._evaluate(WATCH)
        # The list of files takes a fifth of the page, which leaves too little for screenshots.
        self._evaluate("return window.jupyterapp.commands.execute('application:toggle-left-area')")

    def run_all(self) -> None:
        """Run all cells as the menu does, wait until the kernel is done, and assert that no cell shows an error."""
        self._evaluate(
            "window.ranAll = undefined;"
            "window.jupyterapp.commands.execute('notebook:run-all-cells').then(done => { window.ranAll = { done } })"
        )
        self._until("() => window.ranAll !== undefined", RUN)
        self.wait_idle(RUN)
        self.assert_no_error()
        counts = self._evaluate(
            "return panel.content.widgets.filter(cell => cell.model.type === 'code').map(cell => cell.model.executionCount)"
        )
        assert all(counts), f"cells of {self.path} were not run: {counts}"

    def wait_idle(self, seconds: float = ANSWER) -> None:
        """Wait until the kernel has answered all requests of cells and widgets."""
        self._until(QUIET, seconds)

    def assert_no_error(self) -> None:
        """Assert that no cell has an error or writes more than a progress bar to stderr, and that all widgets are displayed."""
        outputs = self._evaluate(
            "return panel.content.widgets.filter(cell => cell.model.type === 'code')"
            ".flatMap(cell => cell.model.outputs.toJSON())"
        )
        errors = [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]
        assert errors == [], f"{self.path}: {errors}"
        written = "".join("".join(output["text"]) for output in outputs if output.get("name") == "stderr")
        lines = [line for line in re.split(r"[\r\n]+", written) if line.strip() and not re.search(r"\d+%\|", line)]
        assert lines == [], f"{self.path}: {lines}"
        broken = self.page.locator(".jp-OutputArea-output").filter(
            has_text=re.compile("Error displaying widget|Error creating widget|Failed to load model|Loading widget")
        )
        expect(broken).to_have_count(0, timeout=ANSWER * 1000)

    def python(self, code: str) -> Any:
        """Run ``code`` in the notebook's kernel, beside the cells, and return the value of its last line, as JSON.

        Raises RuntimeError with the kernel's message when the code fails.
        """
        *before, last = code.strip().splitlines()
        answer = self._evaluate(
            "const user_expressions = { value: `__import__('json').dumps(${last})` };"
            "const request = { code: before, user_expressions, store_history: false };"
            "return panel.sessionContext.session.kernel.requestExecute(request).done.then(reply => reply.content)",
            before="\n".join(before),
            last=last,
        )
        for part in (answer, answer.get("user_expressions", {}).get("value", {})):
            if part.get("status") != "ok":
                raise RuntimeError(f"{code}: {part.get('ename')}: {part.get('evalue')}")
        return json.loads(ast.literal_eval(answer["user_expressions"]["value"]["data"]["text/plain"]))

    def wait_for_python(self, code: str) -> None:
        """Wait until ``code``, an expression, is true in the kernel: messages of the page may still be on their way."""
        deadline = time.monotonic() + ANSWER
        while not self.python(f"bool({code})"):
            assert time.monotonic() < deadline, f"{code} does not become true"
            self.page.wait_for_timeout(100)

    def find(self, what: str | Locator) -> Locator:
        """The elements of the notebook that match the CSS selector ``what``; a locator is returned as it is."""
        return self.page.locator(".jp-Notebook").locator(what) if isinstance(what, str) else what

    def text(self, what: str | Locator) -> str:
        """The text of the only matching element."""
        return self.find(what).inner_text(timeout=ANSWER * 1000)

    def changed_text(self, what: str | Locator, change: Callable[[], object]) -> tuple[str, str]:
        """The text of an element before and after ``change``, which is called and must change it."""
        before = self.text(what)
        change()
        expect(self.find(what)).not_to_have_text(before, timeout=ANSWER * 1000, use_inner_text=True)
        self.wait_idle()
        return before, self.text(what)

    def click(self, what: str | Locator) -> None:
        """Click the only matching element, such as the button ``.wb-keep``."""
        self.find(what).click(timeout=ANSWER * 1000)

    def type_value(self, slider: str | Locator, value: object) -> None:
        """Type ``value`` into the number beside a slider, and press Enter."""
        readout = self.find(slider).locator(".widget-readout")
        readout.click(timeout=ANSWER * 1000)
        self.page.keyboard.press("Control+A")
        self.page.keyboard.type(str(value))
        self.page.keyboard.press("Enter")

    def press_slider(self, slider: str | Locator, key: str, times: int = 1) -> None:
        """Press ``key``, such as ``ArrowRight``, ``PageUp`` or ``Home``, on the handle of a slider."""
        handle = self.find(slider).locator(".noUi-handle")
        handle.focus(timeout=ANSWER * 1000)
        for _ in range(times):
            handle.press(key)

    def click_plot(self, figure: str | Locator, x: float, y: float) -> None:
        """Click the point (x, y), in data coordinates, of a plotly figure; ``figure`` is the figure or contains it."""
        plot = self._plot(figure)
        left, top = plot.evaluate(
            "(div, [x, y]) => {"
            "  const box = div.getBoundingClientRect(), { xaxis, yaxis } = div._fullLayout;"
            "  return [box.left + xaxis._offset + xaxis.d2p(x), box.top + yaxis._offset + yaxis.d2p(y)];"
            "}",
            [x, y],
        )
        # Plotly reports the element under the mouse as clicked, and notices it with a delay: move away first, then there.
        for place, condition in (
            ((0, 0), "div => !div._hoverdata?.length"),
            ((left, top), "div => div._hoverdata?.length > 0"),
        ):
            self.page.mouse.move(*place)
            self.page.wait_for_function(condition, arg=plot.element_handle(), timeout=ANSWER * 1000)
        self.page.mouse.click(left, top)

    def lasso_plot(self, figure: str | Locator, corners: list[tuple[float, float]]) -> None:
        """Draw a lasso through ``corners``, as shares (0 to 1) of the drawing area; the figure's drag mode must be lasso."""
        box = self._plot(figure).locator(".nsewdrag").first.bounding_box()
        assert box is not None
        places = [(box["x"] + x * box["width"], box["y"] + y * box["height"]) for x, y in [*corners, corners[0]]]
        self.page.mouse.move(*places[0])
        self.page.mouse.down()
        for place in places[1:]:
            self.page.mouse.move(*place, steps=8)
        self.page.mouse.up()

    def _plot(self, figure: str | Locator) -> Locator:
        """The plotly figure that ``figure`` is or contains, drawn and scrolled into view."""
        plot = self.find(figure).locator("xpath=descendant-or-self::*[contains(@class, 'js-plotly-plot')]").first
        plot.locator(".nsewdrag").first.wait_for(timeout=ANSWER * 1000)
        plot.evaluate("div => div.scrollIntoView({ block: 'center' })")
        return plot

    def picture(self, name: str, what: str | Locator = "") -> Path:
        """Save a screenshot of an element, or of the visible page, as ``build/browser/NAME.png``."""
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        (self.find(what).first if what else self.page).screenshot(path=path, timeout=ANSWER * 1000)
        return path

    def picture_of_output(self, name: str, what: str) -> Path:
        """Save a screenshot of the output of a cell that an element is in, as far as the page shows it, as
        ``build/browser/NAME.png``."""
        output = self.find(f".jp-OutputArea-output:has({what})").first
        self.show(output, "start")
        own, page = output.bounding_box(), self.find(".jp-WindowedPanel-outer").first.bounding_box()
        top, bottom = max(own["y"], page["y"]), min(own["y"] + own["height"], page["y"] + page["height"])
        PICTURES.mkdir(parents=True, exist_ok=True)
        path = PICTURES / f"{name}.png"
        clip = {"x": own["x"], "y": top, "width": own["width"], "height": bottom - top}
        self.page.screenshot(path=path, clip=clip, timeout=ANSWER * 1000)
        return path

    def show(self, what: str | Locator, block: str = "center") -> None:
        """Scroll until the first matching element is in the middle of the page, or at its ``start``."""
        self.find(what).first.evaluate("(element, block) => element.scrollIntoView({ block })", block)

    def _evaluate(self, body: str, **values: Any) -> Any:
        """Run JavaScript in the page; ``panel`` is the notebook, ``values`` are further variables."""
        return self.page.evaluate(f"({{ {', '.join(values)} }}) => {{ {CURRENT} {body} }}", values)

    def _until(self, condition: str, seconds: float) -> None:
        self.page.wait_for_function(condition, timeout=seconds * 1000)
