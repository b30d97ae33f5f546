"""What stands on a terminal in the end, whoever writes to it."""

import fcntl
import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios

from snakemake_logger_plugin_stages.screen import Screen

SIZE = os.terminal_size((60, 20))


class Terminal(io.StringIO):
    """Shows what the few codes that are used make of a text."""

    def __init__(self):
        super().__init__()
        self.lines, self.row, self.column = [""], 0, 0

    def isatty(self):
        return True

    def write(self, text):
        for code, up, character in re.findall(r"(\x1b\[(?:(\d+)A|J|\d*m))|(.|\n)", text):
            if up:
                self.row -= int(up)
                assert self.row >= 0
            elif code == "\x1b[J":
                self.lines[self.row :] = [self.lines[self.row][: self.column]]
            elif character == "\r":
                self.column = 0
            elif character == "\n":
                self.row, self.column = self.row + 1, 0
                self.lines += [""] * (self.row + 1 - len(self.lines))
            elif character:
                line = self.lines[self.row].ljust(self.column)
                self.lines[self.row] = line[: self.column] + character + line[self.column + 1 :]
                self.column += 1
        return len(text)


def test_a_block_is_drawn_over_and_stays_below_what_is_said():
    terminal = Terminal()
    screen = Screen(terminal, lambda: SIZE)
    screen.above("before\n")
    screen.draw(["a 1", "b 1"])
    screen.draw(["a 2", "b 1"])
    assert terminal.lines == ["before", "", "a 2", "b 1", ""]
    screen.above("between\n")
    assert terminal.lines == ["before", "between", "", "a 2", "b 1", ""]
    screen.draw(["a 3 " + "x" * 80])
    assert terminal.lines == ["before", "between", "", "a 3 " + "x" * 55, ""]
    screen.end(["a 4", "b 4", "c 4"])
    assert terminal.lines == ["before", "between", "a 4", "b 4", "c 4", ""]


def test_what_a_job_writes_stays_whole():
    terminal = Terminal()
    screen = Screen(terminal, lambda: SIZE)
    screen.draw(["a long line of a bar", "another"])
    # By another process, past this one.
    terminal.write("from a job\n")
    screen.draw(["a longer line of a bar", "another"])
    screen.end(["done"])
    assert terminal.lines == ["from a job", "done", ""]


def test_what_this_process_prints_is_put_above_and_the_streams_given_back(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    monkeypatch.setattr(sys, "stderr", io.StringIO())
    screen = Screen(terminal, lambda: SIZE)
    screen.stand_between()
    print("before", end=" ")  # noqa: T201
    print("all")  # noqa: T201
    screen.draw(["bar"])
    print("one\ntwo", end=" ")  # noqa: T201
    print("and a half")  # noqa: T201
    sys.stdout.write("three")
    screen.draw(["bar 2"])
    screen.end(["bar 3"])
    assert sys.stdout is terminal
    assert terminal.lines == ["before all", "one", "two and a half", "three", "bar 3", ""]


SNAKEFILE = """
onstart: print("begun")
onsuccess: print("ended well")
rule all:
    input: expand("{i}.txt", i=range(3))
rule part:
    output: "{i}.txt"
    log: "{i}.log"
    shell: "echo job {wildcards.i} >&2; echo 7{wildcards.i} MB > {log}; touch {output}"
"""


def test_snakemake_on_a_terminal(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    master, slave = pty.openpty()
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 20, 80, 0, 0))
    own = {name: text for name, text in os.environ.items() if name not in ("COLUMNS", "LINES")}
    command = [sys.executable, "-m", "snakemake", "--cores", "1", "--logger", "stages"]
    command += ["--logger-stages-memory", r"(\d+) MB"]
    process = subprocess.Popen(
        command,
        cwd=tmp_path,
        env=own | {"TERM": "xterm"},
        stdin=subprocess.DEVNULL,
        stdout=slave,
        stderr=slave,
    )
    os.close(slave)
    written = b""
    try:
        while more := os.read(master, 1 << 16):
            written += more
    except OSError:
        # The other end was closed.
        pass
    assert process.wait() == 0
    os.close(master)
    text = written.decode().replace("\r\n", "\n")
    counts = re.findall(r"(\d+)/3", text)
    assert counts == sorted(counts) and counts[-1] == "3"
    terminal = Terminal()
    terminal.write(text)
    shown = "\n".join(terminal.lines)
    jobs = re.findall(r"^job \d$", shown, re.MULTILINE)
    assert sorted(jobs) == ["job 0", "job 1", "job 2"]
    assert re.sub(r"[\d.]+(?=/s| s|/min)", "N", shown).splitlines() == [
        "begun",
        *jobs,
        "ended well",
        f"part  {'━' * 20}  3/3  N/s  took N s  72 MB",
        "3 of 3 jobs, N s so far",
    ]
