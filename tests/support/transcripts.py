"""A program in a terminal of its own, typed into as a user would."""

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
CLEAR = "\x15"  # Ctrl-U: away with the line typed so far


class Terminal:
    """`shown` is what the program has drawn so far, without colours and cursor movements."""

    def __init__(self, *command):
        try:
            self.pid, self.file = pty.fork()
        except OSError as error:
            pytest.skip(f"this system has no terminal devices: {error}")
        if self.pid == 0:
            # Before the program runs: redis-cli asks a terminal that has no size, and waits for ever.
            ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 200, 0, 0))
            os.environ["TERM"] = "xterm"
            os.execvp(command[0], command)
        self.raw = b""

    def type(self, text):
        self.raw = b""
        os.write(self.file, text.encode())

    def sees(self, text):
        """Waits until the last line drawn is this one."""
        last_line = lambda: self._read() and re.split("[\r\n]+", self.shown.rstrip("\r\n"))[-1].rstrip()
        wait_until(lambda: last_line() == text, f"{text!r} in the terminal, not {self.shown!r}")

    def shows(self, text):
        """Waits until this has been drawn somewhere."""
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
