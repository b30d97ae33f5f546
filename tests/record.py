"""Records what a command shows on a terminal, as a file that asciinema plays.

    python tests/record.py run.cast make run
    python tests/record.py run.cast               the screen at the recording's end, as text

The format is asciinema's version 2: a line of JSON about the terminal, then one for each piece of
output, with the seconds since the beginning.
"""

import fcntl
import json
import os
import pty
import re
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

COLUMNS, LINES = 100, 30
# Longer waits are cut to this where it is played.
IDLE_SECONDS = 2


def record(cast: Path, command: list[str]) -> int:
    """Run a command on a terminal of its own, show and record it; return its exit status."""
    terminal, other = pty.openpty()
    fcntl.ioctl(other, termios.TIOCSWINSZ, struct.pack("HHHH", LINES, COLUMNS, 0, 0))
    sized = ("COLUMNS", "LINES")
    environment = {name: text for name, text in os.environ.items() if name not in sized}
    child = subprocess.Popen(
        command,
        env=environment | {"TERM": "xterm-256color"},
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    began = time.monotonic()
    header = {"version": 2, "width": COLUMNS, "height": LINES, "idle_time_limit": IDLE_SECONDS}
    rest = b""
    with cast.open("w") as file:
        file.write(json.dumps(header | {"title": " ".join(command)}) + "\n")
        for piece in _pieces(terminal):
            text, rest = _whole(rest + piece)
            event = [round(time.monotonic() - began, 3), "o", text]
            file.write(json.dumps(event, ensure_ascii=False) + "\n")
            sys.stdout.write(text)
            sys.stdout.flush()
    os.close(terminal)
    return child.wait()


def _pieces(terminal: int) -> Iterator[bytes]:
    try:
        while piece := os.read(terminal, 1 << 16):
            yield piece
    except OSError:
        # Nobody writes to it any more.
        return


def _whole(written: bytes) -> tuple[str, bytes]:
    """The whole characters of what was written, and the beginning of the next one."""
    for cut in range(4):
        kept = written[: len(written) - cut]
        try:
            return kept.decode(), written[len(kept) :]
        except UnicodeDecodeError:
            continue
    return written.decode(errors="replace"), b""


def screen(cast: Path, until: float = float("inf")) -> list[str]:
    """The lines that stand on the terminal, and above it, at a time of a recording.

    Of the codes of terminals it knows what Snakemake's display and pip use.
    """
    events = [json.loads(line) for line in cast.read_text().splitlines()[1:]]
    text = "".join(piece for seconds, kind, piece in events if kind == "o" and seconds <= until)
    lines, row, column = [""], 0, 0
    for up, erased, code, character in re.findall(
        r"\x1b\[(\d*)A|\x1b\[\d*([JK])|(\x1b\[[\d;?]*[a-zA-Z])|(.|\n)", text
    ):
        if up:
            row = max(row - int(up), 0)
        elif erased:
            lines[row] = lines[row][:column]
            lines[row + 1 :] = lines[row + 1 :] if erased == "K" else []
        elif character == "\r":
            column = 0
        elif character == "\n":
            row += 1
            lines += [""] * (row + 1 - len(lines))
        elif not code:
            line = lines[row].ljust(column)
            lines[row] = line[:column] + character + line[column + 1 :]
            column += 1
    return lines


def main(words: list[str]) -> int:
    cast = Path(words[0])
    if words[1:]:
        return record(cast, words[1:])
    sys.stdout.write("\n".join(screen(cast)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
