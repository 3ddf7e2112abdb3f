# SPDX-License-Identifier: BSD-2-Clause
"""
Completions for bash and zsh: the templates have the shell's code, the tables go in where a line
says @tables.
"""


def option_names(row):
    """How an option may be written: a local one has its letter alone."""
    long = f"--{row['name'].replace('_', '-')}"
    if row.get("local"):
        return [f"-{row['letter']}"]
    return [long] + ([f"-{row['letter']}"] if row["letter"] else [])


def value_kind(row):
    """What the value is, for the shell's code to find candidates: "" where there is none."""
    if row["type"] == "flag":
        return ""
    return row["name"] if row["type"] == "name" else \
        row["shown"] if row["type"] == "words" else row["type"]


# ---- bash ----

def bash_options(rows):
    return " ".join(f"{name}:{value_kind(row)}" for row in rows for name in option_names(row))


def bash_tables(tables):
    yield f"_viaductd_options='{bash_options(tables.daemon_options)}'"
    yield f"_viaductctl_options='{bash_options(tables.client_options)}'"
    nouns = {}
    for command in tables.commands:
        if command.supported:
            nouns.setdefault(command.noun, []).append(command.verb)
    yield "declare -gA _viaductctl_verbs=("
    for noun, verbs in nouns.items():
        yield f"\t[{noun}]='{' '.join(v for v in verbs if v)}'"
    yield ")"
    yield "# noun, verb: options, words after the verb"
    yield "declare -gA _viaductctl_takes=("
    for command in tables.commands:
        if command.supported:
            options = bash_options(p for p in command.params if not p["word"])
            words = " ".join(value_kind(p) for p in command.params if p["word"])
            yield f"\t['{command.words}']='{options}/{words}'"
    yield ")"


def default_commands(tables):
    """noun -> the commands that it alone may mean."""
    meant = {}
    for command in tables.commands:
        if command.supported and (command.is_default or not command.verb):
            meant.setdefault(command.noun, []).append(command.words)
    return meant


def bash_defaults(tables):
    yield "declare -gA _viaductctl_means=("
    for noun, commands in default_commands(tables).items():
        yield f"\t[{noun}]='{':'.join(commands)}'"
    yield ")"


# ---- zsh ----

def zsh_quote(text):
    return "'" + text.replace("'", "'\\''") + "'"


def zsh_help(text):
    """Brackets and colons mean something to _arguments."""
    return text.replace("\\", "\\\\").replace("[", "\\[").replace("]", "\\]").replace(":", "\\:")


def zsh_action(row):
    kind = value_kind(row)
    if row["type"] == "words":
        kind = "(" + kind.replace("|", " ") + ")"
    elif kind == "file":
        kind = "_files"
    elif kind == "dir":
        kind = "_files -/"
    elif kind in ("port", "bridge", "vlan", "intrid", "cpu"):
        kind = f"_viaductctl_{kind}s"
    else:
        kind = " "
    return f":{row['shown']}:{kind}"


def zsh_specs(rows):
    for row in rows:
        value = zsh_action(row) if row["type"] != "flag" else ""
        if row.get("word"):
            yield zsh_quote(value if row["required"] else ":" + value)
            continue
        names = option_names(row)
        text = f"[{zsh_help(row['help'])}]" if row.get("help") else ""
        many = f"({' '.join(names)})" if len(names) > 1 else ""
        for name in names:
            sign = "=" if value and name.startswith("--") else "+" if value else ""
            yield zsh_quote(f"{many}{name}{sign}{text}{value}")


def zsh_tables(tables):
    yield "_viaductd_options=("
    yield from ("\t" + spec for spec in zsh_specs(tables.daemon_options))
    yield ")"
    yield "_viaductctl_options=("
    yield from ("\t" + spec for spec in zsh_specs(tables.client_options))
    yield ")"
    yield "typeset -gA _viaductctl_verbs _viaductctl_means"
    nouns = {}
    for command in tables.commands:
        if command.supported:
            nouns.setdefault(command.noun, []).append(command)
    for noun, commands in nouns.items():
        verbs = [zsh_quote(f"{c.verb}:{c.help.replace(':', chr(92) + ':')}")
                 for c in commands if c.verb]
        yield f"_viaductctl_verbs[{noun}]={zsh_quote(' '.join(verbs))}"
    for noun, words in default_commands(tables).items():
        yield f"_viaductctl_means[{noun}]={zsh_quote(':'.join(words))}"
    yield "_viaductctl_takes() {"
    yield "\tcase $1 in"
    for command in tables.commands:
        if command.supported:
            specs = " ".join(zsh_specs(command.params))
            yield f"\t({zsh_quote(command.words)}) specs+=({specs}) ;;"
    yield "\tesac"
    yield "}"


def generate(tables, template, kind):
    made = [*bash_tables(tables), *bash_defaults(tables)] if kind == "bash" \
        else list(zsh_tables(tables))
    out = []
    for line in template.splitlines():
        out += made if line == "@tables" else [line]
    return "\n".join(out) + "\n"
