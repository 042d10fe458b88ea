"""A process is killed at every step in which new files take the place of old ones: the next one that opens the run finds the
old result or the new one, whole, and its record.

A kill is simulated by an exception at the n-th change of the file system; what is left then is copied.
"""

import json
import os
import shutil
from pathlib import Path

import pytest

from workbench.errors import RunError
from workbench.parameters import ClusterParameters, OrderParameters, Parameters
from workbench.run import Run, journal

OLD = {"0.txt": "old", "1.txt": "old", "folder/2.txt": "old"}
NEW = {"0.txt": "new", "folder/2.txt": "new", "folder/3.txt": "new"}
OWN = {"run.json", ".run.json.partial", ".holder.json", ".work.lock", ".record.lock"}


class KilledError(BaseException):
    """Stands for SIGKILL: no handler of the product catches it, and clearing up after it is undone by the test."""


def writer(files: dict[str, str]):
    def compute(folder: Path) -> dict:
        for name, text in files.items():
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)
        return dict(files)

    return compute


def put(run: Run, files: dict[str, str], eps: float) -> None:
    run.stage("cluster", ClusterParameters(eps=eps), (), tuple(files), writer(files), overwrite=True)


def content(run: Run) -> dict[str, str]:
    """Files of the run but for its own."""
    found = [path for path in run.path.rglob("*") if path.is_file() and path.name not in OWN]
    return {path.relative_to(run.path).as_posix(): path.read_text() for path in found}


@pytest.fixture
def run(tmp_path) -> Run:
    source = tmp_path / "video.mp4"
    source.write_bytes(b"not looked into")
    return Run.create(tmp_path / "run", source)


def kill_at(monkeypatch, step: int, folder: Path, saved: Path) -> list[str]:
    """The process dies at the ``step``-th change of the file system from here on, what is in ``folder`` then is copied to
    ``saved``: whatever clears up behind an exception would not run. Returns the changes, as they come."""
    seen: list[str] = []

    def dying(name: str, real):
        def change(*words, **options):
            seen.append(name)
            if len(seen) == step:
                shutil.copytree(folder, saved)
                raise KilledError
            return real(*words, **options)

        return change

    for module, name in ((os, "rename"), (os, "replace"), (os, "unlink"), (os, "rmdir"), (os, "mkdir")):
        monkeypatch.setattr(module, name, dying(name, getattr(module, name)))
    return seen


def steps(run: Run, tmp_path: Path, action) -> list[Path]:
    """Copies of the run as a kill at each step of ``action`` leaves it."""
    left, before = [], tmp_path / "before"
    shutil.copytree(run.path, before)
    for step in range(1, 100):
        place, saved = tmp_path / f"run{step}", tmp_path / f"left{step}"
        shutil.copytree(before, place)
        with pytest.MonkeyPatch.context() as patch:
            opened = Run.open(place)
            kill_at(patch, step, place, saved)
            try:
                action(opened)
            except KilledError:
                left.append(saved)
                continue
        return left
    raise AssertionError("it never ends")


def test_a_replacement_killed_at_any_step_is_the_old_result_or_the_new_one(run, tmp_path):
    """Three files are replaced by three others, two of them with the names of old ones."""
    put(run, OLD, 0.1)
    found = set()
    for left in steps(run, tmp_path, lambda opened: put(opened, NEW, 0.2)):
        opened = Run.open(left)
        made = opened.record["stages"]["cluster"]
        files = {name: text for name, text in content(opened).items() if not name.startswith(".")}
        assert files == made["info"] == (OLD if made["parameters"]["eps"] == 0.1 else NEW), left
        found.add(made["parameters"]["eps"])
        put(opened, NEW, 0.2)
        assert content(opened) == NEW and not journal.unfinished(left), left
    assert found == {0.1, 0.2}, "some kills come before it is decided, some after"


def test_a_first_result_killed_at_any_step_is_there_or_not(run, tmp_path):
    for left in steps(run, tmp_path, lambda opened: put(opened, NEW, 0.2)):
        opened = Run.open(left)
        made = opened.record["stages"].get("cluster")
        files = {name: text for name, text in content(opened).items() if not name.startswith(".")}
        assert files == (NEW if made else {}), left
        put(opened, NEW, 0.2)
        assert content(opened) == NEW


def test_an_edit_killed_at_any_step_is_made_or_not(run, tmp_path):
    """The table and the record of edits change together, and what was built on the table is released."""
    run.stage("order", OrderParameters(), (), ("order.csv", "more.txt"), writer({"order.csv": "old", "more.txt": "more"}))
    run.stage("write", Parameters(), ("order",), ("a.mp4",), writer({"a.mp4": "video"}))
    edit = [{"flip": [0, 1]}]
    found = set()
    for left in steps(run, tmp_path, lambda opened: opened.set_edits("order", edit, {"a": 1}, "order.csv", "new")):
        opened = Run.open(left)
        text = (left / "order.csv").read_text()
        assert (text, opened.edits("order"), opened.info("order").get("a")) in (("old", [], None), ("new", edit, 1)), left
        assert (left / "more.txt").read_text() == "more" and (left / "a.mp4").read_text() == "video"
        assert list(opened.record["stages"]) == ["order", "write"]
        assert text == "old" or opened.record["stages"]["write"]["released"]
        found.add(text)
    assert found == {"old", "new"}


def test_a_process_that_has_the_run_open_finishes_what_a_killed_one_decided(run, tmp_path):
    """A notebook opened the run before: its next change finds the other's result, and loses nothing of it."""
    put(run, OLD, 0.1)
    lefts = steps(run, tmp_path, lambda opened: put(opened, NEW, 0.2))
    decided = [left for left in lefts if journal.unfinished(left)]
    assert decided
    for left in decided:
        shutil.rmtree(run.path)
        shutil.copytree(tmp_path / "before", run.path)
        opened = Run.open(run.path)
        shutil.rmtree(run.path)
        shutil.copytree(left, run.path)
        opened.release("order")
        assert content(opened) == NEW and opened.record["stages"]["cluster"]["parameters"]["eps"] == 0.2, left


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"stage": "x", "made": {}, "gone": [], "edits": null}'])
def test_a_damaged_list_of_changes_is_reported(run, text):
    put(run, OLD, 0.1)
    (run.path / ".cluster.done").mkdir()
    (run.path / ".cluster.done" / journal.CHANGES).write_text(text)
    with pytest.raises(RunError, match="is damaged: delete the folder it is in"):
        Run.open(run.path)
    assert content(run).items() >= OLD.items()


def test_a_list_of_changes_does_not_lead_out_of_the_run(run, tmp_path):
    """A folder as a killed process leaves it, made by a stranger: nothing outside the run is deleted."""
    put(run, OLD, 0.1)
    (tmp_path / "victim.txt").write_text("mine")
    made = run.record["stages"]["cluster"]
    for gone, outputs in (["../victim.txt"], ["0.txt"]), ([], ["../victim.txt"]), ([str(tmp_path / "victim.txt")], ["0.txt"]):
        folder = run.path / ".cluster.done"
        folder.mkdir(exist_ok=True)
        changes = {"stage": "cluster", "made": made | {"outputs": outputs}, "gone": gone, "edits": None}
        (folder / journal.CHANGES).write_text(json.dumps(changes))
        with pytest.raises(RunError, match="is damaged"):
            Run.open(run.path)
    assert (tmp_path / "victim.txt").read_text() == "mine"
