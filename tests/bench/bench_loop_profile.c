/* SPDX-License-Identifier: BSD-2-Clause */
#include "bench_loop_profile.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#include "base/clock.h"

#define INTERVAL_NS (100 * NS_PER_US)
#define SAMPLES     (1u << 20)  /* 100 s of them */

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

extern const char __executable_start, etext; /* the linker's */

static timer_t timer;
static bool is_running;
static uint64_t sample[SAMPLES];
static volatile uint32_t n_samples;

static uint64_t pc_of(const ucontext_t *context)
{
#if defined(__x86_64__)
	return (uint64_t)context->uc_mcontext.gregs[REG_RIP];
#elif defined(__aarch64__)
	return context->uc_mcontext.pc;
#else
	(void)context;
	return 0;
#endif
}

static void take(int number, siginfo_t *info, void *context)
{
	(void)number, (void)info;
	if (n_samples < SAMPLES) {
		sample[n_samples] = pc_of(context);
		n_samples = n_samples + 1;
	}
}

bool profile_start(void)
{
	const struct timespec interval = {.tv_nsec = (long)INTERVAL_NS};
	struct itimerspec every = {.it_interval = interval, .it_value = interval};
	struct sigaction action = {.sa_sigaction = take, .sa_flags = SA_SIGINFO | SA_RESTART};
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};

	event.sigev_notify_thread_id = gettid();
	is_running = sigaction(SIGPROF, &action, NULL) == 0 &&
		     timer_create(CLOCK_MONOTONIC, &event, &timer) == 0 &&
		     timer_settime(timer, 0, &every, NULL) == 0;
	return is_running;
}

void profile_stop(void)
{
	if (is_running) {
		timer_delete(timer);
		is_running = false;
	}
}

static int by_value(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

void profile_print(FILE *file)
{
	uint64_t begin = (uint64_t)(uintptr_t)&__executable_start;
	uint64_t end = (uint64_t)(uintptr_t)&etext;
	uint32_t n = n_samples, n_elsewhere = 0;

	qsort(sample, n, sizeof(sample[0]), by_value);
	fprintf(file, "{");
	for (uint32_t i = 0, j; i < n; i = j) {
		for (j = i + 1; j < n && sample[j] == sample[i]; j++) {
		}
		if (sample[i] >= begin && sample[i] < end) {
			fprintf(file, "\"%#llx\": %u, ", (unsigned long long)(sample[i] - begin),
				j - i);
		} else {
			n_elsewhere += j - i;
		}
	}
	fprintf(file, "\"elsewhere\": %u}", n_elsewhere);
}
