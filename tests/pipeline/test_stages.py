"""The whole job without notebooks: quality on the sample, the format of its result, odd clips, kills and repetition."""

import html
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from tests import ROOT
from tests.helpers.tiny import pictures
from tests.matching.test_superglue import save_tiny
from workbench.errors import ClusterError, ParameterError, StaleStageError, TruthError
from workbench.evaluation.corrupt import write_case
from workbench.evaluation.files import OUTLIER, OrderRow, TruthRow, read_order, read_truth, truth_path
from workbench.evaluation.metrics import evaluate, evaluate_clips
from workbench.matching import keypoints, sift
from workbench.matching import matches as matches_module
from workbench.matching.cascade import NearestFirst
from workbench.matching.nearest import SiftFlann
from workbench.notebooks.chain import notebook_files
from workbench.ordering import long_scenes
from workbench.parameters import (
    DEFAULT_MATCHER,
    METHODS,
    AlignParameters,
    EmbedParameters,
    OrderParameters,
    UmapParameters,
    WriteParameters,
)
from workbench.pipeline import match_scenes, pair_comparer, stages, writing
from workbench.pipeline.distances import frame_distances, keep_registered, kept_registered
from workbench.pipeline.distances import pictures as pictures_of
from workbench.pipeline.metrics import write_metrics
from workbench.pipeline.stages import reconstruct, run_stage
from workbench.registration.tables import register_pairs
from workbench.reports.report import write_report
from workbench.run import Run
from workbench.run.stages import STAGES, stage_parameters
from workbench.scenes.verify import TEXTURED_KEYPOINTS
from workbench.storage.hloc import keypoint_counts, open_h5, read_matches, read_pairs
from workbench.video.encode import write_frames

SCORER = ROOT.parent / "shared" / "score.py"
WITHOUT_VIDEOS = {name: stage for name, stage in STAGES.items() if name != "write"}
PARTS = (  # of the fused distance
    "residual", "missing_inliers", "thumbnail", "ranks", "colours", "pixels", "changed_2", "changed_8"
)  # fmt: skip
ALIGNED_PARTS = {"aligned_ranks", "aligned_colours", "aligned_pixels"}
HASHED = (
    "order.csv", "clusters.csv", "scenes.csv", "transforms.csv", "features.h5", "matches.h5", "pairs.txt", "embeddings.npy"
)  # fmt: skip


def copy_of(run, folder):
    """A copy of a finished run, to change."""
    shutil.copytree(run.path, folder)
    return Run.open(folder)


def quiet(run, truth=None, overwrite=False, **values):
    return reconstruct(run, stage_parameters(values), truth, overwrite, progress=False)


def bytes_of(run, names=HASHED):
    return {name: (run.path / name).read_bytes() for name in names}


def video_of(frames, folder, name="clip.mkv"):
    """The frames as a lossless video: identical frames stay identical."""
    write_frames(frames, folder / name, 25, codec="lossless")
    return folder / name


def test_quality_on_the_sample(sample_run):
    run, metrics = sample_run
    assert metrics["frames"] == 200 and metrics["scenes"] == 3 and metrics["outliers"] == 20
    assert metrics["outlier_f1"] >= 0.98 and metrics["scene_f1"] >= 0.98
    assert metrics["clustered_outlier_f1"] == metrics["clustered_scene_f1"] == 1  # DBSCAN alone is right, too
    assert metrics["tau"] >= 0.98 and metrics["adjacent"] >= 0.9 and metrics["coverage"] >= 0.98
    assert metrics["pairs_per_frame"] <= 8
    assert metrics["registered_share"] > 0.8 and metrics["inlier_ratio"] > 0.6 and metrics["inliers_per_pair"] > 50
    table, scenes = run.transforms(), run.scenes()
    inside = (scenes[table["a"]] == scenes[table["b"]]) & (scenes[table["a"]] >= 0)
    assert (table["model"] != "none")[inside].mean() > 0.95
    # The other pairs hold single frames and scenes against each other: none of them registers.
    assert (table["model"] == "none")[~inside].all() and 0 < (~inside).sum() < 0.2 * len(table)


