/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/err.h"

#include <stdio.h>
#include <string.h>

int err_set(struct err *reterr, int errnum, const char *fmt, ...)
{
	if (reterr) {
		va_list ap;

		va_start(ap, fmt);
		vsnprintf(reterr->text, sizeof(reterr->text), fmt, ap);
		va_end(ap);
	}
	return -errnum;
}

int err_prefix(struct err *reterr, int error, const char *fmt, ...)
{
	if (reterr) {
		char was[ERR_TEXT_BYTES];
		va_list ap;
		int n;

		memcpy(was, reterr->text, sizeof(was));
		va_start(ap, fmt);
		n = vsnprintf(reterr->text, sizeof(reterr->text), fmt, ap);
		va_end(ap);
		if (n >= 0 && (size_t)n < sizeof(reterr->text)) {
			snprintf(reterr->text + n, sizeof(reterr->text) - (size_t)n, ": %s", was);
		}
	}
	return error;
}

const char *err_name(int errnum, char buf[static 24])
{
	const char *name = strerrorname_np(errnum);

	if (!name) {
		snprintf(buf, 24, "error %d", errnum);
		name = buf;
	}
	return name;
}
