# SPDX-License-Identifier: BSD-2-Clause
"""
A strict reader of what metrics are told as: OpenMetrics 1.0, and the format 0.0.4 of Prometheus.

    families = openmetrics.read(text)               # Malformed, with the line, where it is not
    openmetrics.only_grew(before, after)            # lines about counters that went back
    families["viaduct_macs"].samples[(("bridge", "lan"), ("type", "static"))]

It holds texts to more than a scraper does: to the order of lines, to units in names, to one set of
label names in a family, to what `promtool check metrics` finds fault with.
"""
import math
import re

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\["\\n])*)"')
SAMPLE = re.compile(rf"({NAME})(?:\{{(.*)\}})? (\S+)$")
META = re.compile(rf"# (TYPE|UNIT|HELP) ({NAME}) (.+)$")
NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?(e[+-][0-9]+)?$")
SUFFIX = {"counter": "_total", "gauge": "", "info": "_info"}
BASE_UNITS = ("seconds", "bytes", "bytes_per_second")
NOT_BASE = re.compile(r"_(ms|us|ns|millis\w*|micros\w*|nanos\w*|minutes|hours|days|kb|mb|gb|"
                      r"kilo\w*|mega\w*|bits|mbps|pct|percent)(_|$)")


class Malformed(Exception):
    """The text breaks a rule."""


class Family:
    """`samples`: {((label, value), ...) sorted: number}."""

    def __init__(self, name):
        self.name, self.type, self.unit, self.help, self.samples = name, None, None, None, {}

    def value(self, **labels):
        return self.samples[tuple(sorted(labels.items()))]

    def total(self, **labels):
        """The sum over all samples that have these labels."""
        return sum(v for k, v in self.samples.items() if set(labels.items()) <= set(k))


def require(condition, line, why):
    if not condition:
        raise Malformed(f"{why}: {line!r}")


def unescape(text):
    return re.sub(r"\\(.)", lambda m: "\n" if m.group(1) == "n" else m.group(1), text)


def read_labels(text, line):
    labels, at = [], 0
    while text:
        match = LABEL.match(text, at)
        require(match, line, "labels that cannot be read")
        labels.append((match.group(1), unescape(match.group(2))))
        at = match.end()
        if at == len(text):
            break
        require(text[at] == ",", line, "labels without a comma between them")
        at += 1
    names = [name for name, _ in labels]
    require(len(set(names)) == len(names), line, "a label twice")
    require(not any(name.startswith("__") for name in names), line, "a reserved label")
    require(all(value for _, value in labels), line, "an empty label, which is none")
    return tuple(sorted(labels))


def read_meta(family, what, value, line):
    require(not family.samples, line, "what a family is stands behind its samples")
    require(getattr(family, what.lower()) is None, line, f"{what} twice")
    if what == "TYPE":
        require(value in SUFFIX, line, "a type that we do not use")
    if what == "HELP":
        require(value[0].isupper() or value[0].isdigit(), line, "a help text that is no sentence")
        require(value.endswith("."), line, "a help text without its full stop")
    setattr(family, what.lower(), value)


def sample_name(family, text_format):
    """What a family's samples are called."""
    return family.name if text_format == "prometheus" else family.name + SUFFIX[family.type]


def read_sample(family, line, text_format):
    match = SAMPLE.match(line)
    require(match, line, "a line that is no sample")
    name, labels, value = match.groups()
    require(family and family.type and family.help, line, "a sample before TYPE and HELP")
    require(name == sample_name(family, text_format), line, "a sample of another family")
    require(NUMBER.match(value), line, "no number")
    labels = read_labels(labels, line) if labels is not None else ()
    require(labels not in family.samples, line, "a series twice")
    number = float(value) if re.search(r"[.e]", value) else int(value)
    require(math.isfinite(number), line, "not finite")
    require(family.type != "counter" or number >= 0, line, "a counter below zero")
    require(not name.endswith("_info") or number == 1, line, "an info that is not 1")
    family.samples[labels] = number


def check_names(families, text_format):
    for family in families.values():
        name, line = family.name, f"family {family.name}"
        require(family.type and family.help, line, "no TYPE or HELP")
        require(re.fullmatch(r"viaduct(_[a-z0-9]+)+", name), line, "not our spelling")
        require(not NOT_BASE.search(name), line, "a unit that is no base unit")
        require(not re.search(r"_(counter|gauge|info|count|sum|bucket)$", name)
                or text_format == "prometheus", line, "a suffix that means something else")
        if text_format == "prometheus":
            require((family.type == "counter") == name.endswith("_total"), line, "_total")
            require(family.unit is None, line, "a UNIT, which 0.0.4 does not know")
            continue
        require(not name.endswith("_total"), line, "_total belongs to the sample")
        if family.unit:
            require(family.unit in BASE_UNITS and name.endswith("_" + family.unit), line, "UNIT")
        for unit in BASE_UNITS:
            require(not name.endswith("_" + unit) or family.unit, line, "no UNIT")


def check_labels(family):
    """One set of label names; an info may leave out what it does not know."""
    sets = {tuple(name for name, _ in labels) for labels in family.samples}
    require(len(sets) <= 1 or family.type == "info" or family.name.endswith("_info"),
            f"family {family.name}", f"labels differ: {sets}")


def read(text, text_format="openmetrics"):
    """{name: Family}; `text_format`: openmetrics, prometheus."""
    require("\r" not in text and text.endswith("\n"), text[-20:], "lines end with a newline")
    lines = text[:-1].split("\n")
    if text_format == "openmetrics":
        require(lines.pop() == "# EOF", text[-20:], "no # EOF at the end")
    families, family = {}, None
    for line in lines:
        if not line.startswith("#"):
            read_sample(family, line, text_format)
            continue
        match = META.match(line)
        require(match, line, "a comment of no known form")
        what, name, value = match.groups()
        if family is None or name != family.name:
            require(name not in families, line, "a family in two places")
            family = families[name] = Family(name)
        read_meta(family, what, value, line)
    check_names(families, text_format)
    for family in families.values():
        check_labels(family)
    return families


def only_grew(before, after):
    """Lines about counters that are smaller than before, or gone."""
    wrong = []
    for name, family in before.items():
        for labels, value in family.samples.items() if family.type == "counter" else ():
            now = after[name].samples.get(labels)
            if now is None or now < value:
                wrong.append(f"{name}{dict(labels)}: {value}, then {now}")
    return wrong


# ---- the reader itself ----

HEAD = "# TYPE viaduct_a gauge\n# HELP viaduct_a A.\n"
GOOD = (
    "# EOF\n",
    HEAD + "# EOF\n",
    HEAD + "viaduct_a 0\n# EOF\n",
    HEAD + 'viaduct_a{b="x\\"\\\\\\n,}",c="é"} 1.5e+20\n# EOF\n',
    "# TYPE viaduct_a_bytes counter\n# UNIT viaduct_a_bytes bytes\n# HELP viaduct_a_bytes A.\n"
    "viaduct_a_bytes_total 18446744073709551615\n# EOF\n",
    "# TYPE viaduct_a info\n# HELP viaduct_a A.\nviaduct_a_info{b=\"1\"} 1\n# EOF\n",
)
BAD = (
    ("no # EOF", HEAD),
    ("no # EOF", HEAD + "# EOF\n\n"),
    ("lines end", HEAD + "# EOF"),
    ("no sample", HEAD + "\n# EOF\n"),
    ("no known form", HEAD + "# EOF\nviaduct_a 1\n# EOF\n"),
    ("before TYPE", "viaduct_a 1\n# EOF\n"),
    ("before TYPE", "# TYPE viaduct_a gauge\nviaduct_a 1\n# EOF\n"),
    ("TYPE twice", HEAD + "# TYPE viaduct_a gauge\n# EOF\n"),
    ("behind its samples", HEAD + "viaduct_a 1\n# HELP viaduct_a A.\n# EOF\n"),
    ("in two places", HEAD + HEAD.replace("_a", "_b") + HEAD + "# EOF\n"),
    ("another family", HEAD + "viaduct_b 1\n# EOF\n"),
    ("another family", HEAD.replace("gauge", "counter") + "viaduct_a 1\n# EOF\n"),
    ("below zero", HEAD.replace("gauge", "counter") + "viaduct_a_total -1\n# EOF\n"),
    ("not 1", HEAD.replace("gauge", "info") + "viaduct_a_info 0\n# EOF\n"),
    ("series twice", HEAD + 'viaduct_a{b="1",c="2"} 1\nviaduct_a{c="2",b="1"} 1\n# EOF\n'),
    ("a label twice", HEAD + 'viaduct_a{b="1",b="2"} 1\n# EOF\n'),
    ("empty label", HEAD + 'viaduct_a{b=""} 1\n# EOF\n'),
    ("cannot be read", HEAD + 'viaduct_a{b="1",} 1\n# EOF\n'),
    ("cannot be read", HEAD + 'viaduct_a{b="\\x"} 1\n# EOF\n'),
    ("without a comma", HEAD + 'viaduct_a{b="1"c="2"} 1\n# EOF\n'),
    ("no number", HEAD + "viaduct_a nan\n# EOF\n"),
    ("no number", HEAD + "viaduct_a 01\n# EOF\n"),
    ("no sample", HEAD + "viaduct_a 1 1700000000 x\n# EOF\n"),
    ("labels differ", HEAD + 'viaduct_a{b="1"} 1\nviaduct_a 1\n# EOF\n'),
    ("no TYPE or HELP", "# TYPE viaduct_a gauge\n# EOF\n"),
    ("not our spelling", HEAD.replace("viaduct_a", "other_a") + "# EOF\n"),
    ("base unit", HEAD.replace("_a", "_a_ms") + "# EOF\n"),
    ("no UNIT", HEAD.replace("_a", "_a_seconds") + "# EOF\n"),
    ("_total belongs", HEAD.replace("_a", "_a_total") + "# EOF\n"),
)


def self_test():
    """Lines about samples that are judged wrongly."""
    for text in GOOD:
        try:
            read(text)
        except Malformed as error:
            yield f"wrongly refused: {error}"
    for why, text in BAD:
        try:
            read(text)
            yield f"not refused ({why}): {text!r}"
        except Malformed as error:
            if why not in str(error):
                yield f"refused for {error}, not for {why}"
