"""The match inspector of notebook 04: any two frames of a run, matched by two matchers with the settings of its sliders."""

import html
import io
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import ipywidgets
import numpy as np
from PIL import Image

from workbench.errors import WorkbenchError
from workbench.matching.pairs import pair_matrix
from workbench.notebooks.commands import papermill_command
from workbench.notebooks.pairview import MatchedPair, PairMatcher, ranked_pairs
from workbench.parameters import METHODS, FeatureParameters, MatchParameters, effective
from workbench.registration.pair import Registration
from workbench.run import Run, kept
from workbench.viz.pairs import DISAGREE_COLOUR, match_picture, overlay_pictures
from workbench.viz.pictures import scene_name
from workbench.widgets.frames import jpeg
from workbench.widgets.matrix import clickable_matrix, mark_pair

BLINK_MS = 500  # how long each picture of a blinking pair is shown, ms
LEGEND = (
    "<span style='font-size:90%'>confidence 0 <span style='display:inline-block;width:90px;height:10px;background:"
    "linear-gradient(to right,#440154,#3b528b,#21918c,#5ec962,#fde725)'></span> 1: agree with the registration; "
    f"<span style='color:{DISAGREE_COLOUR}'>- - - disagree</span></span>"
)

Keep = Callable[[Run, FeatureParameters, MatchParameters], None]


def match_inspector(
    run: Run, features: FeatureParameters, matching: MatchParameters, keep: Keep = kept.keep
) -> ipywidgets.Widget:
    """Choose two frames and settings; see the matches of two matchers, their counts, and one frame warped onto the other.

    A pair is chosen by its place in the ranking by inliers, as the worst, median or best one, by a click on the matrix of the
    pairs that were compared, or by the numbers of any two frames. The matcher of the run is shown beside SIFT with FLANN
    (beside SuperGlue in a run that used FLANN). An error of the workbench is shown in one line.

    Parameters
    ----------
    run : Run
        A registered run.
    features, matching : FeatureParameters, MatchParameters
        The parameters that the run was made with; the sliders start at their values.
    keep : callable
        Called by the Keep button with the run and the chosen parameters.

    Returns
    -------
    ipywidgets.Widget
        The controls and pictures; a line of text when there are fewer than two frames.

    Raises
    ------
    MissingStageError
        If the run is not registered.
    """
    if len(run.images()) < 2:
        return ipywidgets.HTML("no two frames to match")
    return _Inspector(run, features, matching, keep).widget


