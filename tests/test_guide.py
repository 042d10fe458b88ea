"""The guide is whole: a page with an example for every command and every control. That they run is for the build to check."""

import re
import sys

import click
import pytest

from tests import ROOT
from workbench import widgets
from workbench.cli.app import cli

COMMANDS, BUTTONS = ROOT / "docs" / "commands", ROOT / "docs" / "buttons"
EXAMPLE = re.compile(r"^```\{example\}( python)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
NO_CONTROLS = {"is_interactive", "views_of", "clickable_matrix"}  # functions of the package that show nothing by themselves


@pytest.mark.parametrize("name", cli.commands)
def test_every_command_has_a_page(name: str):
    """With an example of it, with its own options, and reached from the page of the command line."""
    text = (COMMANDS / f"{name}.md").read_text(encoding="utf-8")
    assert text.startswith(f"# {name}\n")
    lines = [line for kind, block in EXAMPLE.findall(text) if not kind for line in block.splitlines()]
    assert any(line.split()[:2] == ["workbench", name] for line in lines)
    module, function = re.search(r"\.\. click:: ([\w.]+):(\w+)", text).groups()
    assert getattr(sys.modules[module], function) is cli.commands[name]
    assert isinstance(cli.commands[name], click.Command) and f":prog: workbench {name}" in text
    assert f"\ncommands/{name}\n" in (ROOT / "docs" / "command_line.md").read_text(encoding="utf-8")


def test_every_page_is_of_a_command():
    assert {path.stem for path in COMMANDS.glob("*.md")} == set(cli.commands)


@pytest.mark.parametrize("name", sorted(set(widgets.__all__) - NO_CONTROLS))
def test_every_control_has_a_page(name: str):
    """One page names it, and has a program that does the same."""
    texts = {path.stem: path.read_text(encoding="utf-8") for path in BUTTONS.glob("*.md")}
    (page,) = (stem for stem, text in texts.items() if f"\n`{name}`" in text)
    assert any(kind for kind, _ in EXAMPLE.findall(texts[page]))
    assert f"\n{page}\n" in texts["index"]


def test_every_button_is_explained():
    """By the words that stand on it."""
    code = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "workbench" / "widgets").glob("*.py"))
    labels = set(re.findall(r'Button\(\s*description="([^"]+)"|make\(\s*"([^"]+)"|_LABEL = "([^"]+)"', code))
    labels |= {("Undo this decision", "", ""), ("Restore it", "", "")}
    guide = "\n".join(path.read_text(encoding="utf-8") for path in BUTTONS.glob("*.md"))
    words = {word for found in labels for word in found if word}
    assert {"Keep this", "Flip", "Cut here", "Undo", "Write the video again"} <= words
    assert [word for word in sorted(words) if f"**{word}**" not in guide] == []


@pytest.fixture
def examples(monkeypatch):
    """The extension of the documentation that runs them."""
    monkeypatch.syspath_prepend(ROOT / "docs" / "_ext")
    import examples

    return examples


@pytest.mark.parametrize(
    ("line", "failed", "words"),
    [
        ("workbench --version", False, "version"),
        ("workbench flip nothing", True, "nothing is no run directory yet"),
        ("workbench flap", True, "No such command"),
        ("rm -r nothing", True, "an example runs commands of the workbench, not rm"),
    ],
)
def test_an_example_that_fails_is_noticed(examples, tmp_path, line: str, failed: bool, words: str):
    found, written = examples._forked(tmp_path, lambda: examples._command(line))
    assert (found, words in written) == (failed, True), written


def test_a_program_that_fails_is_noticed(examples, tmp_path):
    """And one that writes a file leaves it in its folder."""
    assert examples._forked(tmp_path, lambda: examples._python("print(6 * 7)\nopen('x', 'w').close()")) == (False, "42\n")
    assert (tmp_path / "x").exists()
    failed, written = examples._forked(tmp_path, lambda: examples._python("1 / 0"))
    assert failed and "ZeroDivisionError" in written


def test_an_example_that_does_not_end_is_noticed(examples, tmp_path, monkeypatch):
    monkeypatch.setattr(examples, "SECONDS", 0.5)
    assert examples._forked(tmp_path, lambda: examples._python("import time; time.sleep(60)"))[0]
