"""Kill the real command at random moments, continue it, and check that it ends with the same bytes as an undisturbed run.

    python -m tests.robustness.kill_runs --count 50   50 runs; exit status 1 when one ended otherwise

The seed and the number of a run decide everything. It is killed at least once, by SIGKILL or, less often, SIGINT, at a moment
drawn uniformly from the time that an undisturbed run takes. Every second run replaces the finished result of other parameters;
what the run records about its stages must be true after each kill. Every tenth run starts in a new interpreter, so that it can
also be killed during imports.
"""

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import numpy as np

from tests.helpers.tiny import encode, pan
from tests.robustness.fuzz import FAST, launch
from workbench.errors import RunError
from workbench.evaluation.files import read_order
from workbench.run import Run
from workbench.storage.folder import file_sha256
from workbench.video.decode import decode

# Results that must be the same byte by byte. Of videos only the number of frames must be the same, because the bytes of H.264
# depend on how threads were scheduled.
SAME_BYTES = (
    "order.csv",
    "matches.h5",
    "features.h5",
    "pairs.txt",
    "clusters.csv",
    "scenes.csv",
    "transforms.csv",
    "alignment.csv",
)
INTERRUPTED = "workbench: interrupted; the same command goes on from here\n"
OTHER_PARAMETERS = ("--cluster.min_cluster_size", "3", "--features.max_keypoints", "300", "--write.codec", "lossless")


def words(video: Path, run: Path, replace: bool) -> list[str]:
    """The words of the command: of a new run, or of one that replaces what was made with :data:`OTHER_PARAMETERS`."""
    return ["reconstruct", str(video), "--out", str(run), *FAST, *(["--overwrite"] if replace else [])]


def content(run: Path) -> dict[str, str | int]:
    """Digests of the results, and the number of frames of every video, by file name."""
    found: dict[str, str | int] = {name: file_sha256(run / name) for name in SAME_BYTES}
    return found | {path.name: sum(1 for _ in decode(path)) for path in run.glob("*.m[pk][4v]")}


def finish(box: Path, command: list[str], imports: bool = False, after: float | None = None, by: int = 0) -> tuple[int, str]:
    """Run the command to its end, or kill it ``after`` seconds; return its exit status, or minus the signal, and its stderr."""
    if imports:
        with (box / "err").open("w") as err:
            process = subprocess.Popen(
                [sys.executable, "-m", "workbench", *command], cwd=box, stdout=subprocess.DEVNULL, stderr=err
            )
        pid = process.pid
    else:
        pid = launch(box, command)
    begun = time.monotonic()
    while True:
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status), (box / "err").read_text()
        if after is not None and time.monotonic() - begun > after:
            os.kill(pid, by)
            return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), (box / "err").read_text()
        time.sleep(0.002)


def unsound(run: Path) -> list[str]:
    """List what a killed run records about itself although it is not true."""
    if not (run / "run.json").exists():
        return []
    opened, faults = Run.open(run), []
    for stage, found in opened.record["stages"].items():
        missing = [name for name in found["outputs"] if not (run / name).exists()]
        faults += [f"{stage} is recorded, {missing} do not exist"] if missing else []
    for read in (opened.images, opened.embeddings, opened.labels, opened.scenes, opened.transforms, opened.order):
        try:
            read()
        except RunError as error:  # may be missing, or of the earlier parameters, but never damaged
            faults += [str(error)] if "damaged" in str(error) else []
    videos = opened.record["stages"].get("write")
    for name in videos["outputs"] if videos else []:
        if name.endswith((".mp4", ".mkv")) and videos["inputs"]["order"] == opened.record["stages"].get("order", {}).get(
            "fingerprint"
        ):
            kept = sum(row.scene >= 0 for row in read_order(run / "order.csv"))  # perhaps of the earlier parameters
            frames = sum(1 for _ in decode(run / name))
            faults += [f"{name} has {frames} frames of {kept}"] if name.startswith("reconstructed") and frames != kept else []
    return faults


def disturbed(
    number: int, seed: int, folder: Path, video: Path, other: Path, wanted: dict, seconds: float
) -> tuple[list[str], Counter]:
    """Kill and continue one run; return its faults, and how its processes ended."""
    rng = np.random.default_rng([seed, number])
    box, replace, imports = folder / f"{number:04d}", bool(number % 2), number % 10 == 4
    box.mkdir()
    if replace:
        shutil.copytree(other, box / "run")
    command, faults, ends = words(video, box / "run", replace), [], Counter()
    kills = 0
    while not kills or rng.integers(2):
        by = signal.SIGINT if rng.integers(4) == 0 else signal.SIGKILL
        after = rng.uniform(0, 6 if imports else seconds)
        status, said = finish(box, command, imports, after, by)
        ends[{0: "finished", 130: "SIGINT", -9: "SIGKILL"}.get(status, str(status))] += 1
        if status not in ((0, 130) if by == signal.SIGINT else (0, -9)) or (status == 130 and said != INTERRUPTED):
            faults.append(f"after {after:.2f} s and signal {by}: {status}, {said[-300:]!r}")
        faults += unsound(box / "run")
        kills += status != 0
        if not status and not kills:  # it finished before it could be killed: try again, and kill sooner
            seconds *= 0.7
            shutil.rmtree(box / "run")
            if replace:
                shutil.copytree(other, box / "run")
        elif not status:
            break
    status, said = finish(box, command)
    if status:
        faults.append(f"continued, it ended with {status}: {said[-300:]!r}")
    elif content(box / "run") != wanted:
        found = content(box / "run")
        faults.append(f"other results: {[name for name in wanted.keys() | found if wanted.get(name) != found.get(name)]}")
    leftovers = [path.name for path in (box / "run").iterdir() if path.suffix in (".partial", ".done", ".parts", ".tmp")]
    faults += [f"left behind: {leftovers}"] if leftovers else []
    if not faults:
        shutil.rmtree(box)
    return faults, ends


def main() -> None:
    """Run the command line at the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--first", type=int, default=0, help="number of the first run")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    folder, begun = Path(tempfile.mkdtemp(prefix="kill-")), time.monotonic()
    video = encode(folder / "clip.mp4", [pan(1, 20)[k] for k in np.random.default_rng(1).permutation(20)] + pan(2, 12))
    times = []
    for name, more in (("other", OTHER_PARAMETERS), ("plain", ())):
        (folder / name).mkdir()
        start = time.monotonic()
        status, said = finish(folder / name, words(video, folder / name / "run", False) + list(more))
        times.append(time.monotonic() - start)
        assert status == 0, said
    wanted, ends, wrong = content(folder / "plain" / "run"), Counter(), []
    for number in range(options.first, options.first + options.count):
        faults, ended = disturbed(number, options.seed, folder, video, folder / "other" / "run", wanted, times[1])
        ends += ended
        if faults:
            wrong.append(number)
            print(f"{number}: {'; '.join(faults)}", flush=True)
    print(
        f"{options.count} runs in {time.monotonic() - begun:.0f} s, seed {options.seed}; one undisturbed takes {times[1]:.1f} s"
    )
    print(f"processes: {json.dumps(dict(ends))}; runs that ended otherwise: {wrong or 'none'}")
    if wrong:
        print(f"left in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
