# SPDX-License-Identifier: BSD-2-Clause
"""
The benches, a module each. A module has NAME, CASES (what it measures, and how: its first line is
what --list shows) and run(context), which yields measure.Row.
"""
