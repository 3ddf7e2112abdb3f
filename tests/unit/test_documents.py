#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
Man pages and JSON schema: they say all that the tables have and nothing else, are clean to their
own tools, and what they show as an example is right. Prints TAP.

Usage: test_documents.py FOLDER ROOT VIADUCTD VIADUCTCTL
"""
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

import tap

FOLDER, ROOT, VIADUCTD, VIADUCTCTL = sys.argv[1:5]
sys.dont_write_bytecode = True
sys.path.insert(0, os.path.join(ROOT, "packaging", "documents"))

import jsonschema                               # noqa: E402 pylint: disable=wrong-import-position
import mdoc                                     # noqa: E402 pylint: disable=wrong-import-position
import yaml                                     # noqa: E402 pylint: disable=wrong-import-position
from tables import Tables                       # noqa: E402 pylint: disable=wrong-import-position

PAGES = ("viaductd.8", "viaductctl.8", "viaduct.yaml.5")
GOLDEN = os.path.join(ROOT, "tests", "golden", "conf")
EXAMPLE = os.path.join(ROOT, "packaging", "example.yaml")
TABLES = Tables(os.path.join(FOLDER, "tables.json"))


def read(path):
    with open(path, encoding="utf-8") as file:
        return file.read()


def page(name):
    return read(os.path.join(FOLDER, name))


def shown(name):
    """The page as its reader sees it, on one line."""
    done = subprocess.run(["mandoc", "-T", "ascii", "-O", "width=200", os.path.join(FOLDER, name)],
                          capture_output=True, text=True, check=True)
    return re.sub(r"\s+", " ", re.sub(".\b", "", done.stdout))


# ---- completeness ----

def everything_has_help():
    missing = [".".join(k.path) for k in TABLES.keys if k.supported and not k.help]
    missing += [c.words for c in TABLES.commands if not c.help]
    missing += [o["name"] for o in TABLES.client_options + TABLES.daemon_options if not o["help"]]
    return missing


def every_command_is_described():
    text = shown("viaductctl.8")
    for command in TABLES.commands:
        form = command.words
        for param in command.params:
            if param["word"]:
                part = param["shown"]
            else:
                part = f"-{param['letter']}" if param["letter"] else f"--{param['name']}"
                part += f" {param['shown']}" if param["shown"] else ""
            form += f" {part}" if param["required"] else f" [{part}]"
        if (f" {form} " in text.replace(" | ", "|")) != command.supported:
            yield form


def every_key_is_described():
    text = shown("viaduct.yaml.5")
    for key in TABLES.keys:
        n = text.count(f" {key.short}: {mdoc.value_form(key)} ")
        if (n > 0) != key.supported:
            yield ".".join(key.path)


def every_option_is_described():
    for name, options in (("viaductd.8", TABLES.daemon_options),
                          ("viaductctl.8", TABLES.client_options)):
        text = shown(name)
        for option in options:
            value = f" {option['shown']}" if option["shown"] else ""
            if f"--{option['name']}{value} " not in text:
                yield f"{name}: --{option['name']}"


def variables_and_signals_are_described():
    """What the programs read of their environment, but for the tests' own, and what they catch."""
    text = shown("viaductd.8") + shown("viaductctl.8")
    names = set()
    for folder in ("base", "queues", "mgmt", "daemon"):
        for name in sorted(os.listdir(os.path.join(ROOT, folder))):
            if name.endswith(".c"):
                code = read(os.path.join(ROOT, folder, name))
                names |= set(re.findall(r'\b(?:getenv|is_set|take_dir)\([^;"]*"([A-Z_]+)"', code))
                names |= set(re.findall(r"sigaddset\(&set, (SIG\w+)\)", code))
    names -= {"VIADUCT_FAULT", "VIADUCT_FAULT_COUNT"}
    return [n for n in sorted(names) if n not in text] if len(names) > 8 else sorted(names)


def help_texts_are_of_the_tables():
    for program, options in ((VIADUCTD, TABLES.daemon_options),
                             (VIADUCTCTL, TABLES.client_options)):
        text = subprocess.run([program, "--help"], capture_output=True, text=True,
                              check=True).stdout
        for option in options:
            if f"--{option['name']}" not in text or option["help"] not in text:
                yield f"{program} --help: {option['name']}"
    for command in TABLES.commands:
        if f"  {command.words} " not in text.replace("\n", " \n") or command.help not in text:
            yield command.words


def counters_are_described():
    """Every reason why a frame may be dropped."""
    text = shown("viaductctl.8")
    names = re.findall(r'^\tX\(\w+, (\w+)\)', read(os.path.join(ROOT, "base/reason.h")),
                       re.M)
    return [n for n in names if f" {n} " not in text] if len(names) > 15 else ["no reasons found"]


# ---- cleanness ----

def pages_are_clean():
    for name in PAGES:
        path = os.path.join(FOLDER, name)
        done = subprocess.run(["mandoc", "-T", "lint", "-W", "warning", path],
                              capture_output=True, text=True, check=False)
        yield from done.stdout.splitlines()
        done = subprocess.run(["man", "--warnings=w", "-E", "UTF-8", "-l", path],
                              capture_output=True, text=True, check=False,
                              env={**os.environ, "MANPAGER": "cat", "MANWIDTH": "80"})
        yield from done.stderr.splitlines()
        if not done.stdout:
            yield f"{name}: man shows nothing"


