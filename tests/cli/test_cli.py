"""The command line: what it offers, what it keeps between calls, and how the commands work together."""

import errno
import json
import subprocess
import sys
from pathlib import Path
from unittest import mock

import cv2
import pytest
from click.testing import CliRunner

from tests.helpers.tiny import check_result, encode, mixture, pan, pictures, refused, workbench
from workbench import __version__
from workbench.cli.app import cli
from workbench.evaluation.effects import OVERLAYS
from workbench.evaluation.files import OUTLIER, read_order, read_truth
from workbench.models.registry import REGISTRY
from workbench.pipeline import stages
from workbench.pipeline.edits import frame_lists
from workbench.reports.changes import lines_of
from workbench.run import Run
from workbench.run.stages import STAGES, defaults
from workbench.scenes.decisions import VERDICTS

COMMANDS = ("app", "compare", "corrupt", "edit", "evaluate", "flip", "lab", "models", "reconstruct", "run", "sweep", "undo")
HEAVY = (
    "av",
    "cv2",
    "distributed",
    "h5py",
    "matplotlib",
    "numpy",
    "pandas",
    "papermill",
    "scipy",
    "sklearn",
    "torch",
    "transformers",
)


@pytest.fixture(scope="module")
def clip(tmp_path_factory) -> Path:
    """:func:`tiny.mixture`: scenes of 14 and 10 frames and three foreign pictures."""
    return encode(tmp_path_factory.mktemp("clip") / "clip.mp4", mixture())


@pytest.mark.parametrize("words", [["--help"], ["reconstruct", "--help"], ["run", "-h"], []], ids=" ".join)
def test_help_imports_nothing_heavy(words: list[str]):
    """In a fresh interpreter, so that what other tests imported does not hide it."""
    program = (
        "import sys; from workbench.cli.app import main\n"
        f"sys.argv = ['workbench', *{words}]\n"
        "try:\n    main()\n"
        f"except SystemExit as stop: print('code', stop.code or 0, 'heavy', [name for name in {HEAVY} if name in sys.modules])"
    )
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.startswith("Usage: workbench")
    assert answer.stdout.endswith("code 0 heavy []\n")
    assert answer.stderr == ""


def test_help_names_every_command_in_a_whole_sentence():
    shown = workbench("--help").out.partition("Commands:")[2].strip().splitlines()
    assert tuple(line.split()[0] for line in shown) == COMMANDS
    assert all(line.endswith(".") and not line.endswith("...") for line in shown)


def test_version():
    assert workbench("--version").out.split()[-1] == __version__


def test_options_of_reconstruct_are_the_parameters():
    """Every parameter but those of the map is an option, with its default and its comment."""
    options = {option.opts[0]: option for option in cli.commands["reconstruct"].params if "." in option.opts[0]}
    assert list(options) == [f"--{name}" for name in defaults() if not name.startswith("umap.")]
    for name, option in options.items():
        stage, field = name.removeprefix("--").split(".")
        item = STAGES[stage].parameters.__dataclass_fields__[field]
        assert (option.default, option.help) == (item.default, item.metadata["about"])


def test_default_run_directory(clip, tmp_path, monkeypatch):
    """``runs/NAME`` below the current folder; what is printed last can be opened as it stands."""
    monkeypatch.chdir(tmp_path)
    answer = workbench("reconstruct", clip)
    assert answer.out.splitlines()[-2:] == ["runs/clip/order.csv", "runs/clip/reconstructed.mp4"]
    assert answer.err == ""
    check_result(Path("runs/clip"), clip, exact=False)


def test_what_was_changed_is_said(clip, tmp_path):
    """Between the table and the models, a line for every verdict at most; a second call says the same."""
    words = ["reconstruct", clip, "--out", tmp_path / "run"]
    lines = workbench(*words).out.splitlines()
    seconds, models = (
        next(k for k, line in enumerate(lines) if line.startswith(start)) for start in ("Seconds, all", "Models: ")
    )
    assert lines[seconds + 1 : models] == lines_of(Run.open(tmp_path / "run"))
    assert 1 <= models - seconds - 1 <= len(VERDICTS) + 2
    assert workbench(*words).out.splitlines() == lines


