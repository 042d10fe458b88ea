"""The notebooks: their form, as committed, and the chain executed by papermill on a short cut of the sample."""

import ast
import base64
import itertools
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import cv2
import nbformat
import numpy as np
import pandas as pd
import papermill
import pytest
from nbformat import v4

from tests import ROOT
from tests.clean_notebooks import KERNEL, clean, clean_file, main, write_parameters
from tests.helpers.tiny import check_result, refused, workbench
from tests.reports.test_report import Page
from workbench.errors import NotebookError
from workbench.evaluation.corrupt import shuffled_rows, write_case
from workbench.evaluation.files import OUTLIER, truth_path
from workbench.notebooks import chain as chain_module
from workbench.reports.report import SECTIONS
from workbench.run import Run
from workbench.run.stages import NOTEBOOKS, STAGES
from workbench.sweep.table import read_table

COMMITTED = sorted((ROOT / "notebooks").glob("*.ipynb"))
# Parameters of a notebook other than those of its stages.
COMMON = {"run_path": "../runs/sample", "overwrite": False, "interactive": True}
EXTRA = {
    "00_make_corrupted_clip": {
        "video": "../data/sample.mp4",
        "clips": "",
        "foreign": "",
        "foreign_share": 0.1,
        "case_seed": 0,
        "flicker": 0.0,
        "shake": 0.0,
    },
    "05_order_frames": {"truth": ""},
}
# The notebooks of sweeps compute no stage, and this one makes runs of its own.
DRAWN = "08_when_it_fails"
ALONE = {
    "06_compare": {
        "table": "../data/sweeps/alpha.csv",
        "metric": "adjacent",
        "rows": "",
        "columns": "",
        "best_run": "../runs/best",
        "interactive": True,
    },
    "07_tune_superglue": {
        "table": "../data/sweeps/superglue_optuna.csv",
        "metric": "adjacent",
        "single": "../data/sweeps/superglue.csv",
        "run_path": "../runs/sample",
        "interactive": True,
    },
    DRAWN: {"runs_path": "../runs/when_it_fails", "clip_seed": 0, "interactive": True},
}
# Folders of one machine, and the memory addresses that unnamed objects print.
MACHINE = re.compile(r"(?<![\w.:/])/(?:home|root|Users|tmp|work|mnt|opt|var|usr|private)/|\b[A-Z]:\\\\|\bat 0x[0-9a-f]{6,}")
BASELINE = json.loads((ROOT / "tests" / "baseline.json").read_text())


def tags(cell: nbformat.NotebookNode) -> list[str]:
    return cell.metadata.get("tags", [])


def tagged(notebook: nbformat.NotebookNode, tag: str) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if tag in tags(cell)]


