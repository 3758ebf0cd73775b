"""What the pictures share: colors that everybody can tell apart, panels side by side, labels at the ends of lines."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# M. Okabe and K. Ito, "Color universal design", 2008, without their yellow, which is too faint for a line on white.
BLACK, ORANGE, SKY, GREEN, BLUE, RED, PINK = "#000000", "#e69f00", "#56b4e9", "#009e73", "#0072b2", "#d55e00", "#cc79a7"
GREY = "#777777"


def panels(axes: "Axes", count: int, gap: float = 0.13) -> "list[Axes]":
    """Return panels side by side in place of one."""
    axes.set_axis_off()
    width = (1 - gap * (count - 1)) / count
    return [axes.inset_axes((i * (width + gap), 0, width, 1)) for i in range(count)]


def titled(axes: "Axes", title: str, across: str, up: str) -> None:
    """Give a panel its title and the labels of its axes, and take away what is not needed."""
    axes.set_title(title, loc="left", fontsize=9)
    axes.set_xlabel(across, fontsize=9)
    axes.set_ylabel(up, fontsize=9)
    axes.tick_params(labelsize=8)
    axes.spines[["top", "right"]].set_visible(False)


def labels(axes: "Axes", ends: Mapping[str, tuple[float, str]], least: float = 0.05) -> None:
    """Write each line's name at its right end, moved apart where they would overlap.

    Args:
        axes: With its final limits.
        ends: A line's value at the end and its color, by name.
        least: The distance between two names, as a share of the height.
    """
    to_share = axes.transAxes.inverted().transform
    heights = {
        name: to_share(axes.transData.transform((axes.get_xlim()[1], value)))[1] for name, (value, _) in ends.items()
    }
    below = -1.0
    for name in sorted(heights, key=heights.__getitem__):
        below = max(below + least, min(max(heights[name], 0.0), 1.0))
        heights[name] = below
    above = 1.0 + least
    for name in sorted(heights, key=heights.__getitem__, reverse=True):
        above = min(above - least, heights[name])
        axes.text(1.02, above, name, color=ends[name][1], fontsize=8, transform=axes.transAxes, va="center")


def rates(axes: "Axes", xs: Sequence[float], counts: Sequence[tuple[int, int]], color: str, label: str) -> None:
    """Draw success rates in percent with their Wilson intervals; nothing, if there are none."""
    from asr.memory.intervals import wilson

    if not counts:
        return

    shares = [100 * solved / trials for solved, trials in counts]
    limits = [wilson(solved, trials) for solved, trials in counts]
    bars = [
        [share - 100 * low for share, (low, _) in zip(shares, limits, strict=True)],
        [100 * high - share for share, (_, high) in zip(shares, limits, strict=True)],
    ]
    axes.errorbar(xs, shares, bars, color=color, label=label, marker="o", markersize=4, capsize=3, linewidth=1.5)
