"""Changes to a result by hand, kept in the run: a later call that reuses the stage keeps them too."""

from workbench.errors import ClusterError, UsageError
from workbench.evaluate import read_order
from workbench.parameters import AlignParameters, WriteParameters
from workbench.run import Run
from workbench.stages import align_frames, write_videos
from workbench.video import Decoder


def flip_scenes(run: Run, scene: int | None = None, progress: bool = True) -> list[int]:
    """Reverse the order of a scene, or of all scenes, in ``order.csv``, and write the videos again.

    Time has no arrow in a distance: which end of a scene comes first is for a person to say. Returns the scenes that were
    reversed. Raises :class:`~workbench.errors.UsageError` for a scene that is not there, and whatever would keep the videos
    from being written before it changes anything.
    """
    run.require("order")
    read_order(run.path / "order.csv")  # raises when it was damaged by hand
    table = run.order()
    scenes = sorted(set(table["scene"]) - {-1})
    if not scenes:
        raise ClusterError(f"{run.path} has no scene, all frames are set aside: raise --cluster.eps and reconstruct again")
    if scene is not None and scene not in scenes:
        raise UsageError(f"there is no scene {scene}: {run.path} has {', '.join(map(str, scenes))}, choose one of them")
    Decoder(run.source).close()  # raises when it is gone
    chosen = scenes if scene is None else [scene]
    for number in chosen:
        inside = table["scene"] == number
        table.loc[inside, "order"] = inside.sum() - 1 - table.loc[inside, "order"]
        # The confidence of a link stands with the frame that comes first, which is the other one now.
        frames = table[inside].sort_values("order").index
        table.loc[frames, "confidence"] = [*table.loc[frames[1:], "confidence"], float("nan")]
    written = run.record["stages"].get("write", {}).get("parameters", {})
    run.write_text("order.csv", table.to_csv(index=False, lineterminator="\n"))
    run.edit("order", {"flipped": [int(number) for number in chosen]})
    if "align" in run.record["stages"]:  # a steady video is made from it
        align_frames(run, AlignParameters(), overwrite=True, progress=progress)
    write_videos(run, WriteParameters(**written), overwrite=True, progress=progress)
    return [int(number) for number in chosen]
