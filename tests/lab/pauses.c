/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * pauses - how long each CPU was taken away from everybody. A tool of the lab, not installed.
 *
 *   pauses          watches until standard input ends, then prints {"longest_ms": [3.1, 86.0]}
 *
 * A thread on each CPU, of the highest real-time priority, wants to run every millisecond. Nothing
 * that a test starts can hold it up; what can is the host of a virtual machine. Where it was held
 * up for longer than a test's buffers last, frames that the test lost say nothing of the program.
 */
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#define TICK_NS	 1000000L
#define NS_PER_S 1000000000L

struct watch {
	pthread_t thread;
	int cpu;
	_Atomic int64_t longest_ns;
};

static int64_t since_ns(const struct timespec *then)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (now.tv_sec - then->tv_sec) * NS_PER_S + (now.tv_nsec - then->tv_nsec);
}

static void *watch_main(void *arg)
{
	struct watch *watch = arg;

	for (;;) {
		struct timespec begin, tick = {.tv_nsec = TICK_NS};
		int64_t late_ns;

		clock_gettime(CLOCK_MONOTONIC, &begin);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &tick, NULL);
		late_ns = since_ns(&begin) - TICK_NS;
		if (late_ns > watch->longest_ns) {
			watch->longest_ns = late_ns;
		}
	}
	return NULL;
}

static int watch_start(struct watch *watch, int cpu)
{
	struct sched_param param = {.sched_priority = sched_get_priority_max(SCHED_FIFO)};
	pthread_attr_t attr;
	cpu_set_t set;
	int error;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	watch->cpu = cpu;
	pthread_attr_init(&attr);
	pthread_attr_setaffinity_np(&attr, sizeof(set), &set);
	pthread_attr_setinheritsched(&attr, PTHREAD_EXPLICIT_SCHED);
	pthread_attr_setschedpolicy(&attr, SCHED_FIFO);
	pthread_attr_setschedparam(&attr, &param);
	error = pthread_create(&watch->thread, &attr, watch_main, watch);
	pthread_attr_destroy(&attr);
	return error;
}

int main(void)
{
	static struct watch watch[CPU_SETSIZE];
	cpu_set_t allowed;
	int n = 0;
	char c;

	if (mlockall(MCL_CURRENT | MCL_FUTURE) != 0 ||
	    sched_getaffinity(0, sizeof(allowed), &allowed) != 0) {
		perror("pauses");
		return 1;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		int error = CPU_ISSET(cpu, &allowed) ? watch_start(&watch[n++], cpu) : 0;

		if (error != 0) {
			fprintf(stderr, "pauses: CPU %d: %s\n", cpu, strerror(error));
			return 1;
		}
	}
	while (read(STDIN_FILENO, &c, 1) > 0) {
	}
	printf("{\"longest_ms\": [");
	for (int i = 0; i < n; i++) {
		printf("%s%.1f", i > 0 ? ", " : "", (double)watch[i].longest_ns / 1e6);
	}
	printf("]}\n");
	return 0;
}
