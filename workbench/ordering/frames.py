"""The frames of a scene and the distances between them that need no matching."""

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd

from workbench.embedding.distances import Halved, fine_distances, principal_distances
from workbench.embedding.views import FineView, View, copies_view, embedded_view, thumbnail_view
from workbench.ordering.distance import Proposal
from workbench.ordering.parts import IN_PLACE, Part
from workbench.registration.aligned import AlignedDistances
from workbench.storage.array_file import ArrayFile

MAX_MATRIX_ENTRIES = 600_000  # pairs of frames of scenes that are searched or ordered at once, some 300 bytes each
MAX_KEPT_ENTRIES = 600_000  # pairs of frames whose distances stay in memory, some 300 bytes each; others go to disk, 72 each
HALVES = [item.name for item in fields(Halved)]
AlignedOf = Callable[[pd.DataFrame], dict[str, Halved]]  # rows of register_pairs -> distances of the aligned frames by name
AlignedView = Callable[[np.ndarray], AlignedOf]  # frames (n,) -> what aligns them


@dataclass(frozen=True, eq=False)
class Scene:
    """The frames of a scene and the distances between them that need no matching.

    Attributes
    ----------
    frames : (n,) int array
        Positions of the frames in the input, sorted ascending.
    embedded : (n, n) float array
        Cosine distances of the embeddings, 0 to 2.
    thumbnails : (n, n) float array
        Distances of the coarse rank thumbnails, 0 to 2.
    fine : dict of Halved
        Distances by name from :func:`~workbench.embedding.distances.fine_distances`. They count only as far as they agree
        with an order.
    aligned : callable or None
        Takes the rows of the compared pairs, and gives :func:`~workbench.registration.aligned.AlignedDistances`. None where
        there are no pictures.
    """

    frames: np.ndarray
    embedded: np.ndarray
    thumbnails: np.ndarray
    fine: dict[str, Halved] = field(default_factory=dict)
    aligned: AlignedOf | None = None

    @cached_property
    def in_place(self) -> dict[str, Part]:
        """The distances of the frames as they lie: they do not change with what is matched.

        Returns
        -------
        dict of Part
            ``thumbnail`` and the fine distances, by name.
        """
        whole = {"thumbnail": Halved(self.thumbnails, self.thumbnails, self.thumbnails)}
        return {name: Part.of_pixels(IN_PLACE, part) for name, part in (whole | self.fine).items()}

    @cached_property
    def principal(self) -> Part:
        """The distances of the first eight principal components of the colours.

        Returns
        -------
        Part
            Distances without a unit; identical frames stay 0 apart.
        """
        colours = self.fine["colours"]
        each = (
            np.where(some == 0, 0, principal_distances(some.astype(np.float64)))
            for some in (colours.whole, colours.first, colours.second)
        )
        return Part.of_pixels(IN_PLACE, Halved(*each))

    @cached_property
    def proposals(self) -> list[Proposal]:
        """The orders along the distances of the frames as they lie, each by itself.

        Returns
        -------
        list of Proposal
            One for each of :attr:`in_place`, and for :attr:`principal` where there are colours.
        """
        parts = [*self.in_place.values(), *([self.principal] if "colours" in self.fine else [])]
        return [Proposal.along(part.first, part.second) for part in parts]

    def aligned_anew(self, aligned: AlignedOf | None) -> "Scene":
        """Give the same scene with nothing aligned yet: what is aligned depends on which pairs were registered before.

        Parameters
        ----------
        aligned : callable or None
            What aligns the frames, as in :class:`Scene`.

        Returns
        -------
        Scene
            What was computed of the frames as they lie is not computed again.
        """
        scene = replace(self, aligned=aligned)
        vars(scene).update({name: found for name, found in vars(self).items() if name not in _FIELDS})
        return scene


_FIELDS = {field.name for field in fields(Scene)}