class _Inspector:
    """The controls, the pair of frames they show, and its matches."""

    def __init__(self, run: Run, features: FeatureParameters, matching: MatchParameters, keep: Keep) -> None:
        self.run, self.own_features, self.own_matching, self.keep = run, features, matching, keep
        self.matching, self.pairs, self.scenes = PairMatcher(run), ranked_pairs(run), run.scenes()
        self.matchers = ("superglue" if matching.matcher == "sift-flann" else matching.matcher, "sift-flann")
        self.places = {pair: place for place, pair in enumerate(map(tuple, self.pairs.tolist()))}
        table = run.transforms()
        self.compared = set(zip(table["a"].tolist(), table["b"].tolist(), strict=True))
        self.frames = np.argsort(np.where(self.scenes < 0, self.scenes.max() + 1, self.scenes), kind="stable")
        counts = pair_matrix(self.frames, table[["a", "b"]].to_numpy(), table["matches"].to_numpy(), np.nan)
        a, b = self.pairs[len(self.pairs) // 2].tolist() if len(self.pairs) else (0, 1)
        self.pair: tuple[int, int] = (a, b)
        title = "Matches of all pairs that were compared: click one"
        self.matrix = clickable_matrix(counts, self.choose, title, self.frames, 350, self.pair)

        self.setting = False  # whether the program, not a person, is changing controls
        self._make_controls()
        self.shown: list[MatchedPair | None] = []
        self.choose(*self.pair)

    def _make_controls(self) -> None:
        last = max(0, len(self.pairs) - 1)
        self.place = ipywidgets.IntSlider(0, 0, last, description="worst to best pair", disabled=not len(self.pairs), **_wide())
        self.place.observe(lambda _: self._by_hand(lambda: self.choose(*self.pairs[self.place.value].tolist())), "value")
        jumps = []
        for name, place in (("worst", 0), ("median", len(self.pairs) // 2), ("best", last)):
            jumps.append(ipywidgets.Button(description=name, disabled=not len(self.pairs), layout={"width": "90px"}))
            jumps[-1].on_click(lambda _, place=place: self.choose(*self.pairs[place].tolist()))
            jumps[-1].add_class(f"wb-{name}")
        self.numbers = [
            ipywidgets.BoundedIntText(0, 0, len(self.scenes) - 1, description=name, layout={"width": "170px"})
            for name in ("frame a", "frame b")
        ]
        self.sliders = _sliders(self.own_features, self.own_matching)
        for name, slider in self.sliders.items():
            chosen: list[FeatureParameters | MatchParameters] = [self.own_features]
            chosen += [replace(self.own_matching, matcher=each) for each in self.matchers]
            slider.disabled = not any(name in self._adjustable(parameters) for parameters in chosen)
            slider.observe(lambda _: self._by_hand(self.show), "value")
            slider.add_class(f"wb-{name.replace('_', '-')}")
        for number in self.numbers:
            number.observe(lambda _: self._by_hand(lambda: self.choose(*(each.value for each in self.numbers))), "value")
        reset = ipywidgets.Button(description="The run's settings", tooltip="Set all sliders back")
        reset.on_click(lambda _: self.reset())
        keep = ipywidgets.Button(description="Keep this", button_style="primary", tooltip="For the next run of this notebook")
        keep.on_click(lambda _: self.keep_settings())
        self.kind = ipywidgets.ToggleButtons(options=["blink", "checkerboard", "red-cyan"], style={"button_width": "auto"})
        self.kind.observe(lambda _: self._show_overlay(), "value")
        self.caption, self.counts, self.status, self.overlay_caption = (ipywidgets.HTML() for _ in range(4))
        self.titles = [ipywidgets.HTML() for _ in self.matchers]
        self.pictures = [ipywidgets.Image(format="jpeg", layout={"max_width": "100%"}) for _ in self.matchers]
        self.overlay = ipywidgets.Image(format="webp", layout={"max_width": "100%"})
        named = {
            "place": self.place, "first": self.numbers[0], "second": self.numbers[1], "reset": reset, "keep": keep,
            "pair": self.caption, "counts": self.counts, "status": self.status, "matches": self.pictures[0],
            "matches-flann": self.pictures[1], "overlay-kind": self.kind, "overlay": self.overlay,
            "overlay-caption": self.overlay_caption,
        }  # fmt: skip
        for name, widget in named.items():
            widget.add_class(f"wb-{name}")

        row, column = ipywidgets.HBox, ipywidgets.VBox
        controls = [self.place, row(jumps), row(self.numbers), *self.sliders.values(), row([reset, keep])]
        matches = [widget for pair in zip(self.titles, self.pictures, strict=True) for widget in pair]
        left = column([*matches, ipywidgets.HTML(LEGEND)], layout={"width": "62%"})
        right = column([self.kind, self.overlay, self.overlay_caption], layout={"width": "36%"})
        top = row([self.matrix, column(controls)], layout={"flex_flow": "row wrap"})
        below = row([left, right], layout={"justify_content": "space-between"})
        self.widget = column([top, self.status, self.caption, self.counts, below])
        self.widget.add_class("wb-inspector")

    def _by_hand(self, action: Callable[[], None]) -> None:
        if not self.setting:
            action()

    def choose(self, a: int, b: int) -> None:
        """Show a pair of frames and set every control to it."""
        a, b = min(a, b), max(a, b)
        if a == b:
            self.status.value = f"frame {a} is given twice: choose two different frames"
            return
        if (a, b) != self.pair:
            mark_pair(self.matrix, self.frames, (a, b))
        self.pair = a, b
        self.setting = True
        if {number.value for number in self.numbers} != {a, b}:  # numbers typed in the other order stay as they are
            self.numbers[0].value, self.numbers[1].value = a, b
        self.place.value = self.places.get((a, b), self.place.value)
        self.setting = False
        self.show()

    def reset(self) -> None:
        """Set the sliders to the run's own settings."""
        values = self.own_features.as_dict() | self.own_matching.as_dict()
        self.setting = True
        for name, slider in self.sliders.items():
            slider.value = values[name]
        self.setting = False
        self.show()

    def settings(self, matcher: str) -> tuple[FeatureParameters, MatchParameters]:
        """The parameters of one matcher by the sliders; settings that do not affect it stay those of the run."""

        def chosen(names: list[str]) -> dict[str, Any]:
            return {name: self.sliders[name].value for name in names}

        features = replace(self.own_features, **chosen(self._adjustable(self.own_features)))
        matching = replace(self.own_matching, matcher=matcher)
        return features, replace(matching, **chosen(self._adjustable(matching)))

    def _adjustable(self, parameters: FeatureParameters | MatchParameters) -> list[str]:
        """The settings that sliders change: those that affect the result and have a slider."""
        if isinstance(parameters, FeatureParameters) and METHODS[parameters.keypoints].weights:
            return []  # a network takes too long to find keypoints anew whenever a slider moves
        return [name for name in effective(parameters) if name in self.sliders]

    def keep_settings(self) -> None:
        """Keep the settings and show what to do next."""
        features, matching = self.settings(self.own_matching.matcher)
        try:
            self.keep(self.run, features, matching)
            command = papermill_command(self.run, features, matching)
        except (WorkbenchError, OSError) as error:  # OSError: the disk may be full
            self.status.value = html.escape(str(error))
            return
        names = self._adjustable(features) + self._adjustable(matching)
        values = features.as_dict() | matching.as_dict()
        self.status.value = (
            f"Kept: {', '.join(f'{name} = {values[name]:g}' for name in names)}. Now run this notebook's Compute section "
            "again, and what follows it (Run &gt; Run All Cells). The same from a terminal:<br>"
            f"<code>{html.escape(command)}</code>"
        )

    def show(self) -> None:
        """Match the pair with the settings of the sliders and show the result."""
        a, b = self.pair
        errors, self.shown = [], []
        for name, title, picture in zip(self.matchers, self.titles, self.pictures, strict=True):
            features, matching = self.settings(name)
            own = (a, b) in self.compared and (features, matching) == (self.own_features, self.own_matching)
            title.value = f"<b>{name}</b>{', as in the run' if own else ''}"
            try:
                found = self.matching.match(a, b, features, matching)
            except WorkbenchError as error:
                errors.append(f"{name}: {error}")
                found = None
            self.shown.append(found)
            picture.value = jpeg(self._picture(found))
        self.status.value = "<br>".join(map(html.escape, errors))
        self.caption.value = self._caption()
        self.counts.value = _counts(self.matchers, self.shown)
        self._show_overlay()

    def _picture(self, found: MatchedPair | None) -> np.ndarray:
        first, second = (self.matching.images[frame] for frame in self.pair)
        if found is None:
            none = np.zeros((0, 2))
            return match_picture(first, second, none, none, np.zeros(0, int), np.zeros(0))
        scale, inliers = first.shape[1] / self.matching.size[0], found.aligned.inliers
        points_a, points_b = found.first.keypoints, found.second.keypoints
        return match_picture(first, second, points_a, points_b, found.matches, found.scores, inliers, scale=scale)

    def _caption(self) -> str:
        a, b = self.pair
        names = [scene_name(self.scenes[frame]).replace("outliers", "an outlier") for frame in self.pair]
        where = f"both of {names[0]}" if names[0] == names[1] else f"of {names[0]} and of {names[1]}"
        if names == ["an outlier"] * 2:
            where = "both outliers"
        if self.pair in self.places:
            place = f"place {self.places[self.pair]} of {len(self.pairs)}, counted from the fewest inliers"
        elif self.pair in self.compared:
            place = "compared in the run, but not inside a scene"
        else:
            place = "not compared in the run, matched just now"
        return f"<b>frame {a} and frame {b}</b> of the input ({where}): {place}"

    def _show_overlay(self) -> None:
        """Show frame a warped onto frame b, by the first matcher."""
        (a, b), found = self.pair, self.shown[0]
        first, second = self.matching.images[a], self.matching.images[b]
        _, before = overlay_pictures(first, second, np.eye(2, 3), self.kind.value)
        if found is None or found.aligned.model == "none":
            transform, how = np.eye(2, 3), "the pair does not register, so neither frame is warped"
        else:
            transform, how = self.matching.transform(found.aligned), f"registered by {self.matchers[0]}"
        pictures, after = overlay_pictures(first, second, transform, self.kind.value)
        self.overlay.value = _webp(pictures)
        left = "hardly any overlap" if after is None else f"difference of ranks {after:.3f}, unregistered {before:.3f}"
        self.overlay_caption.value = f"frame {a} warped onto frame {b}: {how}; {left}"


def _wide() -> dict[str, dict[str, str]]:
    return {"layout": {"width": "400px"}, "style": {"description_width": "150px"}}


def _sliders(features: FeatureParameters, matching: MatchParameters) -> dict[str, ipywidgets.Widget]:
    """One slider for every setting, by the name of its parameter; its range always includes the value it starts at."""
    whole, real = ipywidgets.IntSlider, ipywidgets.FloatSlider
    contrast, most = features.contrast_threshold, features.max_keypoints
    return {
        "contrast_threshold": real(contrast, min=0, max=max(0.1, contrast), step=0.001, readout_format=".3f",
                                   description="keypoint threshold", **_wide()),
        "max_keypoints": whole(most, 16, max(1024, most), description="keypoints per frame", **_wide()),
        "match_threshold": real(matching.match_threshold, min=0, max=1, step=0.01, description="match threshold", **_wide()),
        "sinkhorn_iterations": whole(matching.sinkhorn_iterations, 1, max(100, matching.sinkhorn_iterations),
                                     description="Sinkhorn iterations", **_wide()),
        "ratio": real(matching.ratio, min=0.3, max=1, step=0.01, description="Lowe's ratio (SIFT)", **_wide()),
    }  # fmt: skip


def _counts(names: tuple[str, ...], found: list[MatchedPair | None]) -> str:
    """An HTML table of what each matcher found."""
    rows = []
    for name, pair in zip(names, found, strict=True):
        cells: list[Any] = ["", "", "", "failed"]
        if pair is not None:
            keypoints = f"{len(pair.first)}, {len(pair.second)}"
            cells = [keypoints, len(pair.aligned.inliers), pair.aligned.inliers.sum(), _registers(pair.aligned)]
        rows.append("".join(f"<td style='padding-right:24px'>{cell}</td>" for cell in (f"<b>{name}</b>", *cells)))
    heads = "".join(
        f"<td style='padding-right:24px'>{head}</td>" for head in ("", "keypoints", "matches", "inliers", "registers")
    )
    return f"<table style='line-height:1.4'><tr>{heads}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def _registers(aligned: Registration) -> str:
    if aligned.model == "none":
        return "no"
    return f"yes: moved {aligned.displacement:.1f} px, zoom {aligned.scale:.2f}, turn {np.degrees(aligned.rotation):.1f}°"


def _webp(pictures: list[np.ndarray]) -> bytes:
    """One picture, or several that are shown in turn, (h, w, 3) uint8 each, as a WebP file."""
    first, *rest = map(Image.fromarray, pictures)
    with io.BytesIO() as file:
        # Method 0 is the fastest of WebP's methods.
        first.save(file, "webp", save_all=bool(rest), append_images=rest, duration=BLINK_MS, loop=0, quality=85, method=0)
        return file.getvalue()
