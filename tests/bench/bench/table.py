# SPDX-License-Identifier: BSD-2-Clause
"""
The learning table.
"""
from bench import measure

NAME = "table"
CASES = """Looking up, learning and refreshing addresses, beside other tables."""


def run(context):
    """Rows of every case that is wanted."""
    series = {}
    for line in measure.json_lines([context.program("bench_table")]):
        series.setdefault(line["case"], {}).setdefault(line["subject"], []).extend(line["rounds"])
    for case, values in series.items():
        if context.wants(case):
            yield from measure.rows_of(NAME, case, "ns", values)
