/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * wire_spinner - a process of the lowest class that keeps one core awake, and gets of it what
 * nobody else wants: its CPU time is the core's idle time. It ends with the process that made it.
 */
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

struct wire_spinner {
	pid_t pid;
	clockid_t clock;
};

/* 0 or -errno. Before anything is opened that the new process should not hold. */
int wire_spinner_start(struct wire_spinner *spinner, uint32_t cpu);

/* Ends it and waits for that; one that was not started is fine. */
void wire_spinner_end(struct wire_spinner *spinner);

/* How long the core has been idle since the start. */
uint64_t wire_spinner_ns(const struct wire_spinner *spinner);