@dataclass(frozen=True, eq=False)
class FrameDistances:
    """The distances between the frames of a clip that need no matching, for as many frames as are asked for.

    Attributes
    ----------
    embedded : View
        Cosine distances of the embeddings, 0 to 2.
    thumbnails : View
        Distances of the coarse rank thumbnails, 0 to 2.
    fine : FineView
        Distances by name, see :func:`~workbench.embedding.distances.fine_distances`.
    aligned : AlignedView or None
        What aligns the frames of a scene, see :class:`Scene`.
    folder : Path or None
        Where fine distances of which there are too many for the memory are put aside; None for the system's folder of temporary
        files.
    """

    embedded: View
    thumbnails: View
    fine: FineView
    aligned: AlignedView | None = None
    folder: Path | None = None
    _kept: dict[bytes, Scene] = field(default_factory=dict, init=False, repr=False)
    _aside: dict[bytes, tuple[list[str], int]] = field(default_factory=dict, init=False, repr=False)  # names, place in _file
    _keeping: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False)

    @cached_property
    def _file(self) -> ArrayFile:
        return ArrayFile(self.folder)

    @classmethod
    def of_pictures(
        cls,
        embeddings: np.ndarray,
        images: Sequence[np.ndarray],
        image_size: tuple[int, int],
        folder: Path | None = None,
    ) -> "FrameDistances":
        """Make the distances of a clip.

        Parameters
        ----------
        embeddings : (N, D) float32 array
            Rows of unit length.
        images : (N, h, w, 3) uint8 sequence
            RGB working copies.
        image_size : (int, int)
            Width and height of the original, px.
        folder : Path, optional
            As in :class:`FrameDistances`.

        Returns
        -------
        FrameDistances
            They are computed when they are asked for.
        """
        copies = copies_view(images)

        def _fine(frames: np.ndarray) -> dict[str, Halved]:
            return fine_distances(copies(frames))

        def _aligned(frames: np.ndarray) -> AlignedOf:
            return AlignedDistances(copies, frames, image_size)

        return cls(embedded_view(embeddings), thumbnail_view(images), _fine, _aligned, folder)

    def scene(self, frames: np.ndarray) -> Scene:
        """Cut out a scene.

        Parameters
        ----------
        frames : (n,) int array
            Positions of its frames, sorted ascending.

        Returns
        -------
        Scene
            The frames with their distances. They are kept, in memory or the fine ones on disk: a scene is searched, looked
            through for takes, and ordered. Several threads may ask for scenes.
        """
        aligned, name = self.aligned(frames) if self.aligned else None, frames.tobytes()
        if name in self._kept:
            return self._kept[name].aligned_anew(aligned)
        fine = self._read_aside(name) if name in self._aside else self.fine(frames)
        scene = Scene(frames, self.embedded(frames, frames), self.thumbnails(frames, frames), fine, aligned)
        with self._keeping:
            if len(frames) ** 2 + sum(len(kept.frames) ** 2 for kept in self._kept.values()) <= MAX_KEPT_ENTRIES:
                self._kept[name] = scene
            elif name not in self._aside:
                arrays = (getattr(halved, half) for halved in fine.values() for half in HALVES)
                self._aside[name] = list(fine), self._file.append(arrays)
        return scene

    def _read_aside(self, name: bytes) -> dict[str, Halved]:
        distances, place = self._aside[name]
        with self._keeping:
            arrays = iter(self._file.read(place, len(distances) * len(HALVES)))
        return {distance: Halved(*(next(arrays) for _ in HALVES)) for distance in distances}


def frames_of(labels: np.ndarray) -> list[np.ndarray]:
    """List the frames of every scene.

    Parameters
    ----------
    labels : (N,) int array
        Scene of every frame, -1 for outliers.

    Returns
    -------
    list of (n,) int arrays
        Positions, sorted ascending; scene 0 first.
    """
    return [np.flatnonzero(labels == scene) for scene in range(labels.max(initial=-1) + 1)]


def groups_of_scenes(scenes: Sequence[np.ndarray]) -> Iterator[list[np.ndarray]]:
    """Part scenes into groups whose distances fit into memory together.

    Parameters
    ----------
    scenes : sequence of (n,) int arrays
        The frames of every scene.

    Yields
    ------
    list of (n,) int arrays
        The next scenes, in their order: as many as have :data:`MAX_MATRIX_ENTRIES` pairs of frames at most, or a larger one.
    """
    group: list[np.ndarray] = []
    for frames in scenes:
        if group and sum(len(member) ** 2 for member in [*group, frames]) > MAX_MATRIX_ENTRIES:
            yield group
            group = []
        group.append(frames)
    if group:
        yield group
