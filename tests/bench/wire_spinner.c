/* SPDX-License-Identifier: BSD-2-Clause */
#include "wire_spinner.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"

__attribute__((noreturn)) static void spin(uint32_t cpu)
{
	struct sched_param none = {0};
	cpu_set_t set;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	close(STDOUT_FILENO); /* whoever reads it waits for the last writer */
	close(STDERR_FILENO);
	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	sched_setaffinity(0, sizeof(set), &set);
	sched_setscheduler(0, SCHED_IDLE, &none);
	for (;;) {
		__asm__ volatile("" ::: "memory");
	}
}

int wire_spinner_start(struct wire_spinner *spinner, uint32_t cpu)
{
	spinner->pid = fork();
	if (spinner->pid < 0) {
		return -errno;
	}
	if (spinner->pid == 0) {
		spin(cpu);
	}
	return -clock_getcpuclockid(spinner->pid, &spinner->clock);
}

void wire_spinner_end(struct wire_spinner *spinner)
{
	struct sched_param none = {0};

	if (spinner->pid <= 0) {
		return;
	}
	/* It could not even die while others want the core. */
	sched_setscheduler(spinner->pid, SCHED_OTHER, &none);
	kill(spinner->pid, SIGKILL);
	waitpid(spinner->pid, NULL, 0);
	spinner->pid = 0;
}

uint64_t wire_spinner_ns(const struct wire_spinner *spinner)
{
	struct timespec ts;

	clock_gettime(spinner->clock, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}
