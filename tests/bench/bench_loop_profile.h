/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * bench_loop_profile - where a thread is, sampled 10,000 times a second.
 *
 * Threads: one thread is sampled, the one that calls profile_start(); the signal is its own. The
 *          outcome is read when that thread has ended.
 */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* false: no timer. */
bool profile_start(void);
void profile_stop(void);

/*
 * As an object {"0xOFFSET": samples, ...}, by the offset from the program's beginning, which is
 * what nm shows; "elsewhere": in a library.
 */
void profile_print(FILE *file);