def test_second_call_reuses_and_changes_need_overwrite(clip, tmp_path):
    """A call again computes nothing; another parameter is refused by the name of the stage, then replaces what builds on it."""
    words = ["reconstruct", clip, "--out", tmp_path / "run"]
    first = workbench(*words)
    before = (tmp_path / "run" / "run.json").read_bytes()
    assert workbench(*words) == first
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    changed = [*words, "--write.codec", "lossless"]
    refused(workbench(*changed), 1, "stage write was made with codec='h264' (now 'lossless'): pass --overwrite")
    assert (tmp_path / "run" / "run.json").read_bytes() == before
    answer = workbench(*changed, "--overwrite")
    # The older reconstructed.mp4 may still lie there: what is named is what was written now.
    assert answer.out.splitlines()[-1] == str(tmp_path / "run" / "reconstructed.mkv")
    after = json.loads((tmp_path / "run" / "run.json").read_text())["stages"]
    redone = {name for name, stage in json.loads(before)["stages"].items() if after[name] != stage}
    assert redone == {"write"}


def test_interrupted_run_goes_on(clip, tmp_path, monkeypatch):
    """Ctrl-C in the third stage: one line, 130, the two finished stages stay and are not done again."""
    words = ["reconstruct", clip, "--out", tmp_path / "run"]

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setitem(stages.COMPUTATIONS, "cluster", stages.Computation(interrupt))
        answer = workbench(*words)
    assert (answer.status, answer.out) == (130, "")
    assert answer.err.strip() == "workbench: interrupted; the same command goes on from here"
    finished = Run.open(tmp_path / "run").record["stages"]
    assert list(finished) == ["video", "embed"]
    assert workbench(*words).status == 0
    record = Run.open(tmp_path / "run").record["stages"]
    assert {name: record[name] for name in finished} == finished
    check_result(tmp_path / "run", clip, exact=False)


def test_full_disk_is_one_line_and_a_fault_is_not_hidden(clip, tmp_path, monkeypatch):
    """What a person can mend is one line with its own remedy; any other OSError is a fault of the program and keeps its
    traceback."""

    def fail(code: int) -> None:
        def raises(*_: object) -> None:
            raise OSError(code, "as the system says", "embeddings.npy")

        monkeypatch.setitem(stages.COMPUTATIONS, "cluster", stages.Computation(raises))

    fail(errno.ENOSPC)
    answer = workbench("reconstruct", clip, "--out", tmp_path / "run")
    refused(answer, 1, "embeddings.npy cannot be used (as the system says): make room on its disk")
    fail(errno.EMFILE)
    answer = workbench("reconstruct", clip, "--out", tmp_path / "run")
    refused(answer, 1, "embeddings.npy cannot be used (as the system says): close other programs", "ulimit -n")
    fail(errno.EBADF)
    with pytest.raises(OSError, match="as the system says"):
        workbench("reconstruct", clip, "--out", tmp_path / "run")