def test_metrics_file_is_flat(sample_run):
    run, metrics = sample_run
    written = json.loads((run.path / "metrics.json").read_text())
    places = written.pop("weak_link_places")  # the only list: where the order was guessed
    assert len(places) == written["weak_links"] and all(re.fullmatch(r"\d+:\d+", place) for place in places)
    assert all(isinstance(value, int | float) for value in written.values())
    assert written | {"weak_link_places": places} == metrics
    assert metrics["links"] == 65 + 59 + 53 and 0 < metrics["least_confidence"] < 1
    assert all(metrics[name] == 0 for name in ("rescued_frames", "expelled_frames", "joined_scenes", "split_scenes"))
    assert {f"seconds_{stage}" for stage in run.record["stages"]} <= written.keys()


def test_transforms_of_the_sample(sample_run):
    """The camera of the toys is still, and only they move; the dahlia flickers and grows; the pan of the pagoda has depth."""
    metrics = sample_run[1]
    assert metrics["pairs_within_1px_toys"] >= 0.95 and metrics["pairs_within_1px_dahlia"] >= 0.95
    assert metrics["true_alignment_error_px_max_toys"] < 2 and metrics["true_alignment_error_px_max_dahlia"] < 2
    assert metrics["pairs_within_1px_pagoda"] < metrics["pairs_within_1px"] < metrics["pairs_within_1px_toys"]
    assert metrics["pair_error_px_median"] < 0.5 and metrics["pair_error_px_median_pagoda"] < 1.5
    assert not any(name.endswith("_outlier") for name in metrics)


def test_order_csv(sample_run, sample_truth):
    """The format people and tools rely on: every frame once, in the order of the file, outliers with an empty order."""
    run, _ = sample_run
    lines = (run.path / "order.csv").read_text().splitlines()
    assert lines[0].split(",")[:3] == ["position", "scene", "order"]
    assert all(re.fullmatch(r"\d+,(-1,|\d+,\d+)(,.*)?", line) for line in lines[1:])
    cells = [line.split(",")[:3] for line in lines[1:]]
    assert [int(position) for position, _, _ in cells] == list(range(200))
    scenes = np.array([int(scene) for _, scene, _ in cells])
    sizes = [int((scenes == scene).sum()) for scene in range(scenes.max() + 1)]
    assert sizes == sorted(sizes, reverse=True) and sum(sizes) + (scenes < 0).sum() == 200
    for scene, size in enumerate(sizes):
        places = [int(place) for _, number, place in cells if int(number) == scene]
        assert sorted(places) == list(range(size))
        assert run.scene_order(scene).tolist() == [p for p, _ in sorted(
            ((int(p), int(o)) for p, s, o in cells if int(s) == scene), key=lambda pair: pair[1]
        )]  # fmt: skip
        assert run.scene_orders()[scene].tolist() == run.scene_order(scene).tolist()
    assert len(run.scene_orders()) == len(sizes)
    assert {row.position for row in sample_truth if row.clip == OUTLIER} == set(np.flatnonzero(scenes < 0).tolist())


def test_links_and_their_confidence(sample_run, sample_truth):
    """Every frame but the last of a scene has the confidence of its link to the next one, 0 to 1; outliers have none. The links
    with a high confidence are right."""
    run, _ = sample_run
    table, truth = run.order(), {row.position: row for row in sample_truth}
    sure = []
    for scene in range(3):
        order = run.scene_order(scene)
        confidence = table["confidence"].to_numpy()[order]
        assert np.isnan(confidence[-1]) and ((confidence[:-1] > 0) & (confidence[:-1] < 1)).all()
        with np.load(run.path / "distances" / f"scene{scene:02d}.npz") as found:
            assert np.allclose(found["confidence"], confidence[:-1], atol=1e-4)
        steps = [abs(truth[a].frame - truth[b].frame) for a, b in zip(order.tolist(), order[1:].tolist(), strict=False)]
        sure += [step == 1 for step, sureness in zip(steps, confidence, strict=False) if sureness > 0.95]
    assert table["confidence"][table["scene"] < 0].isna().all()
    assert len(sure) > 90 and np.mean(sure) > 0.97


