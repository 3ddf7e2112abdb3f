/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * err - one line that tells what failed, where, why and what to do.
 *
 * Fits:    the last argument of everything that can fail on the control side; main.c and mgmt print
 *          it.
 * Threads: an err belongs to its caller. The data plane counts instead and never makes one.
 */
#include <stdarg.h>

#define ERR_TEXT_BYTES 512

struct err {
	char text[ERR_TEXT_BYTES];      /* without a newline; empty: no error */
};

/*
 * Writes the text into 'reterr' (NULL: nobody wants it) and returns -errnum, so that a failing
 * function can end in "return err_set(...)". 'errnum' is positive; its name is not appended.
 */
int err_set(struct err *reterr, int errnum, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/*
 * Puts "prefix: " before the text that is there, for a caller that knows more of the context.
 * Returns 'error' as it was.
 */
int err_prefix(struct err *reterr, int error, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* "EOPNOTSUPP" for 95; "error 1234" for a number without a name. Static storage or 'buf'. */
const char *err_name(int errnum, char buf[static 24]);
