/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * keep_writer - the thread that writes the file of learned addresses, so that a slow or dead disk
 * keeps nobody waiting.
 *
 * Fits:    keep.c gives it one piece of work after the other.
 * Threads: control calls all of this; the thread itself sees the pieces and nothing else.
 * Disk:    a new file beside the old one, which it replaces when it is whole. It is never synced:
 *          the file is for a later process of this boot, which finds it in the page cache, and one
 *          that a power failure cut short is refused by its sum, and by its boot before that.
 */
#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "daemon/keep_file.h"

struct keep_writer;

enum keep_work {
	KEEP_WORK_BEGIN,                /* an empty new file */
	KEEP_WORK_APPEND,               /* the bytes of keep_writer_buf() */
	KEEP_WORK_END,                  /* the header; the new file takes the old one's place */
	KEEP_WORK_FORGET,               /* no file any more */
};

#define KEEP_WRITER_BYTES (256u * 1024)

/* 'dir_fd' stays the caller's, open until keep_writer_close() has returned true. 0 or -errno. */
int keep_writer_open(int dir_fd, struct keep_writer **ret, struct err *reterr);

/*
 * Ends the thread once its work is done, at 'deadline_ns' (monotonic) at the latest: false, and it
 * is left behind with its memory. NULL is fine.
 */
bool keep_writer_close(struct keep_writer *writer, uint64_t deadline_ns);

/* Readable when the work posted is done. */
int keep_writer_fd(const struct keep_writer *writer);

/* Nothing is under way, and the result of the last work was taken. */
bool keep_writer_is_idle(const struct keep_writer *writer);

/* KEEP_WRITER_BYTES, the caller's while the writer is idle. */
void *keep_writer_buf(struct keep_writer *writer);

/* An idle writer only. 'bytes' of the buffer; 'header' for KEEP_WORK_END. */
void keep_writer_post(struct keep_writer *writer, enum keep_work work, uint32_t bytes,
		      const struct keep_header *header);

/* true: the work is done, 0 or -errno in '*ret_error'. */
bool keep_writer_take(struct keep_writer *writer, int *ret_error);

/* Waits until there is a result to take, or until the deadline: false. */
bool keep_writer_wait(const struct keep_writer *writer, uint64_t deadline_ns);
