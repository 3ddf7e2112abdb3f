#!/usr/bin/python3
# SPDX-License-Identifier: BSD-2-Clause
"""
The house rules that a machine can check: lengths of lines, functions and files, the licence line,
white space, and calls that have a better sister. Prints TAP, and the lengths of functions.
"""
import ast
import re

import source

COLUMNS, TAB = 100, 8
FUNCTION_LINES, FILE_LINES = 80, 600
MEDIAN_LINES, P90_LINES = 20, 50
SPDX = "SPDX-License-Identifier: "
BANNED = re.compile(r"\b(sprintf|strcpy|strcat|gets|system|sleep|usleep)\s*\(")
BETTER = {"sprintf": "snprintf", "strcpy": "snprintf or memcpy", "strcat": "snprintf",
          "gets": "fgets", "system": "posix_spawn", "sleep": "an event with a deadline",
          "usleep": "an event with a deadline"}


def c_functions(text):
    """
    (first line, lines) of each function: from its brace in the first column to the closing one.
    """
    start, previous = None, ""
    for number, line in enumerate(source.code_only(text).splitlines(), 1):
        # An initializer or a struct ends its opening line with the brace; a function's stands
        # alone.
        if line.rstrip() == "{" and previous.rstrip() and not previous.rstrip().endswith("="):
            start = number
        elif line.startswith("}") and start is not None:
            yield start, number - start + 1
            start = None
        if line.strip():
            previous = line


def python_functions(text):
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield node.lineno, node.end_lineno - node.lineno + 1


def shell_functions(text):
    start = None
    for number, line in enumerate(text.splitlines(), 1):
        if re.match(r"(function\s+)?[\w-]+\s*\(\)\s*\{?$", line):
            start = number
        elif line == "}" and start is not None:
            yield start, number - start + 1
            start = None


FUNCTIONS = {"c": c_functions, "python": python_functions, "shell": shell_functions}


def check(path, text):
    """Findings of one file as (rule, text)."""
    kind = source.kind(path, text)
    if kind is None:
        return
    lines = text.splitlines()
    for number, line in enumerate(lines, 1):
        width = len(line.expandtabs(TAB))
        if width > COLUMNS:
            yield "columns", f"{path}:{number}: {width} columns"
        if line != line.rstrip():
            yield "space", f"{path}:{number}: space at the end of the line"
    if text and not text.endswith("\n"):
        yield "space", f"{path}: no newline at the end"
    if text.endswith("\n\n"):
        yield "space", f"{path}: an empty line at the end"
    head = lines[1:2] if lines and lines[0].startswith("#!") else lines[:1]
    if not head or SPDX not in head[0]:
        yield "spdx", f"{path}: no SPDX licence line at its head"
    if len(lines) > FILE_LINES:
        yield "file", f"{path}: {len(lines)} lines"
    for number, n in FUNCTIONS[kind](text):
        if n > FUNCTION_LINES:
            yield "function", f"{path}:{number}: a function of {n} lines"
    if kind == "c" and path.split("/")[0] in source.PRODUCT:
        code = source.code_only(text)
        for match in BANNED.finditer(code):
            number = code.count("\n", 0, match.start()) + 1
            yield "banned", f"{path}:{number}: {match.group(1)}; use {BETTER[match.group(1)]}"


RULES = {"columns": f"lines have at most {COLUMNS} columns, tabs of {TAB}",
         "space": "no space at the end of lines, one newline at the end of files",
         "spdx": "every source file names its licence first",
         "file": f"files have at most {FILE_LINES} lines",
         "function": f"functions have at most {FUNCTION_LINES} lines",
         "banned": "no call that has a better sister: " + ", ".join(BETTER)}

HEAD = "/* SPDX-License-Identifier: BSD-2-Clause */\n"
BAD = (
    ("columns", "base/a.h", HEAD + "/* " + "x" * 100 + " */\n"),
    ("columns", "base/a.c", HEAD + "\t" * 12 + "abcdef\n"),
    ("space", "base/a.c", HEAD + "int a; \n"),
    ("space", "base/a.c", HEAD + "int a;"),
    ("space", "base/a.c", HEAD + "int a;\n\n"),
    ("spdx", "base/a.c", "int a;\n"),
    ("spdx", "tests/a.sh", "#!/bin/sh\necho\n"),
    ("file", "base/a.c", HEAD + "int a;\n" * 600),
    ("function", "base/a.c", HEAD + "void f(void)\n{\n" + "\tg();\n" * 79 + "}\n"),
    ("function", "tests/a.py", "# " + SPDX + "x\ndef f():\n" + "    g()\n" * 80),
    ("function", "tests/a.sh", "#!/bin/sh\n# " + SPDX + "x\nf() {\n" + "\tg\n" * 80 + "}\n"),
    *(("banned", "daemon/a.c", HEAD + f"void f(void)\n{{\n\t{word}(x);\n}}\n") for word in BETTER),
)
GOOD = (
    ("base/a.c", HEAD + "/* sleep(1) and system(3) are words here */\nchar *s = \"strcpy(\";\n"),
    ("base/a.c", HEAD + "void f(void)\n{\n\tclock_nanosleep(x);\n\tvsnprintf(y);\n" +
     "\tg();\n" * 76 + "}\n"),
    ("base/a.c", HEAD + "static const int table[] =\n{\n" + "\t1,\n" * 100 + "};\n"),
)


def self_test():
    """Lines about samples that are judged wrongly."""
    for rule, path, text in BAD:
        if rule not in {r for r, _ in check(path, text)}:
            yield f"not found: {rule} in {path}: {text[:60]!r}"
    for path, text in GOOD:
        for rule, finding in check(path, text):
            yield f"wrongly found: {rule}: {finding}"
    long_median, long_tail = [21] * 9, [10] * 8 + [51] * 2
    if judge_lengths([10] * 9 + [30]) or not judge_lengths(long_median) \
            or not judge_lengths(long_tail):
        yield "the lengths of functions are judged wrongly"


def quantile(sorted_values, share):
    return sorted_values[min(len(sorted_values) - 1, int(share * len(sorted_values)))]


def judge_lengths(lengths):
    """Findings about the median and the ninth tenth of the lengths of functions."""
    lengths = sorted(lengths)
    median, p90 = quantile(lengths, 0.5), quantile(lengths, 0.9)
    findings = []
    if median > MEDIAN_LINES:
        findings.append(f"median {median} lines")
    if p90 > P90_LINES:
        findings.append(f"ninth tenth {p90} lines")
    return findings


def main():
    report = source.Report()
    report.case("style.py finds what is wrong in bad samples and nothing in good ones",
                list(self_test()))
    findings, lengths = {rule: [] for rule in RULES}, []
    for path in source.project_files():
        text = source.read(path)
        for rule, line in check(path, text):
            findings[rule].append(line)
        if source.is_c(path) and path.split("/")[0] in source.PRODUCT:
            lengths += [n for _, n in c_functions(text)]
    for rule, text in RULES.items():
        report.case(text, findings[rule])
    report.case(f"functions of the product: median at most {MEDIAN_LINES} lines, ninth tenth at "
                f"most {P90_LINES}", judge_lengths(lengths))
    lengths.sort()
    print(f"# {len(lengths)} functions: median {quantile(lengths, 0.5)}, ninth tenth "
          f"{quantile(lengths, 0.9)}, longest {lengths[-1]} lines")
    report.done()


if __name__ == "__main__":
    main()
