# SPDX-License-Identifier: BSD-2-Clause
"""
Man pages out of templates in mdoc(7) and the tables. In a template,

  @options                  the daemon's or the client's options, as items of a list
  @command WORDS            the item of a command; what follows, up to the next @, is said of it
  @commands                 the items of all commands that the page has not named
  @key PATH                 the item of a key; what follows is said of it
  @keys PATH                the items of all keys inside PATH that the page has not named
  @end                      what follows belongs to no item
  @if WORDS or PATH         what follows, up to @fi, is said only where that is supported

What the tables call not supported yet is left out, with what is said of it, until it is. Literal
blocks (.Bd -literal) are written as they shall look.
"""
import re

CAPITAL = "[A-Z]+"


def literal(text):
    """Text as it shall look: no macro, no hyphen in place of a minus, no quote turned."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("'", "\\(aq").replace("`", "\\(ga")
    text = text.replace('"', "\\(dq")
    return "\\&" + text if text.startswith((".", "\\(aq")) else text


def sentence(text):
    """A line of help as lines of mdoc: `words` as they are typed, a capital, a full stop."""
    text = text[0].upper() + text[1:] if re.match(r"[a-z]+([ ;.]|$)", text) else text
    text = text if text.endswith(".") else text + "."
    lines = []
    for i, part in enumerate(re.split(r"`([^`]*)`", text)):
        if i % 2:
            lines.append(".Ql " + literal(part))
            continue
        mark = re.match(r"[.,;:)]+", part) if i else None
        if mark:
            lines[-1] += "".join(" " + m for m in mark.group())
            part = part[mark.end():]
        if part.strip():
            lines.append(_text(part.strip()))
    return lines


def _text(text):
    text = text.replace("\\", "\\e")
    text = re.sub(r"(?<!\w)-(?=\w)", r"\\-", text)     # -w and --json keep their dashes
    return "\\&" + text if text.startswith((".", "'")) else text


# ---- commands ----

def param_form(param):
    shown = f" Ar {param['shown']}" if param["shown"] else ""
    if param["type"] == "words":
        shown = " Cm " + param["shown"].replace("|", " | ")
    if param["word"]:
        form = shown.strip()
    elif param["letter"]:
        form = f"Fl {param['letter']}{shown}"
    else:
        form = f"Fl \\-{literal(param['name'].replace('_', '-'))}{shown}"
    return f".{form}" if param["required"] else f".Op {form}"


def command_item(command):
    yield ".It Xo"
    yield f".Cm {literal(command.words)}"
    for param in command.params:
        yield param_form(param)
    yield ".Xc"
    yield from sentence(command.help)
    if command.changes:
        yield "Needs user 0 or group"
        yield ".Ql viaduct ."


def option_item(row):
    letter = f"Fl {row['letter']} , " if row["letter"] else ""
    shown = f" Ar {row['shown']}" if row["shown"] else ""
    yield f".It {letter}Fl \\-{literal(row['name'])}{shown}"
    yield from sentence(row["help"] + (f"; default: {row['fallback']}" if row.get("fallback")
                                       else ""))


# ---- keys ----

SHAPES = {
    "version": "1", "bool": "true | false", "macaddress": "MAC address", "name": "name",
    "names": "list of names", "text": "text", "vlans": "VLANs", "cpus": "CPUs",
    "cpus-or-auto": "CPUs | auto", "groups-or-auto": "list of groups | auto",
    "weights-or-keep": "list of numbers | keep",
    "listen": "none | 127.0.0.1:port | [::1]:port | path", "pins": "{queue: CPU}", "map": "map",
    "map-or-bool": "map | true | false", "entries": "list of maps", "by-name": "map by name",
}


def scaled(n, unit, names):
    """As the printer writes it: the largest unit that leaves a whole number."""
    for factor, name in names:
        if n * unit % factor == 0:
            return f"{n * unit // factor}{name}"
    return str(n)


SECONDS = ((10 ** 9, "s"), (10 ** 6, "ms"), (10 ** 3, "us"), (1, "ns"))
BYTES = ((1 << 30, "G"), (1 << 20, "M"), (1 << 10, "K"), (1, ""))


def value_form(key):
    row = key.row
    words = " | ".join(row["words"])
    if key.shape in ("number", "duration", "size"):
        form = {"number": lambda n: str(n),
                "duration": lambda n: scaled(n, row["unit_ns"], SECONDS),
                "size": lambda n: scaled(n, 1, BYTES)}[key.shape]
        low = "0" if row["min"] == 0 else form(row["min"])
        text = f"{low} to {form(row['max'])}"
        text = f"power of two, {text}" if row["power_of_two"] else text
        text += ", or 0" if row["or_zero"] else ""
    elif key.shape == "map-or-word":
        text = "map"
    else:
        text = SHAPES.get(key.shape, "")
    return " | ".join(part for part in (text, words) if part)


def key_item(key):
    form = value_form(key)
    yield f".It Cm {literal(key.short)} : {literal(form)}"
    yield from sentence(key.help)
    facts = []
    if key.row["required"]:
        facts.append("Must be there.")
    if key.default is not None and not (key.is_group and key.default == ""):
        facts.append(f"Default: `{key.default}`.")
    if key.row["alias"]:
        facts.append(f"`{key.row['alias']}` is another spelling.")
    if key.row["needs"]:
        facts.append(f"Needs `{key.row['needs']}`.")
    for fact in facts:
        yield from sentence(fact)


# ---- the page ----

class Page:
    def __init__(self, tables, options):
        self.commands = {c.words: c for c in tables.commands}
        self.keys = {".".join(k.path): k for k in tables.keys}
        self.options = options
        self.named, self.out = set(), []
        self.skipping = self.hidden = self.in_literal = False

    def supported(self, what):
        return (self.commands[what] if what in self.commands else self.keys[what]).supported

    def emit(self, lines):
        if not self.skipping and not self.hidden:
            self.out += lines

    def directive(self, word, what):
        self.skipping = False
        if word == "options" and not what:
            for row in self.options:
                self.emit(option_item(row))
        elif word == "command":
            self.item(self.commands[what], what, command_item)
        elif word == "commands" and not what:
            for words, command in self.commands.items():
                if words not in self.named:
                    self.item(command, words, command_item)
            self.skipping = False
        elif word == "key":
            self.item(self.keys[what], what, key_item)
        elif word == "keys":
            for path, key in self.keys.items():
                if self.is_inside(key, what) and path not in self.named:
                    self.item(key, path, key_item)
            self.skipping = False
        elif word == "if":
            self.hidden = not self.supported(what)
        elif word == "fi" and not what:
            self.hidden = False
        elif word != "end" or what:
            raise ValueError(f"@{word} {what}: no such directive")

    @staticmethod
    def is_inside(key, path):
        """Below it, but in no map by name and no entry further down; of the top: directly."""
        if not path:
            return len(key.path) == 1
        return ".".join(key.path) == f"{path}.{key.short}"

    def item(self, row, name, form):
        if name in self.named:
            raise ValueError(f"{name} is named twice")
        self.named.add(name)
        self.skipping = not row.supported
        self.emit(form(row))

    def line(self, line):
        if line.startswith(".Bd -literal"):
            self.in_literal = True
        elif line.startswith(".Ed"):
            self.in_literal = False
        elif self.in_literal:
            line = literal(line) if line else ".Pp"
            line = "" if line == ".Pp" else line
        self.emit([line])


def generate(tables, template, options):
    """The text of a page. Raises KeyError or ValueError where the template is wrong."""
    page = Page(tables, options)
    for line in template.splitlines():
        match = re.fullmatch(r"@(\w+)(?: (.*))?", line)
        if match and not page.in_literal:
            page.directive(match.group(1), match.group(2) or "")
        else:
            page.line(line)
    return "\n".join(page.out) + "\n"
