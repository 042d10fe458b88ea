"""The table of stages: it is consistent, and nobody outside ``workbench.run`` spells a run's file names or reads its record."""

import ast
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import ROOT
from workbench.parameters import Parameters
from workbench.pipeline.stages import COMPUTATIONS, Computation
from workbench.run.stages import STAGES, RunPaths, stage_of

PACKAGE = ROOT / "workbench"
MODULES = sorted(path for path in PACKAGE.rglob("*.py") if path.relative_to(PACKAGE).parts[0] != "run")
FOLDER_WORDS = {"distances", "notebooks", "proxies"}  # words of other meanings too: they count where they are part of a path
REPOSITORY_NOTEBOOKS = ("notebooks/chain.py", "notebooks")  # the folder of the notebooks themselves, which is in no run


def run_paths() -> dict[str, str]:
    """Every path of a run, relative to it, by its attribute of :class:`RunPaths`."""
    folder = Path("folder")
    found = {name: path for name, path in vars(RunPaths(folder)).items() if name != "path"}
    return {name: path.relative_to(folder).as_posix() for name, path in found.items()}


def file_names() -> set[str]:
    """Names that only ``workbench.run`` may spell: files and folders of a run, and the last part of each path."""
    names = {*run_paths().values(), *(output for stage in STAGES.values() for output in stage.outputs)}
    return names | {name.rsplit("/", 1)[-1] for name in names} | {name.split("/", 1)[0] for name in names}


def spelled_names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and name of every string constant that is, or ends with, the name of a run's file."""
    in_path = {
        id(side)
        for node in ast.walk(tree)
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div)
        for side in (node.left, node.right)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            last = node.value.rsplit("/", 1)[-1]
            if last in file_names() and (last not in FOLDER_WORDS or id(node) in in_path or last != node.value):
                yield node.lineno, node.value


def record_reads(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Line and text of every ``X._record``, and of every ``X.record`` that is not called, as ``Entry.record()`` is."""
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and (node.attr == "_record" or (node.attr == "record" and id(node) not in called)):
            yield node.lineno, ast.unparse(node)


def test_a_stage_reads_only_stages_before_it():
    before: set[str] = set()
    for name, stage in STAGES.items():
        assert name == stage.name and before.issuperset(stage.reads), name
        assert len(stage.reads) == len(set(stage.reads)), name
        before.add(name)


def test_only_the_first_stage_reads_the_video():
    assert [name for name, stage in STAGES.items() if not stage.reads] == ["video"]


def test_every_stage_has_parameters_of_its_own():
    kinds = [stage.parameters for stage in STAGES.values()]
    assert len(kinds) == len(set(kinds)) and all(issubclass(kind, Parameters) for kind in kinds)
    assert {name for name, stage in STAGES.items() if stage_of(stage.parameters()) is not stage} == set()


def test_no_two_stages_leave_the_same_file():
    """Nor is there a folder with files of two stages: it is replaced as a whole."""
    places = [place for stage in STAGES.values() for place in {output.split("/")[0] for output in stage.outputs}]
    assert [place for place, count in Counter(places).items() if count > 1] == []
    outputs = [output for stage in STAGES.values() for output in stage.outputs]
    assert len(outputs) == len(set(outputs))


def test_outputs_are_paths_of_the_run():
    """All but the videos, whose number follows from the scenes."""
    paths = run_paths().values()
    assert [output for stage in STAGES.values() for output in stage.outputs if output not in paths] == []
    assert [name for name, stage in STAGES.items() if not stage.outputs] == ["write"]


def test_no_two_paths_are_the_same():
    assert len(set(run_paths().values())) == len(run_paths())


@pytest.mark.parametrize("stage", STAGES.values(), ids=list(STAGES))
def test_the_notebook_of_a_stage_is_there(stage):
    assert (ROOT / "notebooks" / f"{stage.notebook}.ipynb").is_file()


def test_every_stage_has_its_computation():
    """And the other way round; where the parameters decide what is read, it is stages before it, whatever they are."""
    assert list(COMPUTATIONS) == list(STAGES)
    for name, computation in COMPUTATIONS.items():
        assert isinstance(computation, Computation)
        if computation.reads:
            assert list(STAGES).index(name) > max(map(list(STAGES).index, computation.reads(STAGES[name].parameters())))
        assert bool(computation.outputs) != bool(STAGES[name].outputs), name


@pytest.mark.parametrize("module", MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_nobody_else_spells_a_file_name_or_reads_the_record(module):
    """A run's paths come from :class:`RunPaths`, and what is recorded from the methods of a run."""
    tree, module_name = ast.parse(module.read_text(encoding="utf-8")), module.relative_to(PACKAGE).as_posix()
    spelled = [(line, name) for line, name in spelled_names(tree) if (module_name, name) != REPOSITORY_NOTEBOOKS]
    assert spelled == []
    assert list(record_reads(tree)) == []


def test_the_check_finds_what_it_should():
    """Names in paths, in f-strings and alone, and every way to the record; but no other meanings of the words."""
    tree = ast.parse(
        'a = run.path / "order.csv", f"{path}/metrics.json", path / "distances"\n'
        'b = Path(x, "features.h5.parts"), "proxies/frames.npy", "frames.npy"\n'
        'c = run.record["stages"], run.record.get("edits"), self.run._record\n'
        "stages = run.record\n"
        'd = "distances", "the order.csv of a run", entry.record(), parts["notebooks"]\n'
    )
    assert [name for _, name in sorted(spelled_names(tree))] == [
        *["/metrics.json", "distances", "order.csv"],
        *["features.h5.parts", "frames.npy", "proxies/frames.npy"],
    ]
    assert [line for line, _ in sorted(record_reads(tree))] == [3, 3, 3, 4]
