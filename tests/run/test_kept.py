"""Parameters kept by hand: written, taken by notebooks and commands, and no longer kept. The run is that of the short video."""

import shlex
import shutil

import papermill
import pytest

from tests.helpers.tiny import refused, workbench
from workbench.errors import ParameterError, StaleStageError
from workbench.notebooks.commands import papermill_command
from workbench.parameters import ClusterParameters, FeatureParameters, MatchParameters, RegisterParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run, kept
from workbench.run.stages import stage_parameters

NARROW = ClusterParameters(eps=0.004)  # hardly any frame is so near to two others


@pytest.fixture
def run(short_run, tmp_path) -> Run:
    """A copy of the short run, which tests may change."""
    return Run.open(shutil.copytree(short_run[0].path, tmp_path / "short"))


def released(run: Run) -> set[str]:
    return {name for name, found in Run.open(run.path).record["stages"].items() if found.get("released")}


def test_keep_writes_what_others_read(run):
    """All of the stage's parameters, under dotted names, beside those of other stages; later values win."""
    assert kept.read_kept(run) == {}
    kept.keep(run, ClusterParameters(eps=0.05), MatchParameters(ratio=0.7))
    kept.keep(run, ClusterParameters("hdbscan", min_samples=4))
    values = kept.read_kept(Run.open(run.path))
    assert values["cluster.clusterer"] == "hdbscan" and values["cluster.eps"] == 0.0 and values["cluster.min_samples"] == 4
    assert values["match.ratio"] == 0.7
    assert stage_parameters(values)["cluster"] == ClusterParameters("hdbscan", min_samples=4)


def test_kept_values_stand_in_for_defaults_alone(run, capsys):
    kept.keep(run, ClusterParameters(eps=0.05, min_samples=4))
    assert kept.with_kept(run, ClusterParameters()) == ClusterParameters(eps=0.05, min_samples=4)
    assert kept.with_kept(run, ClusterParameters(eps=0.07)) == ClusterParameters(eps=0.07, min_samples=4)
    assert kept.with_kept(run, FeatureParameters()) == FeatureParameters()
    first, second = capsys.readouterr().out.splitlines()
    assert "eps = 0.05, min_samples = 4" in first and "eps" not in second and "min_samples = 4" in second


def test_what_builds_on_a_kept_stage_may_be_replaced(run):
    """Without overwrite; but not what it is built from, and no stage that was replaced since."""
    with pytest.raises(StaleStageError):
        run_stage(run, NARROW)
    kept.keep(run, NARROW)
    assert released(run) == {"cluster", "match", "register", "order", "align", "write"}
    run_stage(run, NARROW)
    assert released(run) == {"match", "register", "order", "align", "write"}
    with pytest.raises(StaleStageError):
        run_stage(run, ClusterParameters())


def test_forget_stages(run):
    kept.keep(run, NARROW, MatchParameters(ratio=0.7))
    run_stage(run, NARROW)
    kept.forget_stages(run, "cluster")
    assert {key.split(".")[0] for key in kept.read_kept(run)} == {"match"}
    assert kept.with_kept(run, ClusterParameters()) == ClusterParameters()
    run_stage(run, ClusterParameters())  # without overwrite


def test_keep_recorded(run):
    """Parameters of finished stages are kept where they are not the default; what is kept already stays."""
    assert kept.keep_recorded(run) == {} and not (run.kept_path).exists()
    run_stage(run, ClusterParameters(eps=0.06, min_samples=4), overwrite=True)
    kept.keep(run, ClusterParameters(eps=0.05))
    (run.kept_path).write_text("cluster.eps: 0.05\n")
    assert kept.keep_recorded(run) == {"cluster.min_samples": 4}
    assert kept.read_kept(run) == {"cluster.eps": 0.05, "cluster.min_samples": 4}


def test_a_name_may_go_without_its_stage(run):
    """As a person may write it, and as the command line accepts it."""
    (run.kept_path).write_text("eps: 0.05\n")
    assert kept.read_kept(run) == {"cluster.eps": 0.05}
    assert kept.with_kept(run, ClusterParameters()) == ClusterParameters(eps=0.05)


@pytest.mark.parametrize("text", ["cluster.eps: 5", "nonsense: 1", "- 1", "a: [", "cluster.eps: high"])
def test_a_damaged_file_is_refused(run, text):
    (run.kept_path).write_text(text)
    with pytest.raises(ParameterError, match=r"kept\.yaml cannot be used .*mend it, or delete it"):
        kept.read_kept(run)


def test_the_command_line_takes_what_is_kept(run, short):
    """And reports it. A value that is given wins; without the file the defaults hold again."""
    kept.keep(run, ClusterParameters(min_samples=4))
    answer = workbench("reconstruct", short, "--out", run.path)
    assert answer.status == 0, answer.err
    assert f"note: kept in this run: cluster.min_samples=4 (delete {run.kept_path}" in answer.err
    assert Run.open(run.path).record["stages"]["cluster"]["parameters"]["min_samples"] == 4
    answer = workbench("reconstruct", short, "--out", run.path, "--cluster.min_samples", 3)
    refused(answer, 1, "stage cluster was made with min_samples=4 (now 3)", "--overwrite")
    assert "min_samples" not in answer.err.split("workbench: ")[0]


def test_what_is_given_with_overwrite_is_kept_no_longer(run, short):
    """Otherwise the next notebook would refuse the stage that was just replaced on purpose."""
    kept.keep(run, ClusterParameters(min_samples=4), MatchParameters(ratio=0.7))
    run_stage(run, ClusterParameters(min_samples=4))
    answer = workbench("reconstruct", short, "--out", run.path, "--overwrite", "--cluster.min_samples", 5)
    assert answer.status == 0, answer.err
    again = Run.open(run.path)
    assert "cluster.min_samples" not in kept.read_kept(again) and kept.read_kept(again)["match.ratio"] == 0.7
    assert kept.keep_recorded(again) == {"cluster.min_samples": 5}


def test_papermill_command_names_every_parameter_and_runs(run):
    """Its words, taken apart as a shell does, are a notebook, where it goes, and parameters that the notebook knows."""
    words = shlex.split(papermill_command(run, ClusterParameters(eps=0.05)))
    program, notebook, out, *options = words
    assert (program, out) == ("papermill", str(run.path / "03_tune_eps.ipynb"))
    given = dict(zip(options[1::3], options[2::3], strict=True))
    assert set(options[::3]) == {"-p"} and given["eps"] == "0.05" and given["interactive"] == "False"
    assert given.keys() <= papermill.inspect_notebook(notebook).keys()
    assert set(ClusterParameters().as_dict()) <= given.keys()


def test_papermill_command_has_what_is_kept_of_other_stages(run):
    """Notebook 04 registers too: without its threshold, that of the defaults would replace the one kept."""
    kept.keep(run, RegisterParameters(5.0))
    words = shlex.split(papermill_command(run, FeatureParameters(), MatchParameters(ratio=0.7)))
    given = dict(zip(words[4::3], words[5::3], strict=True))
    assert (given["threshold"], given["ratio"]) == ("5.0", "0.7")
    assert "keypoint_threshold" not in given and given["max_keypoints"] == "256"
