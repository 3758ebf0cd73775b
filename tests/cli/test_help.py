"""What `asr COMMAND --help` shows."""

import pytest
from click.testing import CliRunner

from asr.cli import COMMANDS, cli


@pytest.mark.parametrize("command", [command.name for command in COMMANDS])
def test_help_has_no_marks_that_are_meant_for_the_program(command):
    done = CliRunner().invoke(cli, [command, "--help"])
    assert done.exit_code == 0 and done.stdout.startswith("Usage: ")
    assert not set(done.stdout) & set("\\\b\f"), done.stdout


def test_the_example_of_a_request_is_one_line_to_copy():
    lines = CliRunner().invoke(cli, ["serve", "--help"]).stdout.splitlines()
    assert "  curl -F file=@one.wav http://127.0.0.1:8000/v1/audio/transcriptions" in lines