def test_from_a_case_to_its_metrics(tmp_path):
    """corrupt, reconstruct with the truth that lies beside the video, evaluate: two panned scenes with four foreign pictures.

    The scenes and the foreign frames are found without a mistake. Both report the same figures. The pictures are blurred noise,
    which networks trained on photographs hardly tell apart: they are embedded by rank-vlad.
    """
    clips = [encode(tmp_path / f"{name}.mp4", pan(seed, 16)) for seed, name in enumerate(("left", "right"), start=1)]
    (tmp_path / "pictures").mkdir()
    for k in range(4):
        cv2.imwrite(str(tmp_path / "pictures" / f"{k}.png"), pan(100 + k, 1)[0])
    case, truth, run_path = tmp_path / "case.mp4", tmp_path / "case.truth.csv", tmp_path / "run"
    words = ["corrupt", *clips, "--foreign", tmp_path / "pictures", "--foreign-share", "0.11", "--out", case, "--seed", "5"]
    answer = workbench(*words)
    assert answer.out.splitlines() == [f"{case}: 36 frames, 4 of them foreign", str(truth)]
    assert len(pictures(case)) == len(read_truth(truth)) == 36
    refused(workbench(*words), 2, "is there already: pass --overwrite")
    assert workbench(*words, "--overwrite") == answer

    shown = workbench("reconstruct", case, "--out", run_path, "--embed.backbone", "rank-vlad")
    assert shown.status == 0
    metrics = json.loads((run_path / "metrics.json").read_text())
    assert (metrics["outlier_f1"], metrics["scene_f1"]) == (1, 1)
    assert metrics["tau"] > 0.95
    rows = check_result(run_path, case, exact=False)
    assert [row.scene < 0 for row in rows] == [row.clip == OUTLIER for row in read_truth(truth)]

    (run_path / "metrics.json").unlink()
    measured = workbench("evaluate", run_path, "--truth", truth)
    assert json.loads((run_path / "metrics.json").read_text()) == metrics
    *table, left, right = measured.out.splitlines()
    assert set(table) < set(shown.out.splitlines())
    assert f"|Kendall tau| {metrics['tau']:.4f}" in [" ".join(line.split()) for line in table]
    assert left.startswith("clip left, frames 16, scene ")
    assert right.startswith("clip right, frames 16, scene ")


def test_a_case_as_films_are_edited(tmp_path):
    """Two clips of 12 frames with a cross-fade of 4 make 20 frames. A third of foreign ones comes to 10, two bursts of 3 among
    them, and another take gives one more. The bars of a letterbox are on all.

    With fades in place of the cross-fade, 24 frames and 12 foreign ones.
    """
    left, right, take = (encode(tmp_path / f"{name}.mp4", pan(seed, 12)) for seed, name in enumerate(("left", "right", "take")))
    (tmp_path / "pictures").mkdir()
    for k in range(12):
        cv2.imwrite(str(tmp_path / "pictures" / f"{k}.png"), pan(100 + k, 1)[0])
    case = tmp_path / "case.mp4"
    words = ["corrupt", left, right, "--foreign", tmp_path / "pictures", "--foreign-share", "0.3333", "--out", case]
    edits = ["--dissolve", "4", "--overlay", "letterbox", "--overlay", "ticker", "--takes", take, "--burst", "3"]
    answer = workbench(*words, *edits)
    assert answer.out.splitlines() == [f"{case}: 31 frames, 11 of them foreign", str(tmp_path / "case.truth.csv")]
    rows = read_truth(tmp_path / "case.truth.csv", 31)
    assert sorted(row[1:] for row in rows) == [
        (clip, k) for clip, count in (("left", 10), (OUTLIER, 11), ("right", 10)) for k in range(count)
    ]
    assert max(frame[:6].max() for frame in pictures(case)) < 30, "9 rows of every frame are a black bar"
    faded = workbench(*words, "--fade", "4", "--overwrite")
    assert faded.out.startswith(f"{case}: 36 frames, 12 of them foreign")


def test_help_of_corrupt_names_all_overlays():
    shown = workbench("corrupt", "--help").out
    assert all(kind in shown for kind in OVERLAYS)


def test_flip(clip, tmp_path):
    """It says what it did; report.html, which shows the order before, is pointed out if there is one."""
    run_path = tmp_path / "run"
    assert workbench("reconstruct", clip, "--out", run_path).status == 0
    before = read_order(run_path / "order.csv")
    answer = workbench("flip", run_path, "--scene", "1")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out == f"reversed scene 1 in {run_path / 'order.csv'}; the videos are written again\n"
    expected = [row._replace(order=9 - row.order) if row.scene == 1 else row for row in before]
    assert read_order(run_path / "order.csv") == expected
    check_result(run_path, clip, exact=False)
    (run_path / "report.html").touch()
    answer = workbench("flip", run_path)
    assert answer.out.startswith("reversed scene 0, 1 in")
    assert "report.html still shows the order before" in answer.out


