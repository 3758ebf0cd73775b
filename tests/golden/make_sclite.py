"""Score what lies in tests/golden/sclite/ and random pairs with NIST sclite and sc_stats, and keep what they say.

    apt-get install sctk
    python tests/golden/make_sclite.py            # writes tests/golden/sclite/counts.json

The trn files there are the output of three systems on the twin's test set, as `asr evaluate RUN --trn` writes it:
recipes/espeak.toml with seeds 1 and 2, and with one layer of 10 units.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from asr.phones import PHONES_39
from asr.scoring import trn

HERE = Path(__file__).parent / "sclite"
SYSTEMS = ("one", "two", "small")
_ROW = re.compile(r"^id: \((\S+)\)(?:.|\n)*?^Scores: \(#C #S #D #I\) (\d+) (\d+) (\d+) (\d+)$", re.MULTILINE)


def sclite():
    """Return where sclite lies; Debian keeps it out of the way."""
    debian = "/usr/lib/sctk/bin"
    return shutil.which("sclite") or shutil.which("sclite", path=os.pathsep.join([debian, os.environ["PATH"]]))


def sown_pairs(count=1000, seed=20):
    """References, and hypotheses that are them with errors sown in: from none to every second symbol."""
    generator = np.random.default_rng(seed)
    references, hypotheses = {}, {}
    for i in range(count):
        id, errors = f"s{i % 24}-u{i:04}", generator.uniform(0, 0.5)
        references[id] = generator.choice(PHONES_39, generator.integers(1, 60)).tolist()
        hypotheses[id] = []
        for symbol in references[id]:
            chance, other = generator.random(), str(generator.choice(PHONES_39))
            if chance < errors / 4:
                continue
            hypotheses[id].append(other if chance < 3 / 4 * errors else symbol)
            if chance > 1 - errors / 4:
                hypotheses[id].append(other)
    return references, hypotheses


def unrelated_pairs(count=300, seed=21):
    """References and hypotheses that have nothing in common: where scorers come apart, if they do anywhere."""
    generator = np.random.default_rng(seed)
    sides = ({}, {})
    for i in range(count):
        for side in sides:
            side[f"s{i % 24}-u{i:04}"] = generator.choice(PHONES_39, generator.integers(0, 40)).tolist()
    return sides


def counts(reference, hypothesis, *options):
    """Return sclite's hits, substitutions, deletions and insertions, by id."""
    command = [sclite(), "-r", reference, "trn", "-h", hypothesis, "trn", "-i", "rm", "-s", "-o", "pralign", "stdout"]
    done = subprocess.run([*map(str, command), *options], capture_output=True, text=True, check=True)
    return {row[1]: [int(number) for number in row.groups()[1:]] for row in _ROW.finditer(done.stdout)}


def counts_of(references, hypotheses, *options):
    """Return sclite's counts of two dictionaries."""
    with tempfile.TemporaryDirectory() as folder:
        paths = Path(folder) / "ref.trn", Path(folder) / "hyp.trn"
        trn.write(paths[0], references)
        trn.write(paths[1], hypotheses)
        return counts(*paths, *options)


def aligned(reference, *hypotheses):
    """Return sclite's own alignments of one or more trn files, as it pipes them to its companions."""
    rows = [word for path in hypotheses for word in ("-h", str(path), "trn", path.stem)]
    command = [sclite(), "-r", str(reference), "trn", *rows, "-i", "rm", "-s", "-o", "none", "-p"]
    with tempfile.TemporaryDirectory() as folder:
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder).stdout


def pairs(piped):
    """Return the pairs of symbols, by id, in what `aligned` returned for one file."""
    found = {}
    for line in piped.splitlines():
        if line.startswith("<PATH"):
            fields = found[re.search(r'id="\((.*?)\)"', line)[1]] = []
        elif line.startswith('"') or line == "":
            fields.append(line.strip('"') or None)
    return {id: tuple(zip(fields[::2], fields[1::2], strict=True)) for id, fields in found.items()}


def mapsswe(reference, one, other):
    """Return what sc_stats says of two systems: segments, mean difference, standard deviation, Z."""
    stats = [str(Path(sclite()).with_name("sc_stats")), "-p", "-t", "mapsswe", "-v", "-r", "none", "-n", "out"]
    with tempfile.TemporaryDirectory() as folder:
        piped = _repaired(aligned(reference, one, other))
        subprocess.run(stats, input=piped, capture_output=True, text=True, check=True, cwd=folder)
        said = (Path(folder) / "out.stats.mapsswe").read_text(encoding="utf-8")
    found = re.search(r"# segs: (\d+).*mean: (\S+)\) \(std dev: (\S+)\) \(Z Stat: (\S+)\)", said)
    return [int(found[1]), *(float(number) for number in found.groups()[1:])]


def _repaired(piped):
    """Debian's sclite puts each field of an alignment on its own line; its sc_stats reads `C,"a","a":S,"b","c"`."""
    lines, fields = [], None
    for line in piped.splitlines():
        if line.startswith("</PATH"):
            lines.append(":".join(",".join(fields[i : i + 3]) for i in range(0, len(fields), 3)))
            fields = None
        (lines if fields is None else fields).append(line)
        if line.startswith("<PATH"):
            fields = []
    return "\n".join(lines) + "\n"


def golden():
    """Return all that the tests compare with."""
    found = {name: counts(HERE / "reference.trn", HERE / f"{name}.trn") for name in SYSTEMS}
    reference, one, *others = (HERE / f"{name}.trn" for name in ("reference", *SYSTEMS))
    found["mapsswe"] = {other.stem: mapsswe(reference, one, other) for other in others}
    return found | {"sown": counts_of(*sown_pairs()), "unrelated": counts_of(*unrelated_pairs())}


if __name__ == "__main__":
    if not sclite():
        sys.exit("sclite is not installed: apt-get install sctk")
    # One line a set.
    rows = (f'"{name}": {json.dumps(found)}' for name, found in golden().items())
    (HERE / "counts.json").write_text("{\n" + ",\n".join(rows) + "\n}\n", encoding="utf-8")
