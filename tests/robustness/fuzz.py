"""Give broken and hostile files to the real commands, and check that each ends in a one-line error or a complete result.

    python -m tests.robustness.fuzz --count 500   500 inputs and a table; exit status 1 when one was handled wrongly
    python -m tests.robustness.fuzz --only 137 --keep DIR   one input again, by its number

A seed and the number of an input decide everything about it. The command runs in a process forked from one that has imported
everything. It may use 4 GiB and 60 s, or more time on a busy machine. It must not write or change anything outside its
run directory, open a socket, start a program, load a pickle, or print a traceback. Canary files beside the run must not change,
and connections to the port that the inputs name are detected.
"""

import argparse
import io
import json
import os
import resource
import select
import shutil
import signal
import socket
import stat
import sys
import tempfile
import time
import traceback
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

os.environ |= {"MPLBACKEND": "Agg", "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}

import numpy as np

from tests import DATA
from tests.helpers.tiny import encode, pan
from tests.robustness.fuzz_runs import RUNS, truths
from tests.robustness.fuzz_videos import VIDEOS, Bench, sound_videos
from workbench.cli import app
from workbench.evaluation import files
from workbench.storage.folder import file_sha256

SAMPLE = DATA / "sample.mp4"
TIME_LIMIT = 60  # seconds
MEMORY_LIMIT = 4 * 2**30  # bytes
# Without neural networks, hence fast: these inputs test reading, not how well a matcher works.
FAST = ("--embed.backbone", "thumbnail", "--match.matcher", "sift-exact")
COMMANDS = (
    "evaluate RUN --truth TRUTH", "flip RUN", "flip RUN --scene 0", "compare RUN OTHER", "compare RUN OTHER --html OUT.html",
    "edit RUN", "edit RUN join 0 1", "edit RUN undo",
    "reconstruct VIDEO --out RUN FAST", "reconstruct VIDEO --out RUN FAST --overwrite --order.method greedy",
    "reconstruct VIDEO --out RUN FAST --overwrite --cluster.eps 0.3",
    "reconstruct VIDEO --out RUN FAST --overwrite --register.threshold 4",
    "reconstruct VIDEO --out RUN FAST --overwrite --stabilise",
    "reconstruct VIDEO --out RUN FAST --overwrite --match.ratio 0.7",
)  # fmt: skip
FORBIDDEN_EVENTS = ("socket.", "subprocess.", "os.exec", "os.system", "os.posix_spawn", "os.fork", "pickle.find_class")


@dataclass
class Case:
    """An input that was handled. status: exit status, or minus the signal; faults: what was wrong, one line each."""

    number: int
    kind: str
    words: list[str] = field(default_factory=list)
    status: int = 0
    said: str = ""
    seconds: float = 0.0
    bytes: int = 0
    faults: list[str] = field(default_factory=list)


def prepare(folder: Path, port: int) -> Bench:
    """Make what all inputs start from."""
    videos = sound_videos(folder / "videos", SAMPLE)
    (folder / "secret").mkdir()
    secret = encode(folder / "secret" / "secret.mp4", pan(9, 5))
    video = encode(folder / "clip.mp4", pan(1, 7) + pan(2, 6) + pan(100, 1))
    truth = folder / "clip.csv"
    rows = [f"{k},{'a' if k < 7 else 'b' if k < 13 else 'outlier'},{k if k < 7 else k - 7 if k < 13 else 0}" for k in range(14)]
    truth.write_text("position,clip,frame\n" + "\n".join(rows) + "\n")
    pid = launch(folder, ["reconstruct", str(video), "--out", str(folder / "run"), *FAST])
    assert os.waitpid(pid, 0)[1] == 0, (folder / "err").read_text()
    return Bench(videos, secret, port, folder / "run", video, truth)


def make(number: int, seed: int, box: Path, bench: Bench) -> Case:
    """Make input ``number`` in the folder ``box``, with the words of the command that reads it."""
    rng = np.random.default_rng([seed, number])
    names = [*VIDEOS, *RUNS, "truths"]
    kind = names[number % len(names)]
    (box / "canary" / "folder").mkdir(parents=True)
    for name in ("victim.txt", "folder/victim.txt"):
        (box / "canary" / name).write_text("stay as you are\n")
    (box / "in").mkdir()
    if kind in VIDEOS:
        video = VIDEOS[kind](rng, box / "in", bench)
        return Case(number, kind, ["reconstruct", str(video), "--out", str(box / "run"), *FAST])
    shutil.copytree(bench.run, box / "run")
    truth, command = shutil.copy(bench.truth, box / "in" / "truth.csv"), COMMANDS[rng.integers(len(COMMANDS))]
    if kind == "truths":
        truths(rng, Path(truth))
        command = COMMANDS[0]
    else:
        RUNS[kind](rng, box / "run", bench)
    places = {"RUN": [box / "run"], "OTHER": [bench.run], "TRUTH": [truth], "VIDEO": [bench.video], "FAST": FAST}
    places["OUT.html"] = [box / "run.html"]
    return Case(number, kind, [str(part) for word in command.split() for part in places.get(word, [word])])


def launch(box: Path, words: list[str]) -> int:
    """Start the command in a fork of this process, which works and writes its output in ``box``; return its process id."""
    pid = os.fork()
    if pid == 0:
        _child(box, words)
    return pid


def _child(box: Path, words: list[str]) -> None:
    """Run the command and exit. Output is redirected at the file descriptors, to catch that of C libraries too."""
    status = 99
    try:
        os.chdir(box)
        for number, name in ((1, "out"), (2, "err")):
            os.dup2(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        sys.stdout, sys.stderr = (
            io.TextIOWrapper(io.FileIO(number, "w"), errors="backslashreplace", write_through=True) for number in (1, 2)
        )
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        heard = os.open("heard", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        inside = (str(box / "run"), "run", os.devnull)

        def hear(event: str, details: tuple[Any, ...]) -> None:
            if event.startswith(FORBIDDEN_EVENTS):
                os.write(heard, f"{event} {details!r:.200}\n".encode(errors="replace"))
            elif event == "open" and isinstance(details[0], str | bytes) and (details[2] or 0) & (os.O_WRONLY | os.O_RDWR):
                path = os.fsdecode(details[0])
                if not path.startswith(inside):
                    os.write(heard, f"opened to write: {path!r:.200}\n".encode(errors="replace"))

        sys.argv = ["workbench", *words]
        sys.addaudithook(hear)
        app.main()
    except SystemExit as stop:
        status = stop.code if isinstance(stop.code, int) else 0
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(status or 0)


def state(folder: Path) -> dict[str, tuple[Any, ...]]:
    """Modes, sizes, times and digests of everything in a folder, to detect changes; links are not followed."""
    found: dict[str, tuple[Any, ...]] = {}
    for path in sorted(folder.rglob("*")):
        seen = path.lstat()
        content = file_sha256(path) if stat.S_ISREG(seen.st_mode) and seen.st_size < 2**26 else ""
        found[str(path.relative_to(folder))] = (seen.st_mode, seen.st_size, seen.st_mtime_ns, content)
    return {name: value if not stat.S_ISDIR(value[0]) else value[:1] for name, value in found.items()}


def judge(case: Case, box: Path, before: dict[str, Any]) -> None:
    """Add the faults of a command: what it did, compared with what it may do."""
    err = (box / "err").read_text(errors="replace")
    lines = [line for line in err.splitlines() if not line.startswith("note: ")]
    case.said = " / ".join(lines)[-400:]
    if "Traceback" in err:
        case.faults.append("traceback: " + err.strip().splitlines()[-1][:200])
    elif case.status not in (0, 1, 2):
        case.faults.append(f"ended with {case.status}")
    elif case.status and (len(lines) != 1 or not lines[0].startswith("workbench: ")):
        case.faults.append(f"{len(lines)} lines of error")
    elif not case.status and lines:
        case.faults.append(f"succeeded, and said: {lines[0][:200]}")
    case.faults += sorted(set((box / "heard").read_text().splitlines()))[:3] if (box / "heard").exists() else []
    after = {name: state(box / name) for name in before}
    case.faults += [f"{name} has changed" for name in before if after[name] != before[name]]
    expected = {"in", "canary", "run", "out", "err", "heard", "run.html"}
    case.faults += [f"{path.name} was made" for path in box.iterdir() if path.name not in expected]
    if case.status == 0 and case.words[0] in ("reconstruct", "flip") and not case.faults:
        frames = json.loads((box / "run" / "run.json").read_text())["stages"]["video"]["info"]["frames"]
        if len(files.read_order(box / "run" / "order.csv")) != frames:
            case.faults.append("order.csv does not have every frame")


def start(number: int, seed: int, folder: Path, bench: Bench) -> tuple[int, Case, Path, dict[str, Any], float]:
    """Make an input and start its command; return the process, the case, its box, what must not change, and the time."""
    box = folder / f"{number:06d}"
    box.mkdir()
    case = make(number, seed, box, bench)
    before = {name: state(box / name) for name in ("in", "canary")}
    return launch(box, case.words), case, box, before, time.monotonic()


def watch(running: list[tuple]) -> tuple | None:
    """Remove and return the first process that has ended, or None; processes over a limit are killed."""
    for item in running:
        pid, case, _, _, begun = item
        case.bytes = max(case.bytes, resident(pid))
        wall = time.monotonic() - begun
        # Waiting for a processor is not hanging, so a busy machine gets more time.
        hangs = wall > TIME_LIMIT and (processor_seconds(pid) > TIME_LIMIT / 2 or wall > 5 * TIME_LIMIT)
        for limit, reason in ((case.bytes > MEMORY_LIMIT, "over 4 GiB"), (hangs, f"over {TIME_LIMIT} s")):
            if limit and reason not in case.faults:
                case.faults.append(reason)
                os.kill(pid, signal.SIGKILL)
        done, status = os.waitpid(pid, os.WNOHANG)
        if done:
            case.status, case.seconds = os.waitstatus_to_exitcode(status), time.monotonic() - begun
            running.remove(item)
            return item
    return None


def processor_seconds(pid: int) -> float:
    """CPU seconds that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def resident(pid: int) -> int:
    """Resident memory of a process, bytes; 0 when it has ended."""
    try:
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()
    except (OSError, IndexError):
        return 0


def fuzz(numbers: list[int], seed: int, jobs: int, folder: Path) -> list[Case]:
    """Run the inputs, several at a time; the boxes of those that were handled well are removed."""
    listening = socket.create_server(("127.0.0.1", 0))
    bench = prepare(folder, listening.getsockname()[1])
    shared = state(folder)
    cases, waiting, running = [], list(reversed(numbers)), []
    while waiting or running:
        while waiting and len(running) < jobs:
            running.append(start(waiting.pop(), seed, folder, bench))
        ended = watch(running)
        if ended is None:
            time.sleep(0.02)
            continue
        _, case, box, before, _ = ended
        judge(case, box, before)
        if select.select([listening], [], [], 0)[0]:
            listening.accept()[0].close()
            case.faults.append("the network was touched")
        cases.append(case)
        if case.faults:
            print(f"{case.number}: {case.kind}: {'; '.join(case.faults)}\n  {case.words}\n  {case.said[:300]}", flush=True)
        else:
            shutil.rmtree(box)
    now = {name: value for name, value in state(folder).items() if not name[:6].isdigit()}
    if now != shared:
        raise SystemExit(f"what all inputs share has changed: {[name for name in shared if now.get(name) != shared[name]]}")
    return cases


def table(cases: list[Case]) -> str:
    """One line per kind of input: how many, how they ended, maximum time and memory."""
    kinds: dict[str, list[Case]] = defaultdict(list)
    for case in cases:
        kinds[case.kind].append(case)
        kinds["all"].append(case)
    kinds["all"] = kinds.pop("all")
    lines = [f"{'kind':18} inputs  refused  result  faults   max s   max MiB"]
    for kind, some in kinds.items():
        ends = Counter("fault" if case.faults else "result" if case.status == 0 else "refused" for case in some)
        most = max(case.seconds for case in some), max(case.bytes for case in some) / 2**20
        counts = f"{len(some):6}  {ends['refused']:7}  {ends['result']:6}  {ends['fault']:6}"
        lines.append(f"{kind:18} {counts}  {most[0]:7.1f}  {most[1]:8.0f}")
    return "\n".join(lines)


def main() -> None:
    """Run the command line at the top of this file."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--first", type=int, default=0, help="number of the first input")
    parser.add_argument("--only", type=int, help="one input, by its number")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument(
        "--keep", type=Path, help="folder for the inputs that were handled wrongly; default: a temporary folder"
    )
    options = parser.parse_args()
    numbers = [options.only] if options.only is not None else list(range(options.first, options.first + options.count))
    folder = options.keep or Path(tempfile.mkdtemp(prefix="fuzz-"))
    folder.mkdir(parents=True, exist_ok=True)
    begun = time.monotonic()
    cases = fuzz(numbers, options.seed, options.jobs, folder.resolve())
    print(table(cases))
    faulty = [case.number for case in cases if case.faults]
    print(f"{len(cases)} inputs in {time.monotonic() - begun:.0f} s, seed {options.seed}; handled wrongly: {faulty or 'none'}")
    if faulty:
        print(f"left in {folder}")
        sys.exit(1)
    shutil.rmtree(folder)


if __name__ == "__main__":
    main()