def test_what_the_match_and_order_stages_record(sample_run):
    """Whether a scene closes, and what its distances weigh: shares that sum to one. Right scenes were left as they were."""
    run, _ = sample_run
    info = run.info("order")
    for scene in ("scene00", "scene01", "scene02"):
        shares = [share for name, share in info.items() if name.startswith(f"{scene}_weight_")]
        assert sum(shares) == pytest.approx(1, abs=0.006) and min(shares) >= 0  # ten, rounded
        assert info[f"{scene}_closed"] is False
    found = run.info("match")
    assert found["rounds"] > 1 and found["pairs"] == len(read_pairs(run.path / "pairs.txt")) == len(run.transforms())
    assert all(found[name] == 0 for name in ("rescued_frames", "expelled_frames", "joined_scenes", "split_scenes"))
    lines = (run.path / "scenes.csv").read_text().splitlines()
    header = "position,scene,clustered,verdict,decision,odds,reason,rough"
    assert lines == [header, *(f"{k},{s},{s},,,,," for k, s in enumerate(run.labels()))]
    assert found["doubts"] == [] and (found["blended_frames"], found["faded_frames"], found["takes"]) == (0, 0, 0)
    assert not run.overlay().any() and run.info("video")["overlay_share"] == 0
    assert run.scenes().tolist() == run.labels().tolist() == run.order()["scene"].tolist()


def test_agrees_with_the_reference_scorer(sample_run, sample):
    if not SCORER.is_file():
        pytest.skip("the reference scorer ../shared/score.py is not beside this repository")
    spec = importlib.util.spec_from_file_location("reference_scorer", SCORER)
    scorer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(scorer)
    run, metrics = sample_run
    expected = scorer.score(truth_path(sample), run.path / "order.csv")
    assert {name: metrics[name] for name in expected} == pytest.approx(expected, abs=1e-12)


def test_videos_show_the_restored_order(sample_run, sample_images):
    """Every frame of a scene's video is the frame of the input that ``order.csv`` puts there, up to what coding loses."""
    run, _ = sample_run
    names = sorted(path.name for path in run.path.glob("*.mp4"))
    assert names == ["reconstructed.mp4", "scene00.mp4", "scene01.mp4", "scene02.mp4"]
    orders = [run.scene_order(scene) for scene in range(3)]
    scene, whole = pictures(run.path / "scene02.mp4"), pictures(run.path / "reconstructed.mp4")
    assert len(scene) == len(orders[2]) and len(whole) == 180
    for place in range(0, len(scene), 9):
        wanted = sample_images[orders[2][place]].astype(float)
        errors = [np.abs(wanted - sample_images[other]).mean() for other in orders[2][place - 1 : place + 2 : 2]]
        shown = np.abs(wanted - scene[place]).mean()
        assert shown < 5 and all(shown < 0.7 * error for error in errors)
    first = sample_images[orders[0][0]].astype(float)
    assert np.abs(first - whole[0]).mean() < 5


def test_the_same_result_every_time(sample_run, sample, tmp_path, monkeypatch):
    """A second run of the sample from the start, all stages but the videos: the same bytes."""
    run, _ = sample_run
    monkeypatch.setattr(stages, "STAGES", WITHOUT_VIDEOS)
    again = Run.create(tmp_path / "again", sample)
    quiet(again)
    for name, content in bytes_of(run).items():
        assert content == (again.path / name).read_bytes(), name


def test_the_greedy_baseline_is_not_better(sample_run, sample, tmp_path):
    """Greedy chain over match counts blended with embeddings, on the same scenes and matches: it jumps across."""
    found, metrics = sample_run
    run = copy_of(found, tmp_path / "run")
    with pytest.raises(StaleStageError, match=r"method='path' \(now 'greedy'\): pass --overwrite"):
        run_stage(run, OrderParameters(method="greedy"))
    run_stage(run, OrderParameters(method="greedy", distance="blend", alpha=0.5), overwrite=True)
    first = write_metrics(run, truth_path(sample))
    assert first["tau"] < metrics["tau"] - 0.1 and first["adjacent"] < metrics["adjacent"]
    with pytest.raises(StaleStageError, match=r"stage write .*--overwrite"):
        run_stage(run, WriteParameters(), progress=False)
    for values in ({"distance": "blend"}, {"method": "greedy"}):
        run_stage(run, OrderParameters(**values), overwrite=True)
        other = write_metrics(run, truth_path(sample))
        assert other["tau"] <= metrics["tau"] and other["coverage"] == 1


