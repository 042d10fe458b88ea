"""The whole job without notebooks: quality on the sample, the format of its result, odd clips, kills and repetition."""

import importlib.util
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from test_superglue import save_tiny

from workbench import features, match, stages
from workbench.corrupt import truth_path
from workbench.errors import ClusterError, StaleStageError, TruthError
from workbench.evaluate import OUTLIER
from workbench.hloc import open_h5, read_matches
from workbench.parameters import OrderParameters, WriteParameters, stage_parameters
from workbench.run import Run
from workbench.stages import order_frames, reconstruct, write_metrics, write_videos
from workbench.superglue import SuperGlue
from workbench.video import FrameReader, write_frames

SCORER = Path(__file__).resolve().parents[1].parent / "shared" / "score.py"
HASHED = ("order.csv", "clusters.csv", "transforms.csv", "features.h5", "matches.h5", "pairs.txt", "embeddings.npy")


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
    _, metrics = sample_run
    assert metrics["frames"] == 200 and metrics["scenes"] == 3 and metrics["outliers"] == 20
    assert metrics["outlier_f1"] >= 0.98 and metrics["scene_f1"] >= 0.98
    assert metrics["tau"] >= 0.98 and metrics["adjacent"] >= 0.9 and metrics["coverage"] >= 0.98
    assert metrics["pairs_per_frame"] <= 10 and metrics["registered_pairs"] > 0.95 * metrics["pairs"]


def test_metrics_file_is_flat(sample_run):
    run, metrics = sample_run
    written = json.loads((run.path / "metrics.json").read_text())
    assert written == metrics and all(isinstance(value, int | float) for value in written.values())
    assert {f"seconds_{stage}" for stage in run.record["stages"]} <= written.keys()


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
    assert {row.position for row in sample_truth if row.clip == OUTLIER} == set(np.flatnonzero(scenes < 0).tolist())


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
    with FrameReader(run.path / "scene02.mp4") as scene, FrameReader(run.path / "reconstructed.mp4") as whole:
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
    monkeypatch.setattr(stages, "write_videos", lambda *_, **__: None)
    again = Run.create(tmp_path / "again", sample)
    quiet(again)
    for name, content in bytes_of(run).items():
        assert content == (again.path / name).read_bytes(), name


def test_the_first_design_is_not_better(sample_run, sample, tmp_path):
    """Greedy chain over match counts blended with embeddings, on the same scenes and matches: it jumps across."""
    found, metrics = sample_run
    run = copy_of(found, tmp_path / "run")
    with pytest.raises(StaleStageError, match=r"method='path' \(now 'greedy'\): pass --overwrite"):
        order_frames(run, OrderParameters(method="greedy"))
    order_frames(run, OrderParameters(method="greedy", distance="blend", alpha=0.5), overwrite=True)
    first = write_metrics(run, truth_path(sample))
    assert first["tau"] < metrics["tau"] - 0.1 and first["adjacent"] < metrics["adjacent"]
    with pytest.raises(StaleStageError, match=r"stage write .*--overwrite"):
        write_videos(run, WriteParameters(), progress=False)
    for values in ({"distance": "blend"}, {"method": "greedy"}):
        order_frames(run, OrderParameters(**values), overwrite=True)
        other = write_metrics(run, truth_path(sample))
        assert other["tau"] <= metrics["tau"] and other["coverage"] == 1


def test_matrices_behind_the_order(sample_run):
    """Each scene's matrices are square, symmetric, and true neighbours are near in what the order was made from."""
    run, _ = sample_run
    for scene, size in enumerate((66, 60, 54)):
        with np.load(run.path / "distances" / f"scene{scene:02d}.npz") as found:
            assert np.array_equal(found["frames"][found["order"]], run.scene_order(scene))
            for name in ("counts", "similarity", "blend", "residual", "inlier_share", "fused"):
                assert found[name].shape == (size, size) and np.allclose(found[name], found[name].T), name
            ordered = found["fused"][np.ix_(found["order"], found["order"])]
        assert (np.diagonal(ordered) == 0).all()
        assert np.diagonal(ordered, 1).mean() < 0.5 * np.diagonal(ordered, 10).mean()


def test_finished_stages_are_reused(short_run, short, tmp_path, monkeypatch):
    found, metrics = short_run
    run = copy_of(found, tmp_path / "run")

    def computed(*_, **__):
        raise AssertionError("computed again")

    for name in ("read_proxies", "embed", "extract", "match_pairs", "register_pairs", "write_video"):
        monkeypatch.setattr(stages, name, computed)
    assert quiet(run, truth_path(short)) == metrics
    assert metrics["outlier_f1"] == metrics["scene_f1"] == 1 and metrics["tau"] > 0.95