def test_edit(clip, tmp_path):
    """Every verb, by numbers of scenes and positions of frames; order.csv and the videos follow, and all can be taken back."""
    run_path = tmp_path / "run"
    assert workbench("reconstruct", clip, "--out", run_path).status == 0
    first = (run_path / "order.csv").read_bytes()
    large, small = frame_lists(Run.open(run_path).order())

    def edited(*words: object) -> list[list[int]]:
        answer = workbench("edit", run_path, *words)
        assert (answer.status, answer.err) == (0, ""), answer
        assert "the videos are written again\n" in answer.out
        run = Run.open(run_path)
        run.require("write")
        scenes = frame_lists(run.order())
        assert [len(pictures(run_path / f"scene{number:02d}.mp4")) for number in range(len(scenes))] == [*map(len, scenes)]
        return scenes

    assert edited("scenes", 1, 0) == [small, large]
    assert edited("cut", large[9]) == [small, large[:9], large[9:]]
    assert edited("join", 2, 0) == [large[:9], large[9:] + small]
    assert edited("set-aside", 0) == [large[9:] + small]
    assert edited("first", small[0]) == [small + large[9:]]
    assert edited("flip", 0) == [(small + large[9:])[::-1]]
    assert edited("undo", 6) == [small + large[9:]]
    assert edited("drop", small[1]) == [small[:1] + small[2:] + large[9:]]
    assert edited("move", large[0], "--before", small[0]) == [large[:1] + small[:1] + small[2:] + large[9:]]
    assert edited("move", large[0], "--after", small[0]) == [small[:1] + large[:1] + small[2:] + large[9:]]
    listed = workbench("edit", run_path)
    assert (listed.status, listed.err) == (0, "")
    lines = listed.out.splitlines()
    assert lines[1].split() == ["0", "15", str(small[0]), str(large[-1])]
    assert lines[2].startswith("set aside: 12 (") and lines[3] == "edits:"
    assert lines[4] == f"    1  play the scenes in the order of frames {small[5]}, {large[7]}" and len(lines) == 12
    (run_path / "report.html").touch()
    answer = workbench("edit", run_path, "undo", "--all")
    assert answer.out.count("taken back: ") == 8 and "report.html still shows the order before" in answer.out
    assert (run_path / "order.csv").read_bytes() == first
    check_result(run_path, clip, exact=False)
    assert workbench("edit", run_path).out.endswith("edits: none\n")


def test_an_edit_that_cannot_be_made_changes_nothing(clip, tmp_path):
    run_path = tmp_path / "run"
    assert workbench("reconstruct", clip, "--out", run_path).status == 0
    before = {path: path.read_bytes() for path in run_path.rglob("*") if path.is_file()}
    for words, said in (
        (["join", 0, 5], "there is no scene 5"),
        (["cut", 99], "frame 99 is in no scene"),
        (["scenes", 1, 1], "scene 1 is named twice"),
        (["move", 3], "give either --after FRAME or --before FRAME"),
        (["move", 3, "--after", 4, "--before", 5], "give either --after FRAME or --before FRAME"),
        (["drop", 99], "there is no frame 99"),
        (["undo"], "there is no edit to take back"),
        (["undo", 1, "--all"], "leave out the NUMBER, or --all"),
        (["join", "a", 1], "'a' is not a valid integer"),
        (["scenes"], "SCENE"),
        (["turn"], "turn"),
    ):
        refused(workbench("edit", run_path, *words), 2, said)
    assert {path: path.read_bytes() for path in run_path.rglob("*") if path.is_file()} == before
    refused(workbench("edit", tmp_path, "cut", 1), 1, "is no run directory yet")
    Run.open(run_path).set_edits("order", [{"drop": "a\nb"}, {"first": 10**30}], {})
    listed = workbench("edit", run_path)
    assert listed.status == 0 and "    1  {'drop': 'a\\nb'}\n    2  let the scene of frame 1000" in listed.out
    answer = workbench("edit", run_path, "undo")
    assert answer.status == 0 and answer.err.startswith("note: {'drop': 'a\\nb'}: left out, ") and answer.err.count("\n") == 1


