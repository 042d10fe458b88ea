"""The command ``workbench``. Interrupted at any moment, it prints one line and exits with 130.

Nothing heavy is imported before the handler of the signal is set, so that an interruption while modules are loaded is handled
as any other.
"""

import gc
import os
import signal
import sys
from types import FrameType
from typing import NoReturn

INTERRUPTED = "workbench: interrupted; the same command goes on from here"
RAISE_AGAIN_SECONDS = 0.05  # until an interruption that was lost is raised again


class _Interruption:
    """Handles SIGINT: raises KeyboardInterrupt, as Python does, and again where Python loses it."""

    def __init__(self) -> None:
        self.came = False
        signal.signal(signal.SIGINT, self.raised)
        sys.unraisablehook = self.lost

    def raised(self, _number: int, _frame: FrameType | None) -> NoReturn:
        self.came = True
        raise KeyboardInterrupt

    def lost(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """Take an error from where none can be raised, such as a finaliser. An interruption must not be lost there."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            from threading import Timer

            Timer(RAISE_AGAIN_SECONDS, os.kill, (os.getpid(), signal.SIGINT)).start()
        elif not self.came:
            sys.__unraisablehook__(unraisable)


def main() -> None:
    """Run the command: the entry point that ``pyproject.toml`` names."""
    interruption = _Interruption()
    try:
        from workbench.cli.app import main as run

        run()
    except SystemExit:
        raise
    except BaseException:
        if not interruption.came:
            raise
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        print(INTERRUPTED, file=sys.stderr)  # some libraries turn it into another error while they are loaded
        sys.exit(130)
    finally:
        # The work is done: an interruption while Python exits would only print a traceback.
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        gc.freeze()  # else Python looks for cycles among all that PyTorch loaded, a third of a second, before it ends


if __name__ == "__main__":
    main()
