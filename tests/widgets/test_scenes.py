"""Tuning scenes without a browser: sliders are set, buttons clicked, and the run is read afterwards."""

import re
import shutil

import numpy as np
import pytest

from workbench.embedding.distances import cosine_distances
from workbench.models.backbones import typical_eps
from workbench.parameters import ClusterParameters, UmapParameters
from workbench.pipeline.stages import run_stage
from workbench.run import Run
from workbench.run.kept import read_kept
from workbench.scenes.dbscan import dbscan, hdbscan, optics
from workbench.scenes.eps import k_distances, sweep_eps
from workbench.widgets.scenes import SceneTuner


@pytest.fixture
def run(short_run, tmp_path) -> Run:
    """A copy of the short run (scenes of 12 and 10 frames, 4 outliers), with its map."""
    run = Run.open(shutil.copytree(short_run[0].path, tmp_path / "run"))
    run_stage(run, UmapParameters())
    return run


@pytest.fixture
def distances(run) -> np.ndarray:
    return cosine_distances(run.embeddings())


@pytest.fixture
def tuner(run, distances) -> SceneTuner:
    return SceneTuner(
        run, distances, sweep_eps(distances, 3, typical_eps(run.parameters("embed")["backbone"])), ClusterParameters()
    )


def buttons(tuner):
    """The ranges of eps that can be clicked."""
    return [item for item in tuner.ranges.children if hasattr(item, "click")]


def test_starts_at_the_suggestion(tuner, run):
    assert np.array_equal(tuner.labels, run.labels()) and "scenes 2, outliers 4" in tuner.found.value
    assert tuner.parameters.eps == pytest.approx(run.info("cluster")["eps"], rel=1e-3)
    steps = (np.log10(tuner.eps.value) - tuner.eps.min) / tuner.eps.step
    assert steps == pytest.approx(round(steps), abs=1e-6), "a page would move the slider, and with it the labels"
    assert "suggested" in [getattr(item, "value", "") for item in tuner.ranges.children]


@pytest.mark.parametrize("factor", [0.15, 0.3, 1.5, 3.9])
def test_eps_updates_everything_shown(tuner, distances, factor):
    """Counts, map, curve and table follow the slider, and the labels are DBSCAN's at just that eps."""
    tuner.eps.value = tuner.eps.value * factor
    eps = tuner.parameters.eps
    expected = dbscan(distances, eps, 3)
    assert np.array_equal(tuner.labels, expected)
    assert f"scenes {expected.max() + 1}, outliers {(expected < 0).sum()}" in tuner.found.value
    assert np.array_equal(np.asarray(tuner.map.data[0].marker.color), expected)
    assert tuple(tuner.curve.data[1].y) == (eps, eps)
    for button in buttons(tuner):
        low, high = map(float, button.description.split(" to "))
        if low * 1.001 < eps < high * 0.999:
            assert button.button_style == "info"
        elif eps < low * 0.999 or eps > high * 1.001:
            assert button.button_style == ""


def test_a_few_frames_are_one_scene(run, distances, monkeypatch):
    """As the run would find them."""
    few, embeddings = distances[:3, :3], run.embeddings()
    monkeypatch.setattr(run, "embeddings", lambda: embeddings[:3])
    assert SceneTuner(run, few, sweep_eps(few, 3), ClusterParameters(eps=0.05)).labels.tolist() == [0, 0, 0]


def test_frames_that_left_and_joined_are_shown(tuner):
    """Eps goes down until frames leave the scenes, then back: the same frames leave and return, named under their pictures."""
    before = tuner.labels
    start = tuner.eps.value
    tuner.eps.value = start * 0.12
    went = np.flatnonzero((before >= 0) & (tuner.labels < 0))
    assert len(went) and f"{len(went)} just became outliers" in tuner.changes.value
    assert set(map(int, re.findall(r"#(\d+)</figure>", tuner.changes.value))) <= set(went.tolist())
    tuner.eps.value = start
    assert f"{len(went)} just joined a scene" in tuner.changes.value


def test_a_range_of_the_table_sets_eps(tuner, distances):
    for button in buttons(tuner):
        low, high = map(float, button.description.split(" to "))
        button.click()
        assert low * 0.99 <= tuner.parameters.eps <= high * 1.01, "also beyond the first range of the slider"


@pytest.mark.parametrize("xi", [0.004, 0.405, 0.999])
def test_controls_start_at_what_they_are_given(run, distances, xi):
    given = ClusterParameters("optics", xi=xi)
    assert SceneTuner(run, distances, sweep_eps(distances, 3), given).parameters == given


def test_min_samples_redraws_curve_and_table(tuner, distances, run):
    tuner.min_samples.value = 6
    assert np.allclose(tuner.curve.data[0].y, np.sort(k_distances(distances, 6)))
    assert np.array_equal(tuner.labels, dbscan(distances, tuner.parameters.eps, 6))
    tuner.suggest.click()
    assert tuner.parameters.min_samples == 3 and np.array_equal(tuner.labels, run.labels())


def test_other_clusterers(tuner, distances):
    """Each clusterer shows its own sliders only, and the labels are its own."""
    shown = [tuner.eps, tuner.min_cluster_size, tuner.xi]
    assert [slider.layout.display for slider in shown] == [None, "none", "none"] or [
        slider.layout.display for slider in shown
    ] == ["", "none", "none"]
    tuner.min_cluster_size.value = 6
    tuner.clusterer.value = "hdbscan"
    assert np.array_equal(tuner.labels, hdbscan(distances, 6, 3))
    assert [slider.layout.display for slider in shown] == ["none", "", "none"] and not tuner.curve.data[1].visible
    tuner.clusterer.value = "optics"
    tuner.xi.value = 0.2
    assert np.array_equal(tuner.labels, optics(distances, 6, 3, 0.2))
    assert [slider.layout.display for slider in shown] == ["none", "", ""]


def test_keep_writes_and_finds_the_scenes_of_the_run(tuner, run):
    """The status reports what the run has; a notebook that runs again uses it; the suggestion can be restored."""
    tuner.eps.value = tuner.eps.value * 0.12
    tuner.keep.click()
    again = Run.open(run.path)
    assert read_kept(again)["cluster.eps"] == tuner.parameters.eps
    assert np.array_equal(again.labels(), tuner.labels)
    outliers = (tuner.labels < 0).sum()
    assert f"outliers {outliers}" in tuner.found.value and f"{outliers} outliers" in tuner.status.value
    assert "04_inspect_matches" in tuner.status.value and f"-p eps {tuner.parameters.eps}" in tuner.status.value
    tuner.suggest.click()
    again = Run.open(run.path)
    assert read_kept(again) == {} and again.info("cluster")["outliers"] == 4
    run_stage(again, ClusterParameters())


def test_errors_are_reported_in_one_line(tuner, run):
    (run.path / "kept.yaml").write_text("nonsense: 1")
    tuner.keep.click()
    assert "kept.yaml cannot be used" in tuner.status.value and "Traceback" not in tuner.status.value
