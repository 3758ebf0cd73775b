"""What an experiment is: cases, each measured with several seeds, a table of what came out, and a picture."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Settings = Mapping[str, Any]  # what JSON can write
Observation = dict[str, Any]  # likewise


@dataclass(frozen=True, eq=False)  # an entry of a table, which is itself only
class Case:
    """One condition of an experiment, measured with several seeds.

    Attributes:
        name: Unique in the experiment, as the table shows it: "T = 100".
        settings: Everything that the result depends on beside the seed; a result with other settings is measured anew.
        published: What the source found, as the table shows it; empty where it has no such case.
        quick: Number of seeds in the form that takes minutes; 0: the case is not in it.
        full: Number of seeds in the full form; 0 for a smaller stand-in of another case.
        solved: In how many of how many trials the source's criterion was met; None where it does not say.
    """

    name: str
    settings: Settings
    published: str = ""
    quick: int = 0
    full: int = 0
    solved: tuple[int, int] | None = None


@dataclass(frozen=True)
class Trial:
    """A case measured with one seed.

    Attributes:
        case: The case.
        seed: From 1.
        observed: What the experiment's `run` returned.
        seconds: It took so long (processor time).
    """

    case: Case
    seed: int
    observed: Observation
    seconds: float


@dataclass(frozen=True)
class TableRow:
    """A row of an experiment's table.

    Attributes:
        case: The case's name.
        ours: What we found, as the table shows it.
        published: What the source found.
        solved: Number of trials that met the criterion; None where there is none. Its Wilson interval is added.
        trials: Number of trials.
        remark: A few words, such as why it does not reproduce.
        seconds: Mean processor time of a trial, which `overview.rows` fills in.
    """

    case: str
    ours: str
    published: str = ""
    solved: int | None = None
    trials: int = 0
    remark: str = ""
    seconds: float | None = None


@dataclass(frozen=True)
class Experiment:
    """An entry of the table of experiments.

    Attributes:
        title: A few words.
        claim: The sentence that it tests.
        source: Authors, title, venue, year, section.
        cases: What is measured.
        run: Measures a case's settings with a seed; all randomness comes from the seed (`asr.support.seeds`).
        summary: Makes the table of the trials, which are of any of the cases, in their order. Cases without trials are
            added as not run.
        picture: Draws the trials.
        size: Width and height of the picture in inches.
        caption: The picture in words, for readers of the tables in Markdown, which show it if there is a caption.
    """

    title: str
    claim: str
    source: str
    cases: tuple[Case, ...]
    run: Callable[[Settings, int], Observation]
    summary: Callable[[Sequence[Trial]], list[TableRow]]
    picture: Callable[["Axes", Sequence[Trial]], None]
    size: tuple[float, float] = (7.0, 3.5)
    caption: str = ""