def test_matrices_behind_the_order(sample_run):
    """Each scene's matrices are square, symmetric, and true neighbours are near in what the order was made from."""
    run, _ = sample_run
    for scene, size in enumerate((66, 60, 54)):
        with np.load(run.path / "distances" / f"scene{scene:02d}.npz") as found:
            assert np.array_equal(found["frames"][found["order"]], run.scene_order(scene))
            for name in ("counts", "similarity", "blend", "residual", "missing_inliers", "thumbnail", "fused"):
                assert found[name].shape == (size, size) and np.allclose(found[name], found[name].T), name
            assert found["shown"].tolist() == list(range(size))
            names = {"frames", "order", "confidence", "shown", "counts", "similarity", "blend", *PARTS, "fused"}
            # A still camera has one part more, and one that moves has three where the frames had to be aligned.
            assert names <= set(found) and set(found) - names in ({"principal"}, ALIGNED_PARTS, set())
            ordered = found["fused"][np.ix_(found["order"], found["order"])]
        assert (np.diagonal(ordered) == 0).all()
        assert np.diagonal(ordered, 1).mean() < 0.5 * np.diagonal(ordered, 10).mean()


def test_finished_stages_are_reused(short_run, short, tmp_path, monkeypatch):
    found, metrics = short_run
    run = copy_of(found, tmp_path / "run")

    def computed(*_, **__):
        raise AssertionError("computed again")

    for name in (
        "read_proxies",
        "embed",
        "extract",
        "PairComparer",
        "register_pairs",
        "order_scene",
        "align_scene",
    ):
        monkeypatch.setattr(stages, name, computed)
    monkeypatch.setattr(writing, "write_parts", computed)
    assert quiet(run, truth_path(short)) == metrics
    assert metrics["outlier_f1"] == metrics["scene_f1"] == 1 and metrics["tau"] > 0.95


def test_the_order_is_read_once_for_all_scenes(short_run, tmp_path, monkeypatch):
    """A film has hundreds of scenes, and its file of the order a line per frame: no stage reads it anew for every scene. What
    is aligned and written stays the same."""
    run = copy_of(short_run[0], tmp_path / "run")

    def read_again(*_):
        raise AssertionError("read for one scene")

    monkeypatch.setattr(Run, "scene_order", read_again)
    for parameters in (AlignParameters(), WriteParameters(images="png")):
        run_stage(run, parameters, overwrite=True, progress=False)
    assert run.alignment_path.read_bytes() == short_run[0].alignment_path.read_bytes()
    for name in ("scene00.mp4", "scene01.mp4", "reconstructed.mp4"):
        assert (run.path / name).read_bytes() == (short_run[0].path / name).read_bytes()


def test_distances_are_kept_while_the_files_are_the_same(short_run, tmp_path):
    """As long as a run is open; not beyond another embedding, nor for another run with the same files."""
    run = copy_of(short_run[0], tmp_path / "run")
    found = frame_distances(run)
    assert frame_distances(run) is found
    assert frame_distances(Run.open(run.path)) is not found
    run_stage(run, EmbedParameters(backbone="rank-vlad"), overwrite=True, progress=False)
    other = frame_distances(run)
    assert other is not found and frame_distances(run) is other
    frames = np.arange(run.frames)
    assert not np.allclose(other.embedded(frames, frames), found.embedded(frames, frames))


def test_pairs_registered_while_they_were_chosen_are_not_registered_again(short_run, tmp_path):
    """The table of the stage, which the same process kept, is that which registering all pairs gives, to the last byte. It
    holds for the same matches and the same threshold alone."""
    run = copy_of(short_run[0], tmp_path / "run")
    least = METHODS[DEFAULT_MATCHER].min_inliers
    files = run.features_path, run.matches_path
    table = register_pairs(*files, read_pairs(run.pairs_path), pictures_of(run), 3.0, False, least)
    table.to_csv(tmp_path / "again.csv", index=False)
    assert (tmp_path / "again.csv").read_bytes() == run.transforms_path.read_bytes()
    assert kept_registered(run, 3.0) is None
    keep_registered(run, run.matches_path, table, 3.0)
    assert kept_registered(run, 3.0) is table
    assert kept_registered(run, 2.0) is None and kept_registered(Run.open(run.path), 3.0) is None
    shutil.copy(run.matches_path, tmp_path / "matches.h5")
    (tmp_path / "matches.h5").replace(run.matches_path)
    assert kept_registered(run, 3.0) is None


