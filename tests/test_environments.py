"""The ready environments (development container, Binder, conda): their files, their commands and their versions are those of
the rest of the repository.

No environment is made here, which takes a network, and for two of them a service.
"""

import json
import os
import re
import shlex
import subprocess
import tomllib

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests import ROOT
from workbench.cli.app import cli

START = (ROOT / "docs/start.md").read_text(encoding="utf-8")
DOCKERFILE = (ROOT / "Dockerfile").read_text(encoding="utf-8")
CONTAINER = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text(encoding="utf-8"))
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
BINDER = ROOT / ".binder"
CONDA_NAMES = {"pytorch": "torch"}  # packages that have another name there


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(name): version for name, version in (line.split("==") for line in lines if "==" in line)}


def tried_python() -> str:
    return re.search(r"on Python (\d+\.\d+)", (ROOT / "constraints.txt").read_text(encoding="utf-8"))[1]


def commands(text: str) -> list[list[str]]:
    """The words of every command of a script, or of one line."""
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    return [shlex.split(part) for line in lines for part in line.split(" && ")]


def of_torch() -> list[str]:
    """How the image installs PyTorch for the CPU."""
    (words,) = [
        command for line in re.findall(r"^RUN (.*)$", DOCKERFILE, re.MULTILINE) for command in commands(line) if "torch" in line
    ]
    return without_cache_option(words)


def without_cache_option(words: list[str]) -> list[str]:
    return [word for word in words if word != "--no-cache-dir"]


def libraries() -> set[str]:
    """What the image installs of Debian."""
    return {word for word in re.search(r"apt-get install (.*?) &&", DOCKERFILE)[1].split() if not word.startswith("--")}


# --- the development container --------------------------------------------------------------------------------------------


def test_the_container_installs_as_start_says():
    """The same environment, by the same commands, with PyTorch for the CPU in between, as in the image."""
    make, torch, install = commands(CONTAINER["postCreateCommand"])
    assert f"    {shlex.join(make)}\n    .venv/bin/pip install -c constraints.txt -e '.[test,docs]'\n" in START
    assert install == shlex.split(".venv/bin/pip install -c constraints.txt -e '.[test,docs]'")
    assert [torch[0].rpartition("/")[2], *torch[1:]] == of_torch()
    *_, debian = commands(CONTAINER["onCreateCommand"])
    assert {word for word in debian if word.startswith("lib")} == libraries()
    assert f"devcontainers/python:{tried_python()}-" in CONTAINER["image"]


def test_the_container_opens_jupyterlab_on_the_forwarded_port():
    """With its token: no option turns it off. Of the options, JupyterLab knows every one."""
    program, command, _, *options = shlex.split(CONTAINER["postAttachCommand"])
    assert program == ".venv/bin/workbench" and command in cli.commands
    (port,) = CONTAINER["forwardPorts"]
    assert f"--port={port}" in options and list(CONTAINER["portsAttributes"]) == [str(port)]
    assert not any("token" in option or "password" in option for option in options)
    from jupyterlab.labapp import LabApp

    known = {f"--{name}" for name in (*LabApp.aliases, *LabApp.flags)}
    for option in options:
        name = option.partition("=")[0]
        assert name in known or name.removeprefix("--ServerApp.") in LabApp.serverapp_class.class_trait_names(), option


def test_the_container_allows_pages_of_codespaces_alone():
    (pattern,) = re.findall(r"allow_origin_pat='(.*?)'", CONTAINER["postAttachCommand"])
    assert re.match(pattern, "https://name-8888.app.github.dev")
    assert not re.match(pattern, "https://name-8888.app-github.dev.example.org")


# --- Binder ---------------------------------------------------------------------------------------------------------------


def test_binder_installs_as_the_image_does():
    """The same packages, from the same pins; the package as in start.md, without the tests."""
    script = (BINDER / "postBuild").read_text(encoding="utf-8")
    assert os.access(BINDER / "postBuild", os.X_OK), "Binder executes it"
    assert subprocess.run(["bash", "-n", BINDER / "postBuild"]).returncode == 0
    strict, torch, package, sample = commands(script)
    assert strict == ["set", "-euo", "pipefail"]
    assert without_cache_option(torch) == of_torch()
    assert without_cache_option(package) == shlex.split("pip install -c constraints.txt -e .")
    assert sample[0] == "workbench" and sample[1] in cli.commands and (ROOT / sample[2]).is_file()
    assert (BINDER / "runtime.txt").read_text().strip() == f"python-{tried_python()}"
    assert set((BINDER / "apt.txt").read_text().split()) == libraries()


# --- conda ----------------------------------------------------------------------------------------------------------------


def conda() -> dict[str, Requirement]:
    """The packages of environment.yml by the name that they have on PyPI."""
    listed = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))["dependencies"]
    words = [word for entry in listed for word in (entry["pip"] if isinstance(entry, dict) else [entry])]
    found = [Requirement(word) for word in words if word != "pip"]
    return {canonicalize_name(CONDA_NAMES.get(requirement.name, requirement.name)): requirement for requirement in found}


def wanted() -> dict[str, Requirement]:
    """What the package and its checks need."""
    extras = PROJECT["optional-dependencies"]
    words = [*PROJECT["dependencies"], *(word for name in ("test", "docs", "dev", "browser") for word in extras[name])]
    return {canonicalize_name(requirement.name): requirement for requirement in map(Requirement, words)}


def test_conda_has_every_package():
    assert set(conda()) - {"python"} == set(wanted())


@pytest.mark.parametrize("name", sorted(wanted()))
def test_ranges_agree(name):
    """conda and pip take the same versions, and the one that was tried is among them."""
    assert conda()[name].specifier == wanted()[name].specifier
    assert wanted()[name].specifier.contains(pins()[name])


def test_extras_agree():
    """A package that several extras name has one range, and the one that was tried is in it."""
    words = [word for extra in PROJECT["optional-dependencies"].values() for word in extra]
    ranges = {(canonicalize_name(found.name), str(found.specifier)) for found in map(Requirement, words)}
    names = [name for name, _ in ranges]
    assert len(names) == len(set(names)), sorted(names)
    assert all(
        found.specifier.contains(pins()[canonicalize_name(found.name)])
        for found in map(Requirement, words)
        if found.name in pins()
    )


def test_conda_takes_the_pythons_of_the_package():
    assert conda()["python"].specifier == Requirement(f"python{PROJECT['requires-python']}").specifier


# --- in a browser, by start.md --------------------------------------------------------------------------------------------


def section() -> str:
    return re.search(r"^## In a browser, without installing\n(.*?)^## ", START, re.MULTILINE | re.DOTALL)[1]


def test_no_address_is_invented():
    """Every address names the reader's own copy of the repository."""
    addresses = re.findall(r"https://[^\s`)]+", section())
    assert len(addresses) >= 4 and all("OWNER/REPOSITORY" in address for address in addresses), addresses
    assert "OWNER/REPOSITORY" in section().partition("https://")[0], "said what it stands for before it is used"


def test_what_start_names_is_there():
    for path in re.findall(r"(?:notebooks|\.devcontainer|\.binder)/[\w.]+", section()):
        assert (ROOT / path).exists(), path
