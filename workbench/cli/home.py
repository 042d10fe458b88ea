"""Places for what libraries keep in the home folder, where that folder cannot be written, as in containers and services.

numba, matplotlib, IPython and Jupyter write to the home folder of the user. Where they cannot, they fail, or warn on every
start. Here each is given a place in a temporary folder instead, by the variable of the environment that it reads; notebooks
and the workers of sweeps inherit it. Downloaded models are no such matter: a home that cannot be written may hold them.
"""

import atexit
import os
import shutil
import tempfile
from importlib.util import find_spec
from pathlib import Path

_FOLDER = "workbench-home-"  # beginning of the temporary folder's name


def provide_places() -> str:
    """Give every library whose usual place cannot be written one in a temporary folder, which is deleted at the end.

    Variables that the user has set stay. Call this before the libraries are imported.

    Returns
    -------
    str
        A line that says so; "" when every usual place can be written.

    Raises
    ------
    OSError
        When there is no place for temporary files either.
    """
    missing = {
        name: about for name, (about, place) in _usual_places().items() if name not in os.environ and not _is_writable(place)
    }
    if not missing:
        return ""
    folder = tempfile.mkdtemp(prefix=_FOLDER)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    for name in missing:
        os.environ[name] = str(Path(folder) / name.lower())
        Path(os.environ[name]).mkdir(mode=0o700)
    return (
        f"note: the home folder cannot be written: what {', '.join(dict.fromkeys(missing.values()))} "
        f"keep there goes to {folder} and is "
        "deleted at the end; set HOME to a folder that can be written to keep it"
    )


def _usual_places() -> dict[str, tuple[str, str]]:
    """The libraries' variables, each with what it is for and the place that is used without it."""
    places = {
        "MPLCONFIGDIR": ("matplotlib", f"{os.environ.get('XDG_CONFIG_HOME') or '~/.config'}/matplotlib"),
        "IPYTHONDIR": ("IPython", "~/.ipython"),
        "JUPYTER_CONFIG_DIR": ("Jupyter", "~/.jupyter"),
        "JUPYTER_DATA_DIR": ("Jupyter", f"{os.environ.get('XDG_DATA_HOME') or '~/.local/share'}/jupyter"),
    }
    if _expanded("~") is None:  # some libraries ask for it all the same
        places["HOME"] = ("others", "~")
    # numba keeps compiled code beside the modules that it compiles, and in the home folder where it cannot.
    modules = [Path(spec.origin).parent for name in ("umap", "pynndescent") if (spec := find_spec(name)) and spec.origin]
    if not all(_is_writable(f"{folder}/__pycache__") for folder in modules):
        places["NUMBA_CACHE_DIR"] = ("numba", f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/numba")
    return places


def _is_writable(place: str) -> bool:
    """Whether a folder can be written, or made."""
    path = _expanded(place)
    if path is None:
        return False
    while not path.exists() and path != path.parent:
        path = path.parent
    return path.is_dir() and os.access(path, os.W_OK | os.X_OK)


def _expanded(place: str) -> Path | None:
    """The path with the home folder in place of ``~``; None where this user has neither HOME nor an entry that names one."""
    try:
        return Path(place).expanduser()
    except RuntimeError:
        return None