def code(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def parameters(notebook: nbformat.NotebookNode) -> dict[str, object]:
    """Names and values of the parameters cell."""
    statements = ast.parse(tagged(notebook, "parameters")[0].source).body
    return {statement.targets[0].id: ast.literal_eval(statement.value) for statement in statements}


# --- form -----------------------------------------------------------------------------------------------------------------


def test_numbered_and_complete():
    """00, 01, ... without a gap: the chain, then the notebooks of sweeps, then the one of clips that fail."""
    assert [path.name[:3] for path in COMMITTED] == [f"{k:02d}_" for k in range(len(COMMITTED))]
    assert [path.stem for path in COMMITTED] == [*chain_module.CHAIN, *chain_module.SWEEP_NOTEBOOKS, DRAWN]
    assert set(ALONE) == {*chain_module.SWEEP_NOTEBOOKS, DRAWN}


@pytest.fixture(params=COMMITTED, ids=lambda path: path.stem)
def committed(request) -> tuple[Path, nbformat.NotebookNode]:
    return request.param, nbformat.read(request.param, as_version=4)


def test_valid_and_short(committed):
    """At most 15 code cells of at most 15 lines, that of the parameters too; functions and classes live in the package."""
    _, notebook = committed
    nbformat.validate(notebook)
    assert len(code(notebook)) <= 15
    for cell in code(notebook):
        assert len(cell.source.splitlines()) <= 15, cell.source
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        assert not [node for node in ast.walk(ast.parse(cell.source)) if isinstance(node, kinds)], cell.source


def test_parts(committed):
    """A question, then the parameters before any other code, controls near the end, a check last or before the findings, and
    where to go next."""
    _, notebook = committed
    text = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert "**Question:**" in text[0]
    headings = [line for source in text for line in source.splitlines() if line.startswith("## ")]
    wanted = ["## Parameters", "## Compute", "## Look", "## Explore", "## Check"]
    assert [heading for heading in headings if heading in wanted] == wanted
    assert "**Next:**" in text[-1]
    assert "parameters" in tags(code(notebook)[0])
    *_, check, findings = code(notebook)
    assert "nbval-check-output" in tags(check if "report-findings" in tags(findings) else findings)


def test_parameters_cell(committed):
    """One cell, literals only, one assignment per line, each with a comment."""
    _, notebook = committed
    (cell,) = tagged(notebook, "parameters")
    for line in cell.source.splitlines():
        (statement,) = ast.parse(line).body
        assert isinstance(statement, ast.Assign), line
        assert len(statement.targets) == 1, line
        ast.literal_eval(statement.value)
        assert re.fullmatch(r"\w+ = \S.*  # \S.*", line), line


def test_parameters_are_those_of_the_stages(committed):
    """Names, defaults and comments; papermill, which only warns about unknown names, sees the same names."""
    path, notebook = committed
    expected = ALONE.get(path.stem) or COMMON | EXTRA.get(path.stem, {})
    comments = {}
    for stage, name in NOTEBOOKS.items():
        if name == path.stem:
            own = [item for item in fields(STAGES[stage].parameters) if item.metadata["in_cell"]]
            expected |= {item.name: item.default for item in own}
            comments |= {item.name: item.metadata["about"] for item in own}
    assert parameters(notebook) == expected
    assert {name: type(value) for name, value in parameters(notebook).items()} == {k: type(v) for k, v in expected.items()}
    lines = {line.split(" = ")[0]: line.split("  # ")[1] for line in tagged(notebook, "parameters")[0].source.splitlines()}
    assert {name: lines[name] for name in comments} == comments
    assert set(papermill.inspect_notebook(str(path))) == set(expected)


def test_kept_parameters_are_used(committed):
    """For every stage with parameters: `workbench lab` keeps what a run was made with, and the notebooks must accept it."""
    if committed[0].stem in ALONE:
        assert "overwrite" not in "".join(cell.source for cell in code(committed[1]))
        return
    (source,) = (cell.source for cell in code(committed[1]) if "page.open_run(run_path, interactive, " in cell.source)
    assert "from_names(globals())" in source
    assert "from_names" not in "".join(cell.source for cell in code(committed[1]) if cell.source != source)
    own = [STAGES[stage].parameters for stage, name in NOTEBOOKS.items() if name == committed[0].stem]
    assert all(kind.__name__ in source for kind in own if fields(kind))


def test_controls_are_guarded(committed):
    """Every control follows a static figure, and appears only when somebody can use it."""
    _, notebook = committed
    explore = tagged(notebook, "explore")
    assert explore
    for cell in explore:
        (statement,) = ast.parse(cell.source).body
        assert isinstance(statement, ast.If)
        assert ast.unparse(statement.test) == "controls"
        instead = "".join(ast.unparse(line) for line in statement.orelse)
        assert not instead or re.fullmatch(r"display\(page\.picture_of_controls\('\d\d'\)\)", instead)
        assert any("fig = " in earlier.source for earlier in notebook.cells[: notebook.cells.index(cell)])
    guarded = "".join(cell.source for cell in explore)
    assert "".join(cell.source for cell in code(notebook)).count("display(") == guarded.count("display(")
    opened = ("controls = widgets.is_interactive(interactive)", "run, controls, ")
    assert any(line.startswith(opened) for cell in code(notebook) for line in cell.source.splitlines())


def test_every_figure_is_followed_by_what_it_shows(committed):
    """Every cell that shows a figure ends with sentences, and the last one has findings; those of the chain have a method. The
    two pictures of a pair, and the overlay above the errors of its alignment, share theirs."""
    path, notebook = committed
    for cell in code(notebook):
        shown = [output for output in cell.outputs if "image/png" in output.get("data", {})]
        words = [output for output in cell.outputs if "text/markdown" in output.get("data", {})]
        shared = "pairview.matches_figure" in cell.source or "viz.scene_overlay_before_after" in cell.source
        assert not shown or words or shared, cell.source
    (findings,) = tagged(notebook, "report-findings")
    text = findings.outputs[0].data["text/markdown"]
    assert all(f"**{part}**\n\n- " in text for part in ("Learnt", "Doubtful", "What to do next"))
    if path.stem not in ALONE:
        method = next(cell.source for cell in notebook.cells if cell.source.startswith("## The method"))
        assert "$$" in method and ("](https://" in method)


def test_most_of_the_code_is_about_the_question(committed):
    """At most a fifth of the lines of code opens the run, guards controls or passes parameters on; imports and the parameters
    cell do not count."""
    path, notebook = committed
    if path.stem in ALONE:
        return
    lines = [line for cell in code(notebook) if "parameters" not in tags(cell) for line in cell.source.splitlines()]
    lines = [line for line in lines if line.strip() and not line.startswith(("import ", "from "))]
    plumbing = [line for line in lines if re.match(r"(run, controls|if controls:|else:|.*from_names|.*page\.picture_of)", line)]
    assert len(plumbing) <= len(lines) / 5, (len(plumbing), len(lines))


def test_outputs_are_committed(committed):
    """A reader sees the pictures without running anything: all cells ran in order, without an error or a warning."""
    path, notebook = committed
    assert [cell.execution_count for cell in code(notebook)] == list(range(1, len(code(notebook)) + 1))
    outputs = [output for cell in code(notebook) for output in cell.outputs]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
    assert tagged(notebook, "nbval-check-output")[0].outputs
    assert path.stat().st_size < 2**20


def test_no_trace_of_a_machine(committed):
    """No absolute path, no address in memory, and nothing that changes when the notebook is run again."""
    path, notebook = committed
    text = [cell.source for cell in notebook.cells] + [
        json.dumps({kind: data for kind, data in output.get("data", {}).items() if not kind.startswith("image/")})
        + output.get("text", "")
        for cell in code(notebook)
        for output in cell.outputs
    ]
    assert [found for part in text for found in MACHINE.findall(part)] == []
    assert path.read_text(encoding="utf-8") == nbformat.writes(clean(notebook)) + "\n"


def test_machine_pattern():
    """The pattern finds paths and addresses of one machine, and accepts relative paths and web addresses."""
    for text in ("'/home/a/x.png'", "(/tmp/x)", "/root/x", "C:\\\\\\\\Users", "<Figure at 0x7f3a5cdf1790>"):
        assert MACHINE.search(text), text
    for text in ("../runs/sample", "runs/tmp/x", "https://example.org/home/x", "src=../data/home/x.mp4", "1/var/2"):
        assert not MACHINE.search(text), text


# --- notebook 06 ----------------------------------------------------------------------------------------------------------


def compared(tmp_path: Path, table: pd.DataFrame, **values: object) -> str:
    """What notebook 06 prints and shows as text for a table, run by papermill."""
    table.to_csv(tmp_path / "table.csv", index=False)
    out = chain_module.execute(
        ROOT / "notebooks" / "06_compare.ipynb", tmp_path / "06.ipynb", {"table": str(tmp_path / "table.csv")} | values
    )
    outputs = [output for cell in code(nbformat.read(out, as_version=4)) for output in cell.outputs]
    return "\n".join(output.get("text", "") + output.get("data", {}).get("text/html", "") for output in outputs)


def test_compare_reports_failures_and_ties(tmp_path):
    """The committed table with equal figures everywhere, except for a cell that failed and one without its weights."""
    table = read_table(ROOT / "data" / "sweeps" / "alpha.csv")
    table["adjacent"] = 1.0
    table.loc[3, ["status", "error"]] = ["failed", "no scene was found: try <another>"]
    table.loc[7, ["status", "error"]] = ["weights not available", "put the file there"]
    text = compared(tmp_path, table)
    assert "2 of 44 cells came to no result." in text
    assert "no scene was found: try &lt;another&gt;" in text and "put the file there" in text
    assert "42 of 44 settings tie at adjacent 1.000; the fastest of them is " in text
    assert "workbench run ../data/sample.mp4 --out ../runs/best -p " in text


def test_compare_one_parameter_in_a_list(tmp_path):
    """Only alpha varies, on two videos, and one cell was not tried: the heat map uses the video, and a note reports it."""
    table = read_table(ROOT / "data" / "sweeps" / "alpha.csv")
    table = table[(table["order.method"] == "path") & (table["match.matcher"] == "superglue")]
    table = pd.concat([table, table.assign(video="other.mp4")])[:-1]
    text = compared(tmp_path, table, metric="tau")
    assert "21 cells of 2 video(s); varied: order.alpha" in text and "Note: not every combination was tried" in text
    assert "'settings': 11" in text or "11 settings" in text


def test_compare_refuses_an_unknown_metric(tmp_path):
    with pytest.raises(NotebookError, match="adjacents is not a metric of this table: choose one of those it has"):
        compared(tmp_path, read_table(ROOT / "data" / "sweeps" / "alpha.csv"), metric="adjacents")


# --- cleaning -------------------------------------------------------------------------------------------------------------


def test_cleaning(tmp_path):
    """Two executions that differ in times, versions, widget state and pandas' random names are the same after cleaning.

    The picture is 40 x 30 px of noise, all colours different; with 256 colours it stays close.
    """
    noise = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    png = base64.b64encode(cv2.imencode(".png", noise)[1]).decode()
    paths = []
    for k, name in enumerate(("5e1f3", "a0b1c")):
        table = f"<style>#T_{name} td</style><table id='T_{name}'></table>"
        data = {
            "text/html": table,
            "text/plain": f"<Styler at 0x7f{name}>",
            "application/vnd.jupyter.widget-view+json": {"model_id": str(k)},
        }
        output = v4.new_output("execute_result", data | {"image/png": png}, execution_count=1, metadata={"took": k})
        cell = v4.new_code_cell("1", id="01-00", execution_count=1, outputs=[output, v4.new_output("stream", text="T_abcde\n")])
        cell.metadata = {"tags": ["explore"], "execution": {"iopub.execute_input": str(k)}, "papermill": {"duration": k}}
        book = v4.new_notebook(cells=[cell], metadata={"papermill": {"k": k}, "widgets": {"k": k}})
        book.metadata.language_info = {"name": "python", "version": f"3.{k}"}
        paths.append(tmp_path / f"{k}.ipynb")
        nbformat.write(book, paths[-1])
    raw = paths[0].read_bytes()
    assert main(["--check", *map(str, paths)]) == 1 and paths[0].read_bytes() == raw
    assert [clean_file(path) for path in paths] == [True, True]
    assert main(["--check", *map(str, paths)]) == 0
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert [clean_file(path) for path in paths] == [False, False]
    (cell,) = nbformat.read(paths[0], as_version=4).cells
    assert (cell.id, cell.source, cell.execution_count, cell.metadata) == ("01-00", "1", 1, {"tags": ["explore"]})
    html = "<style>#T_00000 td</style><table id='T_00000'></table>"
    small = base64.b64decode(cell.outputs[0].data.pop("image/png"))
    assert cell.outputs[0].data == {"text/html": html, "text/plain": "<Styler>"}
    picture = cv2.imdecode(np.frombuffer(small, np.uint8), cv2.IMREAD_COLOR)
    assert len(np.unique(picture.reshape(-1, 3), axis=0)) <= 256
    assert np.abs(picture.astype(int) - noise).mean() < 25
    assert cell.outputs[1].text == "T_abcde\n"


# --- the chain ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def cut(sample_clips, tmp_path_factory) -> Path:
    """62 frames of the sample, encoded again: 19 consecutive frames of each of its three scenes and 5 foreign ones, shuffled
    with seed 7; the truth lies beside it."""
    counts = {"pagoda": 19, "toys": 19, "dahlia": 19, OUTLIER: 5}
    rows = shuffled_rows(counts, seed=7)
    video = tmp_path_factory.mktemp("cut") / "cut.mp4"
    write_case((sample_clips[row.clip][10 + row.frame if row.clip != OUTLIER else row.frame] for row in rows), rows, video)
    return video


@pytest.fixture(scope="module")
def chain(cut, tmp_path_factory):
    """The run directory of ``workbench run`` on ``cut``, and the output of the command. Tests only read it."""
    path = tmp_path_factory.mktemp("runs") / "cut"
    answer = workbench("run", cut, "--out", path)
    assert answer.status == 0, answer.err
    return path, answer


@pytest.fixture(scope="module")
def second(chain, cut, tmp_path_factory):
    """The same command on a copy of the run, started when the first has ended; it runs beside the tests in between."""
    path = shutil.copytree(chain[0], tmp_path_factory.mktemp("runs") / "again")
    command = [Path(sys.executable).with_name("workbench"), "run", cut, "--out", path]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        yield path, process


@pytest.mark.usefixtures("second")
def test_chain_reports_its_progress(chain):
    """A line on stderr for every notebook as it is done; the table and the files on stdout."""
    path, answer = chain
    assert [line.split()[:2] for line in answer.err.splitlines()] == [
        [f"{k}/6", name] for k, name in enumerate(chain_module.CHAIN, 1)
    ]
    assert answer.out.splitlines()[0].split() == ["Frames", "62"]
    files = [str(path / name) for name in ("order.csv", "report.html", "reconstructed.mp4")]
    assert answer.out.splitlines()[-3:] == files


def test_chain_metrics(chain):
    """Every figure of ``baseline.json`` lies within its tolerance of the committed value."""
    path, _ = chain
    metrics = json.loads((path / "metrics.json").read_text())
    assert BASELINE.keys() <= metrics.keys()
    off = {
        name: (metrics[name], value, tolerance)
        for name, (value, tolerance) in BASELINE.items()
        if abs(metrics[name] - value) > tolerance
    }
    assert off == {}, "(measured, baseline, tolerance)"


def test_chain_result_is_whole(chain, cut):
    path, _ = chain
    check_result(path, cut, exact=False)
    run = Run.open(path)
    run.require(*STAGES)
    assert {item.name for item in path.iterdir() if item.name.startswith(".")} <= {".record.lock", ".work.lock"}


def test_executed_notebooks(chain):
    """They stay, with their outputs and without controls; every one has a figure."""
    path, _ = chain
    for name in chain_module.CHAIN:
        notebook = nbformat.read(path / "notebooks" / f"{name}.ipynb", as_version=4)
        outputs = [output for cell in code(notebook) for output in cell.outputs]
        assert any("image/png" in output.get("data", {}) for output in outputs), name
        assert [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"] == []
        assert not any("widget-view" in kind for output in outputs for kind in output.get("data", {}))
        injected = tagged(notebook, "injected-parameters")[0].source
        assert f'run_path = "{path.resolve()}"' in injected
        assert "interactive = False" in injected


def test_report_of_the_chain(chain):
    """The table, then film strip, map, eps, matches and similarity, each with a picture embedded in the page."""
    path, _ = chain
    page = Page(path / "report.html")
    order = [page.seen.index(item) for item in ("Frames", "|Kendall tau|", *[heading for _, heading in SECTIONS])]
    assert order == sorted(order)
    names = ("strip", "map", "eps", "matches", "similarity")
    assert [tag for tag, _ in SECTIONS[:5]] == [f"report-{name}" for name in names]
    for start, end in itertools.pairwise(order[2:]):
        assert any(item.startswith("picture data:image/png;base64,") for item in page.seen[start:end])
    assert all(item.startswith("picture data:") for item in page.seen if item.startswith("picture "))
    beside = {address for address in page.addresses if not address.startswith(("data:", "#"))}
    assert beside == {"reconstructed.mp4", "order.csv", *[f"notebooks/{name}.ipynb" for name in chain_module.CHAIN]}
    assert all((path / address).is_file() for address in beside)


def test_reconstruct_gives_the_same(chain, cut, tmp_path):
    """The fast path calls the same stages: order.csv is the same, byte for byte."""
    path, _ = chain
    answer = workbench("reconstruct", cut, "--out", tmp_path / "run")
    assert (answer.status, answer.err) == (0, "")
    assert (tmp_path / "run" / "order.csv").read_bytes() == (path / "order.csv").read_bytes()
    fast, slow = (json.loads((folder / "metrics.json").read_text()) for folder in (tmp_path / "run", path))
    assert {k: v for k, v in fast.items() if not k.startswith("seconds_")} == {
        k: v for k, v in slow.items() if not k.startswith("seconds_")
    }


# --- notebooks that fail --------------------------------------------------------------------------------------------------


@pytest.fixture
def one_notebook(tmp_path, monkeypatch):
    """Makes the chain a single notebook of the given cells, behind a parameters cell."""

    def make(
        *sources: str, names: str = "run_path = ''\noverwrite = False\ninteractive = True\nvideo = ''\ntruth = ''"
    ) -> None:
        cells = [v4.new_code_cell(names, metadata={"tags": ["parameters"]}), *map(v4.new_code_cell, sources)]
        book = v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL})
        (tmp_path / "notebooks").mkdir()
        nbformat.write(book, tmp_path / "notebooks" / "07_broken.ipynb")
        monkeypatch.setattr(chain_module, "CHAIN", ("07_broken",))
        monkeypatch.setattr(chain_module, "notebooks_folder", lambda: tmp_path / "notebooks")

    return make


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("1 / 0", "ZeroDivisionError: division by zero (in notebook 07_broken; as far as it came: "),
        ("raise ValueError('two\\nlines')", "ValueError: two lines (in notebook 07_broken"),
        (
            "from workbench.errors import RunError\nraise RunError('the run is damaged: start a new one')",
            "workbench: the run is damaged: start a new one (in notebook 07_broken",
        ),
    ],
    ids=["fault", "lines", "error"],
)
def test_failing_notebook(cut, tmp_path, one_notebook, source: str, words: str):
    """One line names the notebook and its file, which has the outputs of the cells that ran and the traceback."""
    one_notebook("print('so far so good')", source, "print('never')")
    answer = workbench("run", cut, "--truth", truth_path(cut), "--out", tmp_path / "run")
    kept = tmp_path / "run" / "notebooks" / "07_broken.ipynb"
    refused(answer, 1, words, str(kept))
    cells = {cell.source: cell.outputs for cell in nbformat.read(kept, as_version=4).cells if cell.cell_type == "code"}
    assert cells["print('so far so good')"][0].text == "so far so good\n"
    assert cells[source][0].output_type == "error"
    assert cells["print('never')"] == []


