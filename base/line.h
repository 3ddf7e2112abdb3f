/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* line - the first line of a small file of /proc, /sys or /etc. Any thread but workers. */
#include <stdbool.h>
#include <stddef.h>

/* Another one after every boot. */
#define LINE_BOOT_ID "/proc/sys/kernel/random/boot_id"

/* Without its newline, cut to what fits. false: there is no file, or nothing in it; 'buf' is "". */
bool line_read(const char *path, char *buf, size_t buf_bytes);
