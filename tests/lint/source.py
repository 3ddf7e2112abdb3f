# SPDX-License-Identifier: BSD-2-Clause
"""The project's files, and C text without its comments and strings; shared by the lints."""
import os
import re
import subprocess
import sys

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
PRODUCT = ("base", "conf", "xdp", "queues", "mgmt", "daemon")


def project_files():
    """Paths below ROOT of all files that are the project's: what git tracks or would add."""
    done = subprocess.run(["git", "-c", f"safe.directory={ROOT}", "-C", ROOT, "ls-files", "-co",
                           "--exclude-standard"], capture_output=True, text=True, check=False)
    names = done.stdout.splitlines() if done.returncode == 0 else _walk()
    return sorted(n for n in set(names) if os.path.isfile(os.path.join(ROOT, n)))


def _walk():
    """The same from a tree without git: everything but build folders and what is hidden."""
    for folder, dirs, files in os.walk(ROOT):
        dirs[:] = [d for d in dirs if not d.startswith((".git", "build", "__pycache__"))]
        for name in files:
            yield os.path.relpath(os.path.join(folder, name), ROOT)


def read(path):
    with open(os.path.join(ROOT, path), encoding="utf-8", errors="replace") as file:
        return file.read()


def is_c(path):
    return path.endswith((".c", ".h"))


def kind(path, text):
    """"c", "python", "shell" or None."""
    if is_c(path):
        return "c"
    first = text.split("\n", 1)[0]
    if path.endswith(".py") or first.startswith("#!") and "python" in first:
        return "python"
    if path.endswith(".sh") or first.startswith("#!") and re.search(r"\b(ba|da)?sh\b", first):
        return "shell"
    return None


_C_TOKEN = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def code_only(text):
    """C text with comments and the insides of strings blanked; lines keep their numbers."""
    def blank(match):
        return "".join(c if c == "\n" else " " for c in match.group())
    return _C_TOKEN.sub(blank, text)


class Report:
    """TAP lines of a lint: one case per rule, the findings as diagnostics."""

    def __init__(self):
        self.n = self.n_failed = 0

    def case(self, text, findings):
        self.n += 1
        self.n_failed += bool(findings)
        print(f"{'not ok' if findings else 'ok'} {self.n} - {text}")
        for line in findings[:40]:
            print(f"# {line}")
        if len(findings) > 40:
            print(f"# and {len(findings) - 40} more")

    def done(self):
        print(f"1..{self.n}")
        sys.exit(1 if self.n_failed else 0)
