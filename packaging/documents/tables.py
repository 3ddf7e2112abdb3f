# SPDX-License-Identifier: BSD-2-Clause
"""The tables of commands, options and keys, as packaging/documents/tables.c prints them."""
import json
import re

# What stands for the name in a map by name.
BY_NAME = {"bridges": "BRIDGE", "ports": "PORT", "queues": "INTERFACE"}
# Shapes with keys inside.
MAPS = ("map", "map-or-word", "map-or-bool", "entries", "by-name")


class Tables:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            self.all = json.load(file)
        self.version = self.all["version"]
        self.commands = [Command(row) for row in self.all["commands"]]
        self.client_options = self.all["client_options"]
        self.daemon_options = self.all["daemon_options"]
        defaults = {**canonical(self.all["large"]), **canonical(self.all["small"])}
        self.keys = list(_flatten(self.all["keys"], (), defaults))


class Command:
    """One row of mgmt/command.c."""

    def __init__(self, row):
        self.noun, self.verb, self.help = row["noun"], row["verb"], row["help"]
        self.supported, self.changes = row["supported"], row["changes"]
        self.params = row["params"]
        self.words = f"{self.noun} {self.verb}".strip()
        self.is_default = self.verb == "show" or self.words == "intr list"


class Key:
    """
    One row of a schema table. `path` has a word in capitals where a name or a number of an entry
    stands; `default` is None where there is none.
    """

    def __init__(self, row, path, default):
        self.row, self.path, self.default = row, path, default
        self.name, self.shape, self.help = row["name"], row["shape"], row["help"]
        self.supported = row["shape"] is not None
        self.inside = row["keys"]
        self.is_group = row["shape"] in MAPS

    @property
    def short(self):
        """The path below the map by name, the entry or the map of the top level that it is in."""
        marks = [i for i, name in enumerate(self.path) if name in (*BY_NAME.values(), "[]")]
        below = self.path[marks[-1] + 1:] if marks else self.path[min(1, len(self.path) - 1):]
        return ".".join(below)

    @property
    def inner_path(self):
        """What the keys inside have before their names."""
        if self.shape == "by-name":
            return (*self.path, BY_NAME.get(self.name, "NAME"))
        return (*self.path, "[]") if self.shape == "entries" else self.path


def _flatten(rows, above, defaults):
    """Every key, in the order of the file: a group before what is inside."""
    for row in rows:
        path = (*above, row["name"])
        key = Key(row, path, None)
        # What an entry has is of the sample, but for what was left out of it.
        from_sample = "[]" in above and row["shape"] not in ("bool", "text", "names")
        if not row["required"] and row["shape"] != "name" and not from_sample:
            key.default = defaults.get(path)
        yield key
        yield from _flatten(key.inside, key.inner_path, defaults)


def canonical(text):
    """Path -> value of every line "KEY: VALUE" of a file in canonical form."""
    values, above = {}, []
    for line in text.splitlines():
        match = re.fullmatch(r"( *)(- )?([^: ]+):(?: (.*))?", line)
        if not match:
            continue
        indent, dash, name, value = match.groups()
        depth = len(indent) + len(dash or "")
        above = [item for item in above if item[0] < depth]
        above.append((depth, name))
        path = tuple(n for _, n in above)
        if value is not None:
            values[_general(path)] = value
    return values


def _general(path):
    """The same path with words in capitals for names, and for an entry of a list."""
    general = []
    for i, name in enumerate(path):
        before = path[i - 1] if i else None
        if before in BY_NAME and name in ("NAME", "defaults"):
            name = BY_NAME[before]
        elif before in ("vlans", "static-macs"):
            general.append("[]")
        general.append(name)
    return tuple(general)