def test_fewer_scenes_leave_no_old_videos(short_run, tmp_path):
    """At a huge eps all 26 frames are one scene: the second scene's video goes with the result that it belonged to."""
    run = copy_of(short_run[0], tmp_path / "run")
    assert (run.path / "scene01.mp4").exists()
    quiet(run, overwrite=True, eps=1.9, codec="lossless")
    assert run.labels().tolist() == [0] * 26
    assert sorted(path.name for path in run.path.glob("*.m[pk][4v]")) == ["reconstructed.mkv", "scene00.mkv"]
    assert sorted(path.name for path in (run.path / "distances").iterdir()) == ["scene00.npz"]


def test_killed_while_finding_features(short, short_run, tmp_path, monkeypatch):
    """Killed at the 20th of 26 frames, blocks of 8: the two finished blocks are kept, and the end is the same."""
    monkeypatch.setattr(features, "BLOCK", 8)
    detect, looked_at = features.sift_features, []

    def killed(*arguments):
        looked_at.append(1)
        if len(looked_at) == 20:
            raise KeyboardInterrupt
        return detect(*arguments)

    monkeypatch.setattr(features, "sift_features", killed)
    run = Run.create(tmp_path / "run", short)
    with pytest.raises(KeyboardInterrupt):
        quiet(run)
    assert "features" not in run.record["stages"] and not (run.path / "features.h5").exists()
    quiet(Run.open(run.path))
    assert len(looked_at) == 20 + 10
    assert bytes_of(run) == bytes_of(short_run[0])


def test_killed_while_matching(short, short_run, tmp_path, monkeypatch):
    """Killed in the fourth block of 16 pairs: three finished blocks are kept, and the end is the same."""
    monkeypatch.setattr(match, "BLOCK", 16)
    pairs, tried = short_run[1]["pairs"], []
    compare = SuperGlue.match

    def killed(self, features_a, features_b):
        tried.append(len(features_a))
        if len(tried) == 4:
            raise KeyboardInterrupt
        return compare(self, features_a, features_b)

    monkeypatch.setattr(SuperGlue, "match", killed)
    run = Run.create(tmp_path / "run", short)
    with pytest.raises(KeyboardInterrupt):
        quiet(run)
    assert not (run.path / "matches.h5").exists() and not (run.path / "pairs.txt").exists()
    assert not list(run.path.glob("*.partial"))
    quiet(Run.open(run.path))
    assert sum(tried) == pairs + tried[3]  # only the block that was under way is matched twice
    assert bytes_of(run) == bytes_of(short_run[0])


def test_superglue(short, short_run, tmp_path):
    """SuperGlue with tiny random weights, sharpened so that it matches, on RootSIFT: neighbours match more than strangers."""
    save_tiny(tmp_path, 128)
    run = Run.create(tmp_path / "run", short)
    folder = str(tmp_path / "superglue")
    metrics = quiet(run, truth_path(short), matcher="superglue", model=folder, match_threshold=0.02, max_keypoints=80)
    assert metrics["scene_f1"] == 1 and metrics["pairs"] == short_run[1]["pairs"]
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
    assert lines[1:] == [f"{position},-1," for position in range(10)]
    assert json.loads((run.path / "metrics.json").read_text())["outliers"] == 10
    assert not list(run.path.glob("*.mp4"))


@pytest.mark.parametrize("count", [1, 2, 3])
def test_very_few_frames(sample_clips, tmp_path, count):
    run = Run.create(tmp_path / "run", video_of(sample_clips["pagoda"][:count], tmp_path))
    metrics = quiet(run)
    assert metrics["scenes"] == 1 and metrics["outliers"] == 0 and metrics["pairs"] == count * (count - 1) // 2
    assert run.scene_order(0).tolist() == list(range(count))
    with FrameReader(run.path / "reconstructed.mp4") as video:
        assert len(video) == count


def test_identical_frames(sample_clips, tmp_path):
    """Nine times the same frame: one scene, in the order of the input."""
    run = Run.create(tmp_path / "run", video_of([sample_clips["toys"][0]] * 9, tmp_path))
    metrics = quiet(run)
    assert metrics["scenes"] == 1 and metrics["outliers"] == 0
    assert run.scene_order(0).tolist() == list(range(9))


def test_flat_frames(tmp_path):
    """Nine black frames: no keypoints, no matches, one scene all the same."""
    run = Run.create(tmp_path / "run", video_of([np.zeros((48, 64, 3), np.uint8)] * 9, tmp_path))
    metrics = quiet(run)
    assert metrics["scenes"] == 1 and metrics["registered_pairs"] == 0
    assert sorted(run.scene_order(0).tolist()) == list(range(9))


def test_every_frame_twice(sample_clips, tmp_path):
    """Twelve frames of a pan, each there twice, shuffled: twins end side by side, and the pan is in order."""
    places = np.random.default_rng(0).permutation(np.repeat(np.arange(12), 2))
    run = Run.create(tmp_path / "run", video_of(sample_clips["pagoda"][:24:2][places], tmp_path))
    quiet(run)
    restored = places[run.scene_order(0)]
    assert np.abs(np.diff(restored)).tolist() == [0, 1] * 11 + [0]
