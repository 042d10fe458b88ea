"""What a notebook ends with: findings in words, and a table of what was checked.

The sentences themselves are in :mod:`~workbench.reports.findings_scenes`, :mod:`~workbench.reports.findings_pairs` and
:mod:`~workbench.reports.findings_order`: numbers in, sentences out, so that they are true for any clip.
"""

import html
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import pandas as pd

NO_DOUBT = "Nothing that these figures show."
RELATIONS: dict[str, Callable[[float, float], bool]] = {"=": operator.eq, "at least": operator.ge, "at most": operator.le}


@dataclass(frozen=True)
class Findings:
    """What a notebook found.

    A notebook shows it as three lists.

    Attributes
    ----------
    learnt : list of str
        What is known now, a sentence each.
    doubtful : list of str
        What may be otherwise, a sentence each; empty where nothing is in doubt.
    following : list of str
        What to do next, a sentence each.
    """

    learnt: list[str]
    doubtful: list[str]
    following: list[str]

    def _parts(self) -> list[tuple[str, list[str]]]:
        return [("Learnt", self.learnt), ("Doubtful", self.doubtful or [NO_DOUBT]), ("What to do next", self.following)]

    def _repr_markdown_(self) -> str:
        parts = [
            "\n".join([f"**{title}**\n", *(f"- {html.escape(line, quote=False)}" for line in lines)])
            for title, lines in self._parts()
        ]
        return "\n\n".join(parts)

    def __repr__(self) -> str:
        return "\n".join(f"{title}: {' '.join(lines)}" for title, lines in self._parts())


def checks(*rows: tuple[str, float, str, float]) -> pd.DataFrame:
    """Make the table of what was checked.

    Parameters
    ----------
    *rows : tuple of (str, float, str, float)
        For each what is claimed, the number found, one of :data:`RELATIONS`, and the number that it is compared with.

    Returns
    -------
    DataFrame
        One row per claim, by its words: ``found``; ``wanted``, in words; ``holds``, yes or NO.
    """
    found = {
        claim: {"found": f"{value:g}", "wanted": f"{relation} {wanted:g}", "holds": _answer(value, relation, wanted)}
        for claim, value, relation, wanted in rows
    }
    return pd.DataFrame.from_dict(found, orient="index")


def _answer(value: float, relation: str, wanted: float) -> str:
    return "yes" if RELATIONS[relation](value, wanted) else "NO"


def count_of(count: int, what: str, many: str = "") -> str:
    """Say how many there are of something.

    Parameters
    ----------
    count : int
        How many.
    what : str
        The word for one of them.
    many : str
        The word for several. Default: with an s.

    Returns
    -------
    str
        ``no frames``, ``1 frame``, ``1,200 frames``.
    """
    return f"{f'{count:,}' if count else 'no'} {what if count == 1 else many or what + 's'}"


def percent(share: float) -> str:
    """Say a share.

    Parameters
    ----------
    share : float
        0 to 1.

    Returns
    -------
    str
        In percent: ``37 %``, and ``0.4 %`` below one and above 99; never rounded to none or to all.
    """
    if 0 < share < 0.001:
        return "less than 0.1 %"
    if 0.999 < share < 1:
        return "more than 99.9 %"
    return f"{100 * share:.1f} %" if 0 < share < 0.01 or 0.99 < share < 1 else f"{100 * share:.0f} %"


def listed(things: Sequence[object], most: int = 6) -> str:
    """List things in words.

    Parameters
    ----------
    things : sequence
        What is listed.
    most : int
        How many are named; of more, the others are counted.

    Returns
    -------
    str
        ``3, 7 and 8``; ``3, 7, 8 and 12 more``.
    """
    names = [str(thing) for thing in things]
    if len(names) > most + 1:
        names = [*names[:most], f"{len(names) - most} more"]
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}" if names else "none"
