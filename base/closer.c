/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/closer.h"

#include <unistd.h>

#define STACK_BYTES (64u << 10)

static void *closer_run(void *arg)
{
	close((int)(intptr_t)arg);
	return NULL;
}

void closer_close(struct closer *closer, int fd)
{
	pthread_attr_t attr;
	int r = -1;

	if (closer && closer->n < CLOSER_THREADS_MAX && pthread_attr_init(&attr) == 0) {
		(void)pthread_attr_setstacksize(&attr, STACK_BYTES);
		r = pthread_create(&closer->thread[closer->n], &attr, closer_run,
				   (void *)(intptr_t)fd);
		pthread_attr_destroy(&attr);
	}
	if (r == 0) {
		closer->n++;
	} else {
		close(fd);
	}
}

void closer_wait(struct closer *closer)
{
	while (closer->n > 0) {
		pthread_join(closer->thread[--closer->n], NULL);
	}
}