def test_nothing_slow_is_imported_for_a_short_clip(short, tmp_path):
    """scikit-learn, SciPy's statistics, torchvision and transformers each take as long to load as a short clip to restore."""
    script = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); from workbench.cli.app import main; main()"
    command = [sys.executable, "-c", script, "reconstruct", short, "--out", tmp_path / "run"]
    loaded = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    assert "torch" in loaded
    without = [*command[:-1], tmp_path / "without", "--embed.backbone", "thumbnail", "--match.matcher", "sift-flann"]
    assert "torch" not in subprocess.run(without, capture_output=True, text=True, check=True).stdout.splitlines()[-1].split()
    assert not {"sklearn", "scipy.stats", "torchvision", "transformers", "umap", "numba", "matplotlib"} & set(loaded)


def test_fewer_scenes_leave_no_old_videos(short_run, tmp_path):
    """At a huge eps, and with a threshold that leaves no match to tell them apart, all 26 frames are one scene: the second
    scene's video goes with the result that it belonged to."""
    run = copy_of(short_run[0], tmp_path / "run")
    assert (run.path / "scene01.mp4").exists()
    quiet(run, overwrite=True, eps=1.9, match_threshold=1.0, nearest_inliers=0, codec="lossless")
    assert run.labels().tolist() == run.scenes().tolist() == [0] * 26
    assert sorted(path.name for path in run.path.glob("*.m[pk][4v]")) == ["reconstructed.mkv", "scene00.mkv"]
    assert sorted(path.name for path in (run.path / "distances").iterdir()) == ["scene00.npz"]


def test_killed_while_finding_features(short, short_run, tmp_path, monkeypatch):
    """Killed at the 20th of 26 frames, blocks of 8: the two finished blocks are kept, and the end is the same."""
    monkeypatch.setattr(keypoints, "BLOCK_FRAMES", 8)
    detect, looked_at = sift.sift_features, []

    def killed(*arguments):
        looked_at.append(1)
        if len(looked_at) == 20:
            raise KeyboardInterrupt
        return detect(*arguments)

    monkeypatch.setattr(sift, "sift_features", killed)
    run = Run.create(tmp_path / "run", short)
    with pytest.raises(KeyboardInterrupt):
        quiet(run)
    assert "features" not in run.record["stages"] and not (run.path / "features.h5").exists()
    quiet(Run.open(run.path))
    # Other threads may have begun a few frames more when one was killed.
    assert 20 + 10 <= len(looked_at) <= min(20 + 10 + 2 * os.cpu_count(), 2 * 26 - 1)
    assert bytes_of(run) == bytes_of(short_run[0])


def test_killed_while_matching(short, short_run, tmp_path, monkeypatch):
    """Killed in the fourth block of 16 pairs: three finished blocks are kept, and the end is the same."""
    monkeypatch.setattr(matches_module, "BLOCK_PAIRS", 16)
    pairs, tried = short_run[1]["pairs"], []
    compare = NearestFirst.match

    def killed(self, features_a, features_b):
        tried.append(len(features_a))
        if len(tried) == 4:
            raise KeyboardInterrupt
        return compare(self, features_a, features_b)

    monkeypatch.setattr(NearestFirst, "match", killed)
    run = Run.create(tmp_path / "run", short)
    with pytest.raises(KeyboardInterrupt):
        quiet(run)
    assert not (run.path / "matches.h5").exists() and not (run.path / "pairs.txt").exists()
    assert not list(run.path.glob("*.partial"))
    quiet(Run.open(run.path))
    assert sum(tried) == pairs + tried[3]  # only the block that was under way is matched twice
    assert bytes_of(run) == bytes_of(short_run[0])


@pytest.fixture(scope="module")
def flann_run(short, tmp_path_factory):
    """The short video as far as its order, matched by sift-flann, and how many pairs each round had. Tests only read it."""
    run, counts = Run.create(tmp_path_factory.mktemp("runs") / "flann", short), []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(stages, "STAGES", WITHOUT_VIDEOS)
        note_rounds(patch, counts)
        quiet(run, matcher="sift-flann")
    assert len(counts) > 2 and sum(counts) == run.info("match")["pairs"]
    return run, counts


def note_rounds(patch, counts, stop=0):
    """Note the pairs of every round that is matched; the ``stop``-th ends the process before it begins."""
    compare = pair_comparer.match_pairs

    def noted(features_h5, pairs, *arguments, **more):
        counts.append(len(pairs))
        if len(counts) == stop:
            raise KeyboardInterrupt
        return compare(features_h5, pairs, *arguments, **more)

    patch.setattr(pair_comparer, "match_pairs", noted)


