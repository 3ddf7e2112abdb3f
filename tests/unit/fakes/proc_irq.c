/* SPDX-License-Identifier: BSD-2-Clause */
#include "fakes/proc_irq.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>
#include <unistd.h>

struct proc_irq proc_irq;

ssize_t __real_write(int fd, const void *data, size_t bytes);
ssize_t __wrap_write(int fd, const void *data, size_t bytes);

static void bail(const char *what)
{
	printf("Bail out! proc_irq: %s\n", what);
	exit(1);
}

static void path_of(uint32_t irq, const char *file, char path[static 160])
{
	snprintf(path, 160, "%s/proc/irq/%u/%s", proc_irq.root, irq, file);
}

bool proc_irq_open(const char *tree, const char *online)
{
	char command[600];

	proc_irq = (struct proc_irq){ .root = "/tmp/vt-queues-irq.XXXXXX",
				      .managed_irq = UINT32_MAX, .full_cpu = UINT32_MAX };
	if (!mkdtemp(proc_irq.root) ||
	    !numset_parse(online, 0, NUMSET_MAX - 1, &proc_irq.online)) {
		return false;
	}
	snprintf(command, sizeof(command), "cp -R '%s/.' %s && chmod -R u+w,a+rX %s", tree,
		 proc_irq.root, proc_irq.root);
	return system(command) == 0;
}

void proc_irq_close(void)
{
	char command[100];

	snprintf(command, sizeof(command), "rm -rf %s", proc_irq.root);
	if (system(command) != 0) {
		bail(command);
	}
}

const char *proc_irq_text(uint32_t irq, const char *file)
{
	static char text[4096];
	char path[160];
	FILE *f;

	path_of(irq, file, path);
	f = fopen(path, "re");
	if (!f) {
		return "-";
	}
	if (!fgets(text, sizeof(text), f)) {
		text[0] = '\0';
	}
	text[strcspn(text, "\n")] = '\0';
	fclose(f);
	return text;
}

void proc_irq_write(uint32_t irq, const char *file, const char *text)
{
	char path[160];
	FILE *f;

	path_of(irq, file, path);
	f = fopen(path, "we");
	if (!f || fprintf(f, "%s\n", text) < 0 || fclose(f) != 0) {
		bail(path);
	}
}

/* The interrupt whose affinity file 'fd' is; -1: another file. */
static int64_t irq_of(int fd)
{
	char link[32], path[160], *rest;
	size_t n_root = strlen(proc_irq.root);
	unsigned long irq;
	ssize_t n;

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	path[n > 0 ? n : 0] = '\0';
	if (n_root == 0 || strncmp(path, proc_irq.root, n_root) != 0 ||
	    strncmp(path + n_root, "/proc/irq/", 10) != 0) {
		return -1;
	}
	irq = strtoul(path + n_root + 10, &rest, 10);
	return strcmp(rest, "/smp_affinity_list") == 0 ? (int64_t)irq : -1;
}

/* The errno with which the kernel would refuse, or 0: the order is that of its own checks. */
static int refusal(uint32_t irq, const char *text, struct numset *ret)
{
	bool served = false;

	if (irq == proc_irq.managed_irq) {
		return proc_irq.managed_error;
	}
	if (!numset_parse(text, 0, NUMSET_MAX - 1, ret)) {
		return EINVAL;
	}
	for (uint32_t cpu = numset_next(ret, 0); cpu < NUMSET_MAX;
	     cpu = numset_next(ret, cpu + 1)) {
		if (cpu >= 512) {
			return ERANGE;
		}
		served = served || numset_has(&proc_irq.online, cpu);
	}
	if (!served) {
		return EINVAL;
	}
	if (numset_count(ret) == 1 && numset_has(ret, proc_irq.full_cpu)) {
		return ENOSPC;
	}
	return 0;
}

static void take(uint32_t irq, const struct numset *cpus)
{
	char text[4096];

	proc_irq_write(irq, "smp_affinity_list", numset_format(cpus, text, sizeof(text)));
	for (uint32_t cpu = numset_next(cpus, 0); cpu < NUMSET_MAX && !proc_irq.lags;
	     cpu = numset_next(cpus, cpu + 1)) {
		if (numset_has(&proc_irq.online, cpu)) {
			snprintf(text, sizeof(text), "%u", cpu);
			proc_irq_write(irq, "effective_affinity_list", text);
			break;
		}
	}
}

ssize_t __wrap_write(int fd, const void *data, size_t bytes)
{
	int64_t irq = irq_of(fd);
	struct numset cpus;
	char text[4096];

	if (irq < 0) {
		return __real_write(fd, data, bytes);
	}
	if (bytes >= sizeof(text)) {
		bail("a long list");
	}
	memcpy(text, data, bytes);
	text[bytes] = '\0';
	text[strcspn(text, "\n")] = '\0';
	proc_irq.n_writes++;
	errno = refusal((uint32_t)irq, text, &cpus);
	if (errno) {
		return -1;
	}
	if (!proc_irq.forgets) {
		take((uint32_t)irq, &cpus);
	}
	return (ssize_t)bytes;
}