def test_an_edit_that_is_interrupted_while_it_writes(clip, tmp_path, monkeypatch):
    """The same command again would make a second edit: another one, which writes what is missing, is named."""
    run_path = tmp_path / "run"
    assert workbench("reconstruct", clip, "--out", run_path).status == 0

    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr("workbench.pipeline.writing.write_parts", stopped)
        answer = workbench("edit", run_path, "scenes", 1, 0)
        assert answer.status == 130
        assert answer.err == (
            f"workbench: interrupted; the edit is kept, the videos are not written: `workbench edit {run_path} write` does it\n"
        )
        assert workbench("edit", run_path, "write").err.startswith("workbench: interrupted; the same command goes on")
    assert workbench("edit", run_path, "write").status == 0
    assert [len(pictures(run_path / f"scene0{number}.mp4")) for number in (0, 1)] == [10, 14]
    assert len(Run.open(run_path).edits("order")) == 1


@pytest.mark.parametrize("words", [("edit", "flip", 0), ("flip", "--scene", 0)])
def test_an_edit_on_a_full_disk(clip, tmp_path, monkeypatch, words):
    """The edit is there, the videos are not: the command that goes on is named beside the error, also for an interruption."""
    run_path = tmp_path / "run"
    assert workbench("reconstruct", clip, "--out", run_path).status == 0
    verb, *rest = words
    for failure, said in (
        (OSError(errno.ENOSPC, "No space left on device"), ["note: the edit is kept", "workbench: a file cannot be used"]),
        (KeyboardInterrupt(), ["workbench: interrupted; the edit is kept"]),
    ):
        with monkeypatch.context() as patched:
            patched.setattr("workbench.pipeline.writing.write_parts", mock.Mock(side_effect=failure))
            answer = workbench(verb, run_path, *rest)
        lines = answer.err.splitlines()
        assert answer.status != 0 and [line.startswith(start) for line, start in zip(lines, said, strict=True)] == [True] * len(
            said
        )
        assert f"`workbench edit {run_path} write` does it" in lines[0]
    assert len(Run.open(run_path).edits("order")) == 2 and workbench("edit", run_path, "write").status == 0
    again = workbench("reconstruct", clip, "--out", run_path)
    assert again.status == 0 and f"the order has 2 edits by hand: `workbench edit {run_path}` lists them" in again.err


def test_models_lists_all_with_their_licence():
    """One line per model between a heading and the defaults, none wider than a terminal."""
    heading, *lines, last = workbench("models").out.splitlines()
    assert heading.split() == ["name", "kind", "source", "licence", "MB", "SHA-256", "state"]
    for line, model in zip(lines, REGISTRY, strict=True):
        assert line.startswith(f"{model.name} ") and all(part in line for part in (model.kind, model.source, model.licence))
        assert line[heading.index("licence") :].startswith(model.licence)
    assert max(map(len, [heading, *lines, last])) <= 120
    for option in ("embed.backbone", "features.keypoints", "match.matcher", "match.model"):
        assert f"{option} {defaults()[option]}" in last


def test_models_shows_one():
    answer = workbench("models", "magic-leap-community/superpoint")
    assert answer.out.startswith("magic-leap-community/superpoint: SuperPoint\n") and answer.err == ""
    refused(workbench("models", "resnet19"), 1, "no model is called resnet19: choose one of rank-vlad")


