/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * shortage - memory or sockets that a program's main thread does not get: the lab's LD_PRELOAD.
 *
 * The file that VT_SHORTAGE names is 'struct shortage', shared with lab/shortage.py: requests of
 * one kind are counted, and of those the ones from 'first' on, before 'end', are refused.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

enum kind {
	MEMORY,
	SOCKETS,
};

struct shortage {
	_Atomic uint64_t kind, n_asked, first, end, n_refused;
};

/* What glibc's own are called, for those that take their places. */
void *__libc_malloc(size_t bytes);
void *__libc_calloc(size_t n, size_t bytes);
void *__libc_realloc(void *mem, size_t bytes);
void *__libc_memalign(size_t align, size_t bytes);

static struct shortage *shortage;
static pid_t pid;

__attribute__((constructor)) static void shortage_open(void)
{
	const char *path = getenv("VT_SHORTAGE");
	int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
	void *mem;

	if (fd < 0) {
		return;
	}
	mem = mmap(NULL, sizeof(*shortage), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	close(fd);
	if (mem != MAP_FAILED) {
		pid = getpid();
		shortage = mem;
	}
}

/* Neither other threads, whose requests come at any time, nor children. */
static bool is_refused(enum kind kind, int error)
{
	uint64_t n;

	if (!shortage || shortage->kind != kind || gettid() != pid) {
		return false;
	}
	n = shortage->n_asked++;
	if (n < shortage->first || n >= shortage->end) {
		return false;
	}
	shortage->n_refused++;
	errno = error;
	return true;
}

void *malloc(size_t bytes)
{
	return is_refused(MEMORY, ENOMEM) ? NULL : __libc_malloc(bytes);
}

void *calloc(size_t n, size_t bytes)
{
	return is_refused(MEMORY, ENOMEM) ? NULL : __libc_calloc(n, bytes);
}

void *realloc(void *mem, size_t bytes)
{
	return is_refused(MEMORY, ENOMEM) ? NULL : __libc_realloc(mem, bytes);
}

void *aligned_alloc(size_t align, size_t bytes)
{
	return is_refused(MEMORY, ENOMEM) ? NULL : __libc_memalign(align, bytes);
}

int posix_memalign(void **ret, size_t align, size_t bytes)
{
	void *mem = is_refused(MEMORY, ENOMEM) ? NULL : __libc_memalign(align, bytes);

	if (!mem) {
		return ENOMEM;
	}
	*ret = mem;
	return 0;
}

void *mmap(void *at, size_t bytes, int protection, int flags, int fd, off_t offset)
{
	if (is_refused(MEMORY, ENOMEM)) {
		return MAP_FAILED;
	}
	return (void *)syscall(SYS_mmap, at, bytes, protection, flags, fd, offset);
}

int socket(int family, int type, int protocol)
{
	return is_refused(SOCKETS, EMFILE) ? -1
					   : (int)syscall(SYS_socket, family, type, protocol);
}