def test_killed_kernel(cut, tmp_path, one_notebook, caplog):
    """The kernel dies, as it does when memory runs out."""
    one_notebook("import os\nos._exit(9)")
    answer = workbench("run", cut, "--out", tmp_path / "run")
    refused(answer, 1, "the kernel of notebook 07_broken was killed, perhaps for want of memory", "07_broken.ipynb")
    assert "Kernel died" in caplog.text
    caplog.clear()  # nbclient is right to log it


def test_unknown_parameter_of_a_notebook(cut, tmp_path, one_notebook):
    """papermill alone would only warn, and run with the default instead."""
    one_notebook("1 / 0", names="run_path = ''\noverwrite = False")
    answer = workbench("run", cut, "--out", tmp_path / "run")
    refused(answer, 1, "07_broken.ipynb has no parameter interactive, truth, video: add it to its parameters cell")


def test_a_parameter_that_is_not_in_the_cell_is_given(tmp_path):
    """It gets a line with its default and its comment, so that papermill knows it, and what is given follows; a name
    that is in no stage of the notebook is refused."""
    cells = [
        v4.new_code_cell("keypoints = 'sift'", metadata={"tags": ["parameters"]}),
        v4.new_code_cell("print(keypoint_threshold)"),
    ]
    nbformat.write(v4.new_notebook(cells=cells, metadata={"kernelspec": KERNEL}), tmp_path / "04_inspect_matches.ipynb")
    values = {"keypoints": "superpoint", "keypoint_threshold": 0.02}
    out = chain_module.execute(tmp_path / "04_inspect_matches.ipynb", tmp_path / "out.ipynb", values)
    first, injected, last = nbformat.read(out, as_version=4).cells
    assert first.source.splitlines() == [
        "keypoints = 'sift'",
        "keypoint_threshold = 0.0  # SuperPoint keypoint threshold, 0 to 1, for superpoint only; 0: the weights' own",
    ]
    assert "keypoint_threshold = 0.02" in injected.source and last.outputs[0].text == "0.02\n"
    with pytest.raises(NotebookError, match="has no parameter pairs_per_frame: add it"):
        chain_module.execute(tmp_path / "04_inspect_matches.ipynb", tmp_path / "out.ipynb", {"pairs_per_frame": 4})