def test_outside_a_clone(clip, tmp_path, monkeypatch):
    """The notebooks come with the repository: without them, the message names the command that needs none."""
    monkeypatch.setattr(
        "workbench.notebooks.chain.__file__", str(tmp_path / "site-packages" / "workbench" / "notebooks" / "chain.py")
    )
    monkeypatch.chdir(tmp_path)
    for answer in (workbench("lab"), workbench("run", clip)):
        refused(answer, 1, "the notebooks are not here", "`workbench reconstruct`")


def test_short_help_option_everywhere():
    for name in COMMANDS:
        assert CliRunner().invoke(cli, [name, "-h"]).output.startswith(f"Usage: cli {name}")


def test_an_interruption_when_all_is_done():
    """Python is exiting: the command has written its result, and its exit status stays."""
    code = """
import os, sys
class Last:
    def __del__(self, interrupt=os.kill, of=os.getpid()):
        interrupt(of, 2)
sys.last = Last()  # Python empties this module last of all
sys.argv = ["workbench", "--version"]
from workbench.__main__ import main
main()
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (ended.returncode, ended.stderr) == (0, "") and ended.stdout.strip()


def test_undo(decided_run):
    """Decisions are listed with their reasons; one is undone, and what was made from the scenes is made again; restored, all is
    as before."""
    path, before = decided_run.path, read_order(decided_run.order_path)
    listed = workbench("undo", path)
    lines = listed.out.splitlines()
    assert (listed.status, listed.err, len(lines)) == (0, "", 4)
    assert lines[0].startswith("0: 3 frames were parted from their scene (")
    assert lines[0].endswith("); none of 9 pairs registers; odds 120")
    assert lines[2] == "2: 1 frame was taken back into a scene (25); looks like frame 3"
    assert lines[3] == "left as it was: scenes 0 and 1 may be one place"
    answer = workbench("undo", path, "2")
    assert (answer.status, answer.err) == (0, "")
    assert answer.out.splitlines() == [
        "undo that 1 frame was taken back into a scene (25)",
        f"{path / 'scenes.csv'} is changed; the order and the videos are made again",
    ]
    assert check_result(path, decided_run.source)[25].scene == -1
    assert workbench("undo", path).out.splitlines()[2].startswith("2: UNDONE, 1 frame was taken back")
    (path / "report.html").touch()
    answer = workbench("undo", path, "2", "--restore")
    assert answer.out.startswith("no longer undo that 1 frame") and "report.html still shows the order before" in answer.out
    assert read_order(path / "order.csv") == before
    refused(workbench("undo", path, "--restore"), 2, "no decision was taken back")
    refused(workbench("undo", path, "7"), 2, "there is no decision 7", "has 0 (split), 1 (expelled), 2 (rescued)")


def test_an_undo_that_is_interrupted(decided_run, monkeypatch):
    """The same command again would be refused, as the decision is taken back already: the one that goes on is named."""
    with monkeypatch.context() as patched:
        patched.setattr("workbench.pipeline.decision_editing.run_stage", mock.Mock(side_effect=KeyboardInterrupt))
        answer = workbench("undo", decided_run.path, "2")
    assert answer.status == 130 and answer.err.startswith("workbench: interrupted; the scenes are changed, the order is not: ")
    assert f"`workbench reconstruct {decided_run.source} --out {decided_run.path}` does it" in answer.err


def test_undo_where_nothing_was_decided(clip, tmp_path):
    assert workbench("reconstruct", clip, "--out", tmp_path / "run").status == 0
    answer = workbench("undo", tmp_path / "run")
    assert answer.out.startswith("no decision was needed: the scenes are those of the clusterer\n")
    refused(workbench("undo", tmp_path / "run", "0"), 2, "there is no decision 0", "has none")
    refused(workbench("undo", tmp_path), 1, "is no run directory yet")
