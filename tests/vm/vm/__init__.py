# SPDX-License-Identifier: BSD-2-Clause
"""Virtual machines with real multi-queue drivers, and viaductd inside. See ../README.md."""
