"""The command ``workbench``. Interrupted at any moment, it says one line and exits with 130.

Nothing is imported before the signal is taken care of: an interruption while modules are loaded is one like any other.
"""

import os
import signal
import sys
from types import FrameType
from typing import NoReturn

WORDS = "workbench: interrupted; the same command goes on from here"
AGAIN = 0.05  # seconds until an interruption that was lost is raised again


class _Interruption:
    """Takes SIGINT: raises KeyboardInterrupt, as Python does, and sees to it that it arrives."""

    def __init__(self) -> None:
        self.came = False
        signal.signal(signal.SIGINT, self.raised)
        sys.unraisablehook = self.lost

    def raised(self, _number: int, _frame: FrameType | None) -> NoReturn:
        self.came = True
        raise KeyboardInterrupt

    def lost(self, unraisable: "sys.UnraisableHookArgs") -> None:
        """An error where none can be passed on, in a finaliser say. An interruption must not be lost there."""
        if isinstance(unraisable.exc_value, KeyboardInterrupt):
            from threading import Timer

            Timer(AGAIN, os.kill, (os.getpid(), signal.SIGINT)).start()
        elif not self.came:
            sys.__unraisablehook__(unraisable)


def main() -> None:
    """Entry point of the command."""
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
        print(WORDS, file=sys.stderr)  # libraries may make another error of it, while they are loaded
        sys.exit(130)
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is done; while Python ends, it would be killed


if __name__ == "__main__":
    main()
