"""The Dockerfile: what it copies is there and not ignored, its pins are those that were tried, and its user is not root.

No image is built here, which takes a daemon and a network.
"""

import re
import shlex

import pytest

from tests import ROOT
from workbench.cli.app import cli

STEPS = [
    line.partition(" ")[::2]
    for line in re.sub(r"\\\n\s*", "", (ROOT / "Dockerfile").read_text(encoding="utf-8")).splitlines()
    if line and not line.startswith("#")
]
PINS = dict(line.split("==") for line in (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines() if "==" in line)


def words_of(name: str) -> list[list[str]]:
    """The words of every step of this name."""
    return [shlex.split(rest) if rest[0] != "[" else re.findall(r'"(.*?)"', rest) for step, rest in STEPS if step == name]


COPIED = [source for *sources, _ in words_of("COPY") for source in sources]


@pytest.mark.parametrize("source", COPIED)
def test_what_is_copied_is_there(source):
    """.dockerignore leaves everything out but what it names."""
    assert (ROOT / source).exists()
    ignored = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert ignored[0] == "*" and f"!{source}" in ignored


def test_all_that_a_run_needs_is_copied():
    """The package with its readme and licence, which its metadata names, and what the notebooks read."""
    assert {"pyproject.toml", "README.md", "LICENSE", "workbench", "notebooks", "data", "sweeps"} <= set(COPIED)


def test_pins_are_those_that_were_tried():
    pinned = dict(word.split("==") for step in words_of("RUN") for word in step if "==" in word)
    assert {"torch", "torchvision"} <= set(pinned)
    assert pinned == {name: PINS[name] for name in pinned}
    assert any({"-c", "constraints.txt", "-e"} <= set(step) for step in words_of("RUN"))


def test_python_is_one_that_was_tried():
    tried = re.search(r"on Python (\d+\.\d+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"))[1]
    assert words_of("FROM") == [[f"python:{tried}-slim-bookworm"]]


def test_the_user_is_not_root_and_restores_the_sample():
    """The last user counts; what the image runs by default is a command of this package, on a file that is copied."""
    names = [step for step, _ in STEPS]
    (user,) = words_of("USER")[-1]
    assert user not in ("root", "0") and any(user in step and "useradd" in step for step in words_of("RUN"))
    assert names.index("USER") > max(k for k, name in enumerate(names) if name in ("RUN", "COPY"))
    (entry,), (command,) = words_of("ENTRYPOINT"), words_of("CMD")
    assert entry == ["workbench"] and command[0] in cli.commands and (ROOT / command[1]).is_file()
    demo = re.search(r"^demo:.*\n\t\S*/workbench (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)[1]
    assert shlex.split(demo)[: len(command)] == command, "as make demo does"