@pytest.mark.parametrize("stop", [2, 3])
def test_killed_between_two_rounds(flann_run, short, tmp_path, monkeypatch, stop):
    """What comes next follows from the rounds before: these are found as they were, and the end is the same."""
    found, counts = flann_run
    run, before, after = Run.create(tmp_path / "run", short), [], []
    monkeypatch.setattr(stages, "STAGES", WITHOUT_VIDEOS)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        note_rounds(patch, before, stop)
        quiet(run, matcher="sift-flann")
    assert before == counts[:stop] and not (run.path / "matches.h5").exists()
    assert len(list((run.path / "matches.h5.parts").glob("*.h5"))) == stop - 1
    note_rounds(monkeypatch, after)
    quiet(Run.open(run.path), matcher="sift-flann")
    assert after == counts[stop - 1 :]
    assert bytes_of(run) == bytes_of(found)
    assert not (run.path / "matches.h5.parts").exists()


def test_killed_in_the_middle_of_the_second_round(flann_run, short, tmp_path, monkeypatch):
    """Killed in its second block of eight pairs: the first round and the first block are not matched again."""
    found, counts = flann_run
    assert counts[1] > 16
    monkeypatch.setattr(stages, "STAGES", WITHOUT_VIDEOS)
    monkeypatch.setattr(matches_module, "BLOCK_PAIRS", 8)
    compare, tried = SiftFlann.match, []
    blocks = -(-counts[0] // 8)

    def killed(self, features_a, features_b):
        tried.append(len(features_a))
        if len(tried) == blocks + 2:
            raise KeyboardInterrupt
        return compare(self, features_a, features_b)

    monkeypatch.setattr(SiftFlann, "match", killed)
    run = Run.create(tmp_path / "run", short)
    with pytest.raises(KeyboardInterrupt):
        quiet(run, matcher="sift-flann")
    assert sum(tried) == counts[0] + 16
    quiet(Run.open(run.path), matcher="sift-flann")
    assert sum(tried) == sum(counts) + 8  # only the block that was under way is matched twice
    assert bytes_of(run) == bytes_of(found)


def test_rounds_of_another_matcher_are_not_taken(flann_run, short, tmp_path, monkeypatch):
    """Killed in the third round with another ratio: nothing of it is in a run with the default one."""
    found, counts = flann_run
    run, after = Run.create(tmp_path / "run", short), []
    monkeypatch.setattr(stages, "STAGES", WITHOUT_VIDEOS)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        note_rounds(patch, [], 3)
        quiet(run, matcher="sift-flann", ratio=0.7)
    note_rounds(monkeypatch, after)
    quiet(Run.open(run.path), matcher="sift-flann")
    assert after == counts and bytes_of(run) == bytes_of(found)


def test_all_pairs(flann_run, tmp_path, monkeypatch):
    """pairs_per_frame 0: every pair inside the scenes, and those that compared the scenes with each other."""
    run = copy_of(flann_run[0], tmp_path / "run")
    monkeypatch.setattr(stages, "STAGES", WITHOUT_VIDEOS)
    quiet(run, overwrite=True, matcher="sift-flann", pairs_per_frame=0)
    scenes, table = run.scenes(), run.transforms()
    inside = scenes[table["a"]] == scenes[table["b"]]
    assert inside.sum() == 12 * 11 // 2 + 10 * 9 // 2
    assert scenes.tolist() == flann_run[0].scenes().tolist()


@pytest.fixture(scope="module")
def mixed(sample_clips, tmp_path_factory):
    """40 frames of pagoda, 30 of toys, 24 of dahlia and 6 foreign ones, shuffled with seed 7, as far as their features."""
    counts = {"pagoda": 40, "toys": 30, "dahlia": 24, OUTLIER: 6}
    rows = [(name, frame) for name, count in counts.items() for frame in range(count)]
    shuffled = np.random.default_rng(7).permutation(len(rows))
    truth = [TruthRow(position, *rows[place]) for position, place in enumerate(shuffled)]
    folder = tmp_path_factory.mktemp("mixed")
    write_case((sample_clips[row.clip][row.frame] for row in truth), truth, folder / "mixed.mp4")
    run, chosen = Run.create(folder / "run", folder / "mixed.mp4"), stage_parameters({})
    stages.run_stage(run, chosen["video"], progress=False)
    stages.run_stage(run, chosen["embed"], progress=False)
    stages.run_stage(run, chosen["cluster"])
    stages.run_stage(run, chosen["features"], progress=False)
    return run


@pytest.mark.parametrize("factor", [0.05, 0.15, 1, 6, 12])
def test_matches_repair_what_a_wrong_eps_broke(mixed, tmp_path, factor):
    """So far from the eps that is suggested, DBSCAN breaks scenes and throws frames out, or throws scenes and foreign frames
    together. Held against the matches (sift-flann), every frame is where it belongs, but for a foreign picture with hardly a
    keypoint (14), for which DBSCAN's label stands."""
    run = copy_of(mixed, tmp_path / "run")
    chosen = stage_parameters({"eps": factor * run.info("cluster")["suggested_eps"], "matcher": "sift-flann"})
    stages.run_stage(run, chosen["cluster"], overwrite=True)
    stages.run_stage(run, chosen["match"], progress=False)
    truth = read_truth(truth_path(run.source))
    alone, held = (
        evaluate(truth, [OrderRow(position, int(scene), position) for position, scene in enumerate(labels)])
        for labels in (run.labels(), run.scenes())
    )
    assert held["scene_f1"] == 1 and held["coverage"] == 1
    foreign = np.array([row.clip == OUTLIER for row in truth])
    bare = keypoint_counts(run.path / "features.h5", len(truth)) < TEXTURED_KEYPOINTS
    assert not (foreign & (run.scenes() >= 0) & ~bare).any() and (foreign & bare).sum() == 1
    if factor == 1:
        assert alone == held and held["outlier_f1"] == 1
    else:
        assert min(alone["scene_f1"], alone["outlier_f1"]) < 0.8
        assert held["outlier_f1"] > max(0.9, alone["outlier_f1"])
    table, info = pd.read_csv(run.path / "scenes.csv", keep_default_na=False), run.info("match")
    moved = (table["clustered"] < 0) != (table["scene"] < 0)
    assert moved.sum() == info["rescued_frames"] + info["expelled_frames"]
    # A frame that is rescued into a piece of a scene may be joined to the rest of it afterwards.
    assert set(table["verdict"][moved]) <= {"rescued", "joined", "expelled", "fade", "blend"}
    assert (table["reason"][moved] != "").all()


def test_superglue(short, short_run, tmp_path):
    """SuperGlue with tiny random weights, sharpened so that it matches, on RootSIFT: neighbours match more than strangers."""
    save_tiny(tmp_path, 128)
    run = Run.create(tmp_path / "run", short)
    folder = str(tmp_path / "superglue")
    metrics = quiet(run, truth_path(short), matcher="superglue", model=folder, match_threshold=0.02, max_keypoints=80)
    # Which pairs the search asks for depends on what matched, how many hardly does.
    assert metrics["scene_f1"] == 1 and metrics["pairs"] == pytest.approx(short_run[1]["pairs"], rel=0.1)
    table = run.transforms()
    assert (table["matches"] > 0).mean() > 0.9 and metrics["registered_pairs"] > 0.5 * metrics["pairs"]
    with open_h5(run.path / "matches.h5") as file:
        matches, scores = read_matches(file, *table[["a", "b"]].iloc[0])
        assert matches.shape == scores.shape == (80,) and '"superglue"' in file.attrs["parameters"]
    order = run.order()
    assert sorted(order["order"].dropna()) == sorted([*range(12), *range(10)])


def test_truth_of_another_video(short_run, sample, tmp_path):
    run = copy_of(short_run[0], tmp_path / "run")
    with pytest.raises(TruthError, match="has 200 rows and the video 26 frames: give the truth of this video"):
        quiet(run, truth_path(sample))
    with pytest.raises(TruthError, match="cannot be read"):
        write_metrics(run, tmp_path / "nothing.truth.csv")


def test_only_foreign_frames(sample_clips, tmp_path):
    """Ten unrelated pictures: the result sets all of them aside, and the error says what to do."""
    run = Run.create(tmp_path / "run", video_of(sample_clips[OUTLIER][:10], tmp_path))
    with pytest.raises(ClusterError, match=r"all 10 frames look foreign .* --overwrite with --cluster\.eps above 0\.\d+"):
        quiet(run)
    lines = (run.path / "order.csv").read_text().splitlines()
    assert lines[1:] == [f"{position},-1,," for position in range(10)]
    assert json.loads((run.path / "metrics.json").read_text())["outliers"] == 10
    assert not list(run.path.glob("*.mp4"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_frames(sample_clips, tmp_path, count):
    run = Run.create(tmp_path / "run", video_of(sample_clips["pagoda"][:count], tmp_path))
    metrics = quiet(run, matcher="sift-flann")
    assert metrics["scenes"] == 1 and metrics["outliers"] == 0 and metrics["pairs"] == count * (count - 1) // 2
    assert run.scene_order(0).tolist() == list(range(count))
    assert len(pictures(run.path / "reconstructed.mp4")) == count


def test_identical_frames(sample_clips, tmp_path):
    """Nine times the same frame: one scene, in the order of the input."""
    run = Run.create(tmp_path / "run", video_of([sample_clips["toys"][0]] * 9, tmp_path))
    metrics = quiet(run, matcher="sift-flann")
    assert metrics["scenes"] == 1 and metrics["outliers"] == 0
    assert run.scene_order(0).tolist() == list(range(9))


def test_flat_frames(tmp_path):
    """Nine black frames: no keypoints, no matches, one scene all the same."""
    run = Run.create(tmp_path / "run", video_of([np.zeros((48, 64, 3), np.uint8)] * 9, tmp_path))
    metrics = quiet(run, matcher="sift-flann")
    assert metrics["scenes"] == 1 and metrics["registered_pairs"] == 0
    assert sorted(run.scene_order(0).tolist()) == list(range(9))


def test_every_frame_twice(sample_clips, tmp_path):
    """Twelve frames of a pan, each there twice, shuffled: twins end side by side, and the pan is in order."""
    places = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 2))
    run = Run.create(tmp_path / "run", video_of(sample_clips["pagoda"][:24:2][places], tmp_path))
    quiet(run, matcher="sift-flann")
    restored = places[run.scene_order(0)]
    assert np.abs(np.diff(restored)).tolist() == [0, 1] * 11 + [0]


def test_long_scenes_are_restored_too(sample_run, sample, tmp_path, monkeypatch):
    """The sample with limits so low that its scenes are long ones: found, ordered in stretches and written as well. Where the
    camera moves the whole order is right; the static scene, so coarsely seen, may be begun elsewhere.
    """
    for place in (stages, match_scenes, long_scenes):
        monkeypatch.setattr(place, "LONG_SCENE_FRAMES", 50)
    monkeypatch.setattr(long_scenes, "STRETCH_FRAMES", 40)
    monkeypatch.setattr(long_scenes, "OVERLAP_FRAMES", 12)
    run = copy_of(sample_run[0], tmp_path / "run")
    metrics = quiet(run, truth_path(sample), overwrite=True, matcher="sift-flann")
    assert metrics["scene_f1"] == metrics["outlier_f1"] == 1 and metrics["adjacent"] > 0.95
    rows = evaluate_clips(read_truth(truth_path(sample)), read_order(run.path / "order.csv"))
    assert all(row["tau"] > 0.99 for row in rows if row["clip"] in ("pagoda", "dahlia"))
    for scene, size in enumerate((66, 60, 54)):
        frames = np.flatnonzero(run.scenes() == scene)
        assert sorted(run.rough_order(scene).tolist()) == frames.tolist() and len(frames) == size
        with np.load(run.path / "distances" / f"scene{scene:02d}.npz") as found:
            assert 20 < len(found["shown"]) < 50 and found["fused"].shape == (len(found["shown"]),) * 2
    with pytest.raises(ParameterError, match="above 50 frames only"):
        run_stage(run, OrderParameters(method="greedy"), overwrite=True)


def test_a_map_that_fails_stops_nothing(short_run, tmp_path, monkeypatch):
    """Why there is none is recorded and said, in one line; it is tried again, and then there is one."""
    run = copy_of(short_run[0], tmp_path / "run")

    def fail(*_: object) -> None:
        raise RuntimeError("cannot cache\nfunction 'rdist'")

    with monkeypatch.context() as patch:
        patch.setattr(stages, "umap_points", fail)
        stages.run_stage(run, UmapParameters(), progress=False)
        assert Run.open(run.path).no_map == "There is no map: UMAP failed (RuntimeError: cannot cache function 'rdist')"
        assert run.map_points().shape == (26, 2) and np.isnan(run.map_points()).all()
        assert run.no_map in html.unescape(write_report(run, short_run[1], notebook_files()).read_text())
    stages.run_stage(run, UmapParameters(), progress=False)
    assert run.no_map == "" and np.isfinite(run.map_points()).all()