# --- a second run ---------------------------------------------------------------------------------------------------------


def test_second_run_computes_nothing(chain, second):
    """Every stage is reused, and the report is the same."""
    path, process = second
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    assert out == chain[1].out.replace(str(chain[0]), str(path))
    assert (path / "run.json").read_bytes() == (chain[0] / "run.json").read_bytes()
    assert Page(path / "report.html").seen == Page(chain[0] / "report.html").seen


def test_parameters_cells_are_written():
    """A comment that is out of date is replaced, a parameter that is new comes after the one before it; values stay."""
    path = ROOT / "notebooks" / "03_tune_eps.ipynb"
    notebook = nbformat.read(path, as_version=4)
    cell = tagged(notebook, "parameters")[0]
    before = cell.source
    lines = [line for line in before.splitlines() if not line.startswith("min_samples = ")]
    cell.source = "\n".join("eps = 0.04  # an old comment" if line.startswith("eps = ") else line for line in lines)
    write_parameters(notebook, path.stem)
    assert cell.source == before.replace("eps = 0.0  #", "eps = 0.04  #")
    assert write_parameters(
        nbformat.read(ROOT / "notebooks" / "06_compare.ipynb", as_version=4), "06_compare"
    ) == nbformat.read(ROOT / "notebooks" / "06_compare.ipynb", as_version=4)
