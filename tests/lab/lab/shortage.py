# SPDX-License-Identifier: BSD-2-Clause
"""Memory or sockets that a daemon's control thread does not get, by number: see shortage.c."""
import mmap
import os
import struct

LAYOUT = "5Q"
MEMORY, SOCKETS = 0, 1
NEVER = (1 << 64) - 1


class Shortage:
    """Requests are numbered from the last set() on."""

    def __init__(self, env, directory):
        self.path = os.path.join(directory, "shortage")
        self.env = {"LD_PRELOAD": env.shortage, "VT_SHORTAGE": self.path}
        with open(self.path, "w+b") as file:
            file.truncate(struct.calcsize(LAYOUT))
            self.memory = mmap.mmap(file.fileno(), struct.calcsize(LAYOUT))

    def set(self, kind=MEMORY, first=NEVER, end=NEVER):
        """Refuses these from now on."""
        self.memory[:] = struct.pack(LAYOUT, kind, 0, first, end, 0)

    def n_asked(self):
        return struct.unpack(LAYOUT, self.memory)[1]

    def n_refused(self):
        return struct.unpack(LAYOUT, self.memory)[4]
