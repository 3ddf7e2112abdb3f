# SPDX-License-Identifier: BSD-2-Clause
"""A program on a terminal of its own, and what stands on its screen: a pty and pyte."""
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time

import pyte

class Terminal(pyte.Screen):
    """With what pyte 0.8 lacks of xterm: scrolling by lines, within the margins."""

    def _scroll(self, change, n):
        row, column = self.cursor.y, self.cursor.x
        self.cursor.y = self.margins.top if self.margins else 0
        change(n)
        self.cursor.y, self.cursor.x = row, column

    def scroll_down(self, n=1):
        self._scroll(self.insert_lines, n)

    def scroll_up(self, n=1):
        self._scroll(self.delete_lines, n)


class Stream(pyte.ByteStream):
    csi = {**pyte.ByteStream.csi, "S": "scroll_up", "T": "scroll_down"}


class Screen:
    """Runs `argv`; a context that ends the program."""

    def __init__(self, argv, columns=100, lines=30, **env):
        self.ours, self.theirs = pty.openpty()
        self.screen = Terminal(columns, lines)
        self.stream = Stream(self.screen)
        self.written = b""
        self._set_size(columns, lines)
        self.before = termios.tcgetattr(self.theirs)
        self.child = subprocess.Popen(
            argv, stdin=self.theirs, stdout=self.theirs, stderr=self.theirs,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
            env={**os.environ, "TERM": "screen-256color", "LC_ALL": "C.UTF-8", **env})

    def __enter__(self):
        return self

    def __exit__(self, kind, value, trace):
        if self.child.poll() is None:
            self.child.kill()
            self.child.wait()
        os.close(self.ours)
        os.close(self.theirs)

    def _set_size(self, columns, lines):
        fcntl.ioctl(self.theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))

    def resize(self, columns, lines):
        self._set_size(columns, lines)
        self.screen.resize(lines, columns)
        self.child.send_signal(signal.SIGWINCH)

    def press(self, keys):
        os.write(self.ours, keys.encode())

    def read(self, seconds=0.05):
        """Takes what the program writes meanwhile."""
        while select.select([self.ours], [], [], seconds)[0]:
            raw = os.read(self.ours, 65536)
            self.written += raw
            self.stream.feed(raw)
            seconds = 0

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def text(self):
        return "\n".join(self.lines())

    def wait(self, condition, seconds=5.0):
        """Until `condition(text)` holds; whether it did in time."""
        deadline = time.monotonic() + seconds
        while True:
            self.read()
            if condition(self.text()):
                return True
            if time.monotonic() > deadline:
                return False

    def end(self, seconds=5.0):
        """The exit status of a program that is about to end."""
        deadline = time.monotonic() + seconds
        while self.child.poll() is None and time.monotonic() < deadline:
            self.read()
        self.read(0)
        return self.child.poll()

    def is_restored(self):
        """The terminal's settings are as before, its cursor is shown, its own screen is back."""
        after = termios.tcgetattr(self.theirs)
        return after == self.before and self.written.rfind(b"\x1b[?1049l") > \
            self.written.rfind(b"\x1b[?1049h") and \
            self.written.rfind(b"\x1b[?25h") > self.written.rfind(b"\x1b[?25l")
