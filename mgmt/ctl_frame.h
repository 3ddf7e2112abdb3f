/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* ctl_frame - one frame of `capture` as a line for people. */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <jansson.h>

/* 'row': of the document's `frames`. 'data': its octets. */
void ctl_frame_print(FILE *file, const json_t *row, uint64_t realtime_ns, const uint8_t *data,
		     size_t n);
