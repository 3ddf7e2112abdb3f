/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * faults - an act in a child that is killed at the N-th point of the journal: journal.h, "Faults".
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * Runs 'act' to the point 'fault' (0: to its end). The signal that ended it; 0: none, -1: it
 * failed.
 */
static inline int faults_run(void (*act)(void), unsigned long fault, const char *count_file)
{
	char number[32];
	int status = 0;
	pid_t pid;

	snprintf(number, sizeof(number), "%lu", fault);
	fflush(stdout);
	pid = fork();
	if (pid == 0) {
		setenv("VIADUCT_FAULT", number, 1);
		setenv("VIADUCT_FAULT_COUNT", count_file, 1);
		act();
		_exit(0);
	}
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : status ? -1 : 0;
}

/* How many points the last run passed. */
static inline unsigned long faults_passed(const char *count_file)
{
	FILE *file = fopen(count_file, "re");
	unsigned long n = 0;

	if (file) {
		n = fscanf(file, "%lu", &n) == 1 ? n : 0;
		fclose(file);
	}
	return n;
}

/* How many points there are; 0: the act failed. */
static inline unsigned long faults_points(void (*act)(void), const char *count_file)
{
	return faults_run(act, 0, count_file) == 0 ? faults_passed(count_file) : 0;
}
