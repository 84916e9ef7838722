"""Runs a program in its own terminal and types into it as a user would."""

import os
import pty
import re
import select
import signal
import struct
import termios
from fcntl import ioctl

import pytest

from harness import wait_until

ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
CLEAR = "\x15"  # Ctrl-U deletes the line typed so far


class Terminal:
    """A program in a terminal. `shown` is its output without colours and cursor movements."""

    def __init__(self, *command):
        try:
            self.pid, self.file = pty.fork()
        except OSError as error:
            pytest.skip(f"this system has no terminal devices: {error}")
        if self.pid == 0:
            # The size must be set before the program runs: redis-cli asks a terminal without a size for
            # it, and waits for ever.
            ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.environ["TERM"] = "xterm"
            os.execvp(command[0], command)
        self.raw = b""

    def type(self, text):
        self.raw = b""
        os.write(self.file, text.encode())

    def sees(self, text):
        """Waits until the last line of the output is `text`."""
        last_line = lambda: self._read() and re.split("[\r\n]+", self.shown.rstrip("\r\n"))[-1].rstrip()
        wait_until(lambda: last_line() == text, f"{text!r} in the terminal, not {self.shown!r}")

    def shows(self, text):
        """Waits until `text` is somewhere in the output."""
        wait_until(lambda: self._read() and text in self.shown, f"{text!r}, not {self.shown!r}")

    @property
    def shown(self):
        return ESCAPES.sub("", self.raw.decode(errors="replace"))

    def _read(self):
        while select.select([self.file], [], [], 0)[0]:
            self.raw += os.read(self.file, 1 << 16)
        return True

    def close(self):
        os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        os.close(self.file)
