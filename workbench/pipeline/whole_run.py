"""How far a whole run is: the share of its work that is done, and the time that is left.

Both rest on the seconds that :mod:`workbench.pipeline.cost` expects of every stage. What the stages really take says how fast
this machine is, and corrects the time that is left.
"""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import cast

from workbench.parameters import MatchParameters, Parameters
from workbench.pipeline.cost import ClipSize, expected_pairs, in_words, most_pairs, stage_seconds
from workbench.run.stages import Stage

TRUSTED_S = 2.0  # seconds of work for which the machine counts as that of the rates, whatever it showed so far
ALMOST = 0.99  # share of a stage that is not passed before the stage ends


@dataclass(frozen=True)
class Standing:
    """How far a run is at one moment.

    Attributes
    ----------
    stage : str
        The stage that is computed; "" before the first and after the last.
    share : float
        The share of the work that is done, 0 to 1.
    left : float or None
        Seconds that are left; None while nobody knows how many frames there are.
    detail : str
        What the stage has counted, such as ``350 of at most 944 pairs``; "" for nothing.
    """

    stage: str
    share: float
    left: float | None
    detail: str

    def in_words(self) -> str:
        """Put it into words, without the share.

        Returns
        -------
        str
            Such as ``match, about 15 s left, 350 of at most 944 pairs``.
        """
        left = "" if not self.left or not self.stage else f"about {in_words(self.left)} left"
        return ", ".join(filter(None, (self.stage, left, self.detail)))


@dataclass
class _Counted:
    """What the stage that is computed has told."""

    done: int = 0
    found: int = 0
    total: int = 0


class WholeRun:
    """Follows a run through its stages. It may be asked from another thread than the one that tells it.

    Parameters
    ----------
    clip : ClipSize
        The size of the clip, as it is known before.
    parameters : mapping
        By stage.
    finished : set of str
        Stages that are not computed again.
    clock : callable
        Gives seconds.
    """

    def __init__(
        self,
        clip: ClipSize,
        parameters: Mapping[str, Parameters],
        finished: set[str],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._clip, self._parameters, self._finished, self._clock = clip, parameters, finished, clock
        self._budget = cast(MatchParameters, parameters["match"]).pairs_per_frame
        self._pairs: int | None = None
        self._stage, self._began, self._counted = "", 0.0, _Counted()
        self._computed: dict[str, float] = {}  # stages that ended, with the share that was computed now
        self._took, self._share, self._lock = 0.0, 0.0, threading.Lock()

    def begin(self, stage: Stage) -> None:
        """Take note that a stage begins, and that the one before has ended.

        Parameters
        ----------
        stage : Stage
            The stage. Telling it twice changes nothing.
        """
        with self._lock:
            if stage.name != self._stage:
                self._end_stage()
                self._stage, self._began, self._counted = stage.name, self._clock(), _Counted()

    def told(self, done: int, found: int, total: int) -> None:
        """Take note of what the stage has done, as ``Told`` of :mod:`workbench.progress` says.

        Parameters
        ----------
        done, found, total : int
            Items done, those of them that were there before, and items in all, 0 for unknown.
        """
        with self._lock:
            self._counted = _Counted(done, found, total)

    def end(self) -> None:
        """Take note that the last stage has ended."""
        with self._lock:
            self._end_stage()
            self._counted, self._share = _Counted(), 1.0

    def standing(self) -> Standing:
        """Tell how far the run is now.

        Returns
        -------
        Standing
            Its share never falls. The time that is left rises when the machine turns out to be slower.
        """
        with self._lock:
            seconds = self._seconds()
            part = self._stage_share(seconds)
            current = seconds.get(self._stage, 0.0)
            done = sum(seconds[name] for name in self._computed) + part * current
            whole = sum(seconds.values())
            if not seconds:  # everything is there already
                self._share = 1.0
            elif self._clip.frames:
                self._share = max(self._share, done / whole)
            left = (whole - done) * self._pace(seconds, part) if self._clip.frames else None
            return Standing(self._stage, self._share, left, self._detail())

    def _seconds(self) -> dict[str, float]:
        """Expected seconds of the stages that are computed."""
        seconds = stage_seconds(self._clip, self._parameters, self._pairs)
        return {name: some for name, some in seconds.items() if name not in self._finished}

    def _end_stage(self) -> None:
        """Count the stage as done, and correct by it how many frames and pairs there are."""
        if not self._stage or self._stage in self._finished:
            self._stage = ""
            return
        done, found = self._counted.done, self._counted.found
        if self._stage == "video" and done:
            self._clip = replace(self._clip, frames=done)
        if self._stage == "match":
            self._pairs = done
        self._computed[self._stage] = 1 - found / done if done else 1.0
        self._took += self._clock() - self._began
        self._stage = ""

    def _stage_share(self, seconds: dict[str, float]) -> float:
        """Share of the stage that is done; of one that tells nothing, by the clock."""
        if self._stage not in seconds:
            return 0.0
        if self._items():
            return min(ALMOST, self._counted.done / self._items())
        took = (self._clock() - self._began) / self._pace(seconds, 0.0)
        return min(ALMOST, took / seconds[self._stage])

    def _items(self) -> int:
        """How many items the stage that is computed has; 0 when it did not tell."""
        counted = self._counted
        if self._stage == "match" and counted.done:
            return max(counted.done, expected_pairs(self._clip.frames, self._budget))
        return counted.total

    def _pace(self, seconds: dict[str, float], part: float) -> float:
        """Seconds that a second of the rates takes on this machine.

        Of the stage that is computed counts what it did itself: not what was there before, and nothing before it tells.
        """
        took, expected = self._took, sum(seconds[name] * share for name, share in self._computed.items())
        if part and self._items():
            took += self._clock() - self._began
            expected += seconds[self._stage] * max(0.0, part - self._counted.found / self._items())
        return (took + TRUSTED_S) / (expected + TRUSTED_S)

    def _detail(self) -> str:
        if self._stage == "match" and self._counted.done:
            return f"{self._counted.done} of at most {most_pairs(self._clip.frames, self._budget)} pairs"
        return f"{self._counted.done}/{self._counted.total}" if self._counted.total else ""
