# SPDX-License-Identifier: BSD-2-Clause
"""The wire lab: namespaces, raw frames and a running viaductd."""
