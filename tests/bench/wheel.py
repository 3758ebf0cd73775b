"""Build the wheel, install it into an empty environment, and transcribe there with the system that is in it.

The environment has the packages that the project needs from this one, but not the project. Building needs hatchling,
which pip fetches.

    python tests/bench/wheel.py
"""

import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent


def run(*words: str | Path, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    """Run a command; end with what it said if it fails."""
    done = subprocess.run([*map(str, words)], capture_output=True, text=True, cwd=cwd)
    if done.returncode:
        raise SystemExit(f"{words}:\n{done.stderr}")
    return done


def main() -> None:
    """Print what a fresh install transcribes, and what it says of it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        run(sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, ROOT)
        (wheel,) = folder.glob("asr-*.whl")
        run(sys.executable, "-m", "venv", "--without-pip", folder / "env")
        python = folder / "env" / "bin" / "python"
        site = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout.strip())
        run(sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", site, wheel)
        (site / "needed.pth").write_text(
            sysconfig.get_path("purelib") + "\n"
        )  # after the wheel, so the wheel's asr wins
        done = run(python, "-m", "asr", "transcribe", ROOT / "data" / "tiny" / "one.wav", cwd=folder)
        where = run(python, "-c", "import asr; print(asr.__file__)", cwd=folder).stdout.strip()
        assert Path(where).is_relative_to(folder), f"{where} was imported"
        assert "sil sh iy" in done.stdout and "not trained here" in done.stderr, done
        print(f"{wheel.name}: {wheel.stat().st_size:,} bytes\n{done.stdout}{done.stderr}", end="")


if __name__ == "__main__":
    main()
