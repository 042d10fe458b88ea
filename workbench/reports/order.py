"""What the order of every scene rests on, and where it is not in the pictures, in plain sentences."""

from workbench.reports.changes import doubts_of
from workbench.run import Run

WORDS = {
    "residual": "what differs after a pair is registered",
    "missing_inliers": "keypoints without a partner",
    "thumbnail": "small rank images",
    "ranks": "ranks of the grey levels",
    "colours": "colours",
    "pixels": "grey levels",
    "changed_2": "how much of the picture changes at all",
    "changed_8": "how much of the picture changes clearly",
    "principal": "the strongest components of the colours",
    "aligned_ranks": "ranks of the aligned frames",
    "aligned_colours": "colours of the aligned frames",
    "aligned_pixels": "grey levels of the aligned frames",
}
NAMED_SHARE = 0.1  # parts of the distance with a smaller share are not named


def order_sentences(run: Run) -> list[str]:
    """Say what the order of every scene rests on.

    Parameters
    ----------
    run : Run
        A run whose order stage is finished.

    Returns
    -------
    list of str
        A sentence for every scene, with the parts of its distance and their shares; then those of :func:`order_doubts`.
    """
    info = run.info("order")
    found = []
    for scene in range(int(run.order()["scene"].max()) + 1):
        prefix = f"scene{scene:02d}_weight_"
        shares = {name.removeprefix(prefix): share for name, share in info.items() if name.startswith(prefix)}
        named = sorted((name for name, share in shares.items() if share >= NAMED_SHARE), key=lambda name: -shares[name])
        parts = ", ".join(f"{WORDS[name]} ({100 * shares[name]:.0f} %)" for name in named)
        found.append(f"Scene {scene}: its order rests on {parts or 'many distances alike'}.")
    return found + order_doubts(run)


def order_doubts(run: Run) -> list[str]:
    """List the scenes whose order is not in the pictures.

    Parameters
    ----------
    run : Run
        A run whose order stage is finished.

    Returns
    -------
    list of str
        A sentence each, with the number of frames and the reason.
    """
    return [f"{doubt[:1].upper()}{doubt[1:]}." for doubt in doubts_of(run, "order")]
