"""What the API says of the system that it serves."""

from dataclasses import dataclass
from pathlib import Path

from asr.bundle import Bundle
from asr.config import BEST


@dataclass(frozen=True)
class Offered:
    """A system as clients know it.

    Attributes:
        model: Its name in the API.
        language: The code of its language (ISO 639), "" if unknown.
        created: When its file was written, seconds since 1970.
        live: Whether it can listen to audio that is being spoken; not if it hears a recording as a whole.
    """

    model: str
    language: str
    created: int
    live: bool = True


def offered(file: Path, system: Bundle) -> Offered:
    """Return what a bundle's file offers: it is called as its run's folder is."""
    name = file.resolve().parent.name if file.name == BEST else file.stem
    phones = "en" if system.units.kind in ("phones39", "phones48", "phones61") else ""  # TIMIT's
    language = str(system.recipe.corpus.own.get("language") or phones)
    return Offered(name or "asr", language, int(file.stat().st_mtime), not system.whole)
