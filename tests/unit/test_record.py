"""A recording has all that was shown, in asciinema's format."""

import json
import sys

from tests.record import main, screen

SHOWN = (
    r"import sys, time; sys.stdout.write('one\n\x1b[1mtwo\x1b[0m ━\nbar 1\n\x1b[1A\r\x1b[J');"
    r"sys.stdout.flush(); sys.stdout.write('said\nbar 2\n'); sys.exit(sys.stdout.isatty() + 2)"
)


def test_what_a_command_shows_is_recorded_with_its_times(tmp_path, capsys):
    cast = tmp_path / "a.cast"
    assert main([str(cast), sys.executable, "-c", SHOWN]) == 3
    shown = capsys.readouterr().out
    header, *events = map(json.loads, cast.read_text().splitlines())
    assert header["version"] == 2 and header["width"] > 0 and header["height"] > 0
    assert "".join(text for _, kind, text in events if kind == "o") == shown
    times = [seconds for seconds, _, _ in events]
    assert times == sorted(times) and times[0] >= 0
    assert screen(cast) == ["one", "two ━", "said", "bar 2", ""]
    assert main([str(cast)]) == 0
    assert capsys.readouterr().out.splitlines() == screen(cast)[:-1] + [""]
