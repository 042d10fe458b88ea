"""Jobs one after the other, stopped, resumed, and left by a server that was killed. Processes are real."""

import json
import shutil
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

from tests.helpers.served import SECONDS, Served
from tests.helpers.tiny import text
from workbench.app.jobs import State, find_jobs
from workbench.app.queue import WORK
from workbench.run import Run
from workbench.run.run import UPLOAD


def wait(served: Served, name: str, *states: str) -> dict:
    """Wait until a job is in one of these states; its description."""
    deadline = time.monotonic() + 10 * SECONDS
    while True:
        job = served.ask(f"/api/jobs/{name}").json
        if job["state"] in states:
            return job
        assert time.monotonic() < deadline, job
        time.sleep(0.1)


def test_what_is_no_video_is_one_line_and_deleted(tmp_path):
    """And what is behind it in the queue is worked on all the same."""
    (tmp_path / "runs").mkdir()
    with Served(tmp_path / "runs", works=True) as served:
        names = [served.receive({"text.mp4": text(tmp_path).read_bytes()}) for _ in range(2)]
        for name in names:
            job = wait(served, name, "failed")
            assert job["message"].startswith("text.mp4 cannot be read as a video") and "\n" not in job["message"]
            assert not job["kept"] and job["version"] == ""
            answer = served.ask(f"/api/jobs/{name}/go-on", {})
            assert answer.status == 400 and "drop it again" in answer.json["error"]
    assert [path.name for path in (tmp_path / "runs").iterdir()] == []


def test_jobs_wait_in_their_order(tmp_path):
    with Served(tmp_path) as served:  # nobody works: the first one waits too
        names = [served.receive({"clip.mp4": b"no video"}) for _ in range(3)]
        assert [served.ask(f"/api/jobs/{name}").json["before"] for name in names] == [0, 1, 2]
        assert served.ask(f"/api/jobs/{names[1]}/stop", {}).json["state"] == "stopped"
        assert [served.ask(f"/api/jobs/{name}").json["before"] for name in names] == [0, 0, 1]
        again = served.ask(f"/api/jobs/{names[1]}/go-on", {}).json
        assert (again["state"], again["before"]) == ("waiting", 2)
        refused = served.ask(f"/api/jobs/{names[1]}/go-on", {})
        assert refused.status == 400 and "is being worked on" in refused.json["error"]
        listed = served.ask("/api/jobs").json["jobs"]
        assert [job["name"] for job in listed] == names[::-1]


def test_a_job_is_stopped_goes_on_and_is_changed(short, short_run, tmp_path):
    """From the drop to the changed video, with a stop and a second server between; the result is that of the command line."""
    with Served(tmp_path, works=True) as served:
        name = served.receive({"short.mp4": short.read_bytes()})
        while (job := wait(served, name, "running", "done"))["progress"] is None or job["progress"]["number"] < 3:
            assert job["state"] == "running"
            time.sleep(0.05)
        served.ask(f"/api/jobs/{name}/stop", {})
        assert wait(served, name, "stopped")["message"] == ""
    finished = dict(Run.open(tmp_path / name).record["stages"])
    assert "embed" in finished and "write" not in finished
    with Served(tmp_path, works=True) as served:
        assert served.ask(f"/api/jobs/{name}").json["state"] == "unfinished"
        served.ask(f"/api/jobs/{name}/go-on", {})
        job = wait(served, name, "done", "failed")
        assert job["message"] == ""
        run = Run.open(tmp_path / name)
        assert all(run.record["stages"][stage] == made for stage, made in finished.items())  # reused as they were
        assert run.order().equals(short_run[0].order())
        changed = served.ask(f"/api/jobs/{name}/change", {"verb": "flip", "scene": 0, "version": job["version"]})
        assert changed.status == 200
        again = served.ask(f"/api/jobs/{name}/change", {"verb": "flip", "scene": 0, "version": job["version"]})
        assert again.status == 400 and "the order was changed meanwhile" in again.json["error"]
        assert served.ask(f"/api/jobs/{name}/write", {"pictures": True}).json["state"] == "waiting"
        wait(served, name, "done")
        assert run.scene_order(0).tolist() == short_run[0].scene_order(0).tolist()[::-1]
        archive = served.ask(f"/api/jobs/{name}/pictures.zip")
        assert archive.status == 200 and archive.body[:2] == b"PK"
        part = served.ask(f"/api/jobs/{name}/files/reconstructed.mp4", Range="bytes=4-7")
        assert (part.status, part.body) == (206, b"ftyp")
    assert find_jobs(tmp_path)[name].state == State.DONE


def test_two_people_change_at_once(short_run, tmp_path):
    """Both have looked at the same order: only one of them changes it, or the scene would be flipped twice."""
    shutil.copytree(short_run[0].path, tmp_path / "short")
    (tmp_path / "short" / UPLOAD).mkdir()
    with Served(tmp_path) as served, ThreadPoolExecutor() as threads:
        job = served.ask("/api/jobs/short").json
        assert job["state"] == "done"
        asked = {"verb": "flip", "scene": 0, "version": job["version"]}
        answers = [*threads.map(lambda _: served.ask("/api/jobs/short/change", asked), range(4))]
        assert sorted(answer.status for answer in answers) == [200, 400, 400, 400]
    assert len(Run.open(tmp_path / "short").edits("order")) == 1


def test_the_work_ends_with_its_server(short, tmp_path):
    """A server that is killed closes the pipe; its work must not go on beside that of the next server."""
    (tmp_path / "short" / UPLOAD).mkdir(parents=True)
    shutil.copy(short, tmp_path / "short" / UPLOAD)
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-m", WORK], stdin=pipe, stdout=pipe, text=True) as process:
        process.stdin.write(json.dumps({"path": str(tmp_path / "short"), "pictures": False}) + "\n")
        process.stdin.flush()
        assert json.loads(process.stdout.readline())["number"] == 1
        process.stdin.close()
        assert process.wait(SECONDS) == 1


def test_what_earlier_servers_left(tmp_path):
    """What was not received whole is deleted; runs that were made otherwise are no jobs, and stay."""
    for name, content in {"half": ".upload/a.png", "whole": "upload/a.png", "other": "run.json", "mixed": ".upload/a"}.items():
        (tmp_path / name / content).parent.mkdir(parents=True)
        (tmp_path / name / content).write_bytes(b"{}")
    (tmp_path / "mixed" / "mine.txt").touch()
    (tmp_path / "damaged" / "upload").mkdir(parents=True)
    (tmp_path / "damaged" / "run.json").write_text("{")
    (tmp_path / "link").symlink_to(tmp_path / "whole")
    found = find_jobs(tmp_path)
    assert {name: job.state for name, job in found.items()} == {"whole": State.UNFINISHED, "damaged": State.FAILED}
    assert "is damaged" in found["damaged"].message and str(tmp_path) not in found["damaged"].message
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "other", "mixed", "damaged", "link"}
