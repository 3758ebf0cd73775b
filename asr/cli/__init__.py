"""The command line: results to stdout, everything else to stderr, an AsrError or AsrWarning in one line.

Exit status: 0 success; 1 some inputs of many failed; 2 usage or configuration; 3 a model file; 4 no usable input;
130 and 143 on Ctrl-C and SIGTERM. Modules that take seconds to import are imported by the command that needs them.

A command is a function in a file here and a name in the list below.
"""

import logging
import signal
import sys
import warnings
from types import FrameType

import click

from asr.cli import output
from asr.cli.compare import compare
from asr.cli.doctor import doctor
from asr.cli.evaluate import evaluate
from asr.cli.export import export
from asr.cli.language_model import language_model
from asr.cli.memory import memory
from asr.cli.prepare import prepare
from asr.cli.report import plot, report
from asr.cli.results import summary, table
from asr.cli.score import score
from asr.cli.serve import serve
from asr.cli.train import train, tune
from asr.cli.transcribe import align, transcribe
from asr.errors import AsrError, AsrWarning


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="asr")
def cli() -> None:
    """End-to-end speech recognition: a bidirectional LSTM trained with CTC."""


COMMANDS = (
    prepare,
    doctor,
    train,
    tune,
    evaluate,
    score,
    compare,
    report,
    plot,
    summary,
    table,
    transcribe,
    align,
    serve,
    export,
    language_model,
    memory,
)
for command in COMMANDS:
    cli.add_command(command)


def _terminated(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


def _warn(message: Warning | str, category: type[Warning], *place: object, **more: object) -> None:
    """Print a warning of ours in one line, and others with their category."""
    output.say(f"asr: {message}" if issubclass(category, AsrWarning) else f"asr: {category.__name__}: {message}")


def _misused(fault: click.ClickException) -> None:
    """Print in one line what is wrong with a command, and where help is; without any command, print the help."""
    if isinstance(fault, click.exceptions.NoArgsIsHelpError):
        fault.show()
        return
    context = getattr(fault, "ctx", None)
    said = " ".join(fault.format_message().split()).rstrip(".?").replace(". (Did", " (did")
    output.error(f"asr: {said[:1].lower()}{said[1:]}; see `{context.command_path if context else 'asr'} --help`")


def main() -> None:
    """Run the command line; turn errors that a user can fix into one line and an exit status."""
    signal.signal(signal.SIGTERM, _terminated)
    if not sys.warnoptions:  # python -W and PYTHONWARNINGS are for developers
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", AsrWarning)
    warnings.showwarning = _warn
    output.accept_any_character()
    logging.getLogger("asr").handlers = [output.WarningLines()]
    try:
        cli.main(standalone_mode=False)
    except AsrError as fault:
        output.error(f"asr: {fault}")
        sys.exit(fault.status)
    except click.ClickException as fault:
        _misused(fault)
        sys.exit(fault.exit_code)
    except click.Abort:
        output.say("asr: interrupted")
        sys.exit(128 + signal.SIGINT)
