"""The system in the box: the default recipe's bundle, part of the package, so that a fresh install can answer.

`make box` makes it again. It is there to try the toolkit with, not to work with: what it knows of speech comes from
eSpeak NG.
"""

from collections.abc import Callable
from pathlib import Path

from asr import bundle
from asr.bundle import Bundle
from asr.config import BEST

FILE = Path(__file__).with_name("espeak.safetensors")
OWN = Path("runs/espeak")  # the same recipe, trained here


def opened(path: "Path | str | None", say: Callable[[str], None]) -> tuple[Path, Bundle]:
    """Return a bundle's file and the system in it.

    Args:
        path: A run's folder or a bundle's file. Default: `OWN` if it was trained, or else the system in the box.
        say: Receives a line about the latter.

    Raises:
        BundleError: The bundle is missing or damaged.
    """
    own = path or (OWN if (OWN / BEST).is_file() else None)
    file = bundle.find(own) if own else FILE
    system = bundle.load(file)
    if not own:
        say(f"{OWN}: not trained here; using the system that comes with asr: {described(system)}")
    return file, system


def described(system: Bundle) -> str:
    """Return what the system in the box is, and how wrong it is."""
    rates = system.facts["box"]
    voices, people = (f"{100 * rates[name]['rate']:.1f} %" for name in ("espeak", "timit-sample"))
    return (
        f"{len(system.units) - 1} English phones, trained on synthetic voices; "
        f"phone error rate {voices} on other synthetic voices, {people} on people"
    )
