/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * fuzz - what the fuzz targets share. A target defines LLVMFuzzerTestOneInput(). With libFuzzer it
 * becomes a fuzzer; with replay.c a program that runs it over files and folders, for any compiler.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* Stays in release builds, unlike assert(). */
#define FUZZ_ASSERT(condition)                                                        \
	do {                                                                          \
		if (!(condition)) {                                                   \
			fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #condition); \
			abort();                                                      \
		}                                                                     \
	} while (0)