def sections_are_there():
    wanted = {"NAME", "SYNOPSIS", "DESCRIPTION", "FILES", "EXAMPLES", "SEE ALSO"}
    of_programs = {"ENVIRONMENT", "EXIT STATUS"}
    for name in PAGES:
        there = set(re.findall(r"^\.Sh (.*)$", page(name), re.M))
        missing = (wanted | of_programs if name.endswith(".8") else wanted - {"SYNOPSIS"}) - there
        yield from (f"{name}: {section}" for section in missing)


def wrong_templates_are_refused():
    for text in ("@command mac fly\n", "@key bridges.BRIDGE.colour\n", "@keys\n@key log\n",
                 "@command status\n@command status\n", "@frobnicate\n"):
        try:
            mdoc.generate(TABLES, text, [])
        except (KeyError, ValueError):
            continue
        yield text


# ---- examples ----

def blocks(name):
    for block in re.findall(r"^\.Bd -literal.*?\n(.*?)^\.Ed", page(name), re.M | re.S):
        yield block.replace("\\-", "-").replace("\\(dq", '"').replace("\\(aq", "'") \
            .replace("\\&", "").replace("\\e", "\\")


def examples_are_right():
    configs = [b for b in blocks("viaduct.yaml.5") if b.startswith("version:")]
    if len(configs) < 3:
        yield f"{len(configs)} examples"
    for text in (*configs, read(EXAMPLE)):
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([VIADUCTD, "-c", file.name, "--print-config"],
                                  capture_output=True, text=True, check=False)
        if done.returncode:
            yield done.stderr
        yield from (f"{e.message}: {text[:60]}" for e in judge(text))


def commands_of_examples_are_right():
    """That they are understood: no daemon answers, or nothing is wrong with the options."""
    n = 0
    for name in PAGES:
        for line in "\n".join(blocks(name)).replace("\\\n", " ").splitlines():
            if not line.startswith("viaductctl "):
                continue
            words = line.split("|")[0].split()[1:]
            if "--socket" not in words:
                words += ["--socket", "/nonexistent/socket"]
            n += 1
            done = subprocess.run([VIADUCTCTL, *words], capture_output=True, text=True,
                                  check=False)
            if done.returncode != 3:
                yield f"{line}: {done.returncode} {done.stderr}"
    if n < 5:
        yield f"{n} lines found"


# ---- the schema ----

SCHEMA = json.loads(read(os.path.join(FOLDER, "viaduct.schema.json")))


def judge(text):
    # Names of maps are strings, whatever else YAML sees in them.
    document = json.loads(json.dumps(yaml.safe_load(text), default=str))
    return list(jsonschema.Draft7Validator(SCHEMA).iter_errors(document))


def schema_takes_what_is_right():
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    n = 0
    for name in sorted(os.listdir(GOLDEN)):
        if name.endswith(".ok"):
            for path in (name, name[:-3] + ".yaml"):
                n += 1
                for error in judge(read(os.path.join(GOLDEN, path))):
                    yield f"{path}: {'/'.join(map(str, error.absolute_path))}: {error.message}"
    if n < 30:
        yield f"{n} files"


def schema_refuses_what_it_can_see():
    """Unknown keys, wrong words and values that are no maps: whatever needs no second look."""
    seen = n = 0
    for name in sorted(os.listdir(GOLDEN)):
        if not name.endswith(".err") or "unknown key" not in read(os.path.join(GOLDEN, name)):
            continue
        n += 1
        try:
            seen += bool(judge(read(os.path.join(GOLDEN, name[:-4] + ".yaml"))))
        except yaml.YAMLError:
            seen += 1
    if n == 0 or seen < n:
        yield f"{seen} of {n}"
    for text in ("version: 1\nbridges: {lan: {interfaces: [a], flood: true}}\n",
                 "version: 1\nbridges: {lan: {interfaces: [a], ageing-time: 5 minutes}}\n",
                 "version: 1\nbridges: {lan: {}}\n", "version: 2\nbridges: {}\n", "version: 1\n",
                 "version: 1\nbridges: {lan: {interfaces: [a]}}\nworkers: {polling: quick}\n"):
        if not judge(text):
            yield text


TESTS = (
    (everything_has_help, "every command, option and supported key has a line of help"),
    (every_command_is_described, "viaductctl(8) has every supported command, and no other"),
    (every_key_is_described, "viaduct.yaml(5) has every supported key, and no other"),
    (every_option_is_described, "viaductd(8) and viaductctl(8) have every option"),
    (variables_and_signals_are_described, "they have every variable that is read, every signal"),
    (help_texts_are_of_the_tables, "--help has every option and command"),
    (counters_are_described, "viaductctl(8) has every reason why frames are dropped"),
    (pages_are_clean, "mandoc and man find nothing wrong with the pages"),
    (sections_are_there, "every page has its sections"),
    (wrong_templates_are_refused, "a template with an unknown name is refused"),
    (examples_are_right, "files in viaduct.yaml(5), and example.yaml, are taken"),
    (commands_of_examples_are_right, "commands in examples are understood"),
    (schema_takes_what_is_right, "the JSON schema takes every file that is right"),
    (schema_refuses_what_it_can_see, "the JSON schema refuses unknown keys and wrong words"),
)


def main():
    if not shutil.which("mandoc"):
        print("1..0 # SKIP mandoc is not there (packaging/install-deps)")
        return 0
    for test, text in TESTS:
        found = list(test())
        tap.ok(not found, text, *(line.strip() for line in found))
    return tap.done()


if __name__ == "__main__":
    sys.exit(main())
