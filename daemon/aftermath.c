/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/aftermath.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/status.h"
#include "queues/device.h"
#include "queues/journal.h"

static int put_back(const char *runtime_dir, struct opener *opener)
{
	struct journal *journal;
	struct err err = {""};
	uint32_t n_left;
	int r = journal_open(runtime_dir, &journal, &err);

	if (r < 0) {
		log_err("%s", err.text);
		return STATUS_MACHINE;
	}
	if (r == 1) {
		log_warn("%s", err.text);
	}
	n_left = device_restore(DEVICE_ALL, opener, journal, log_note);
	journal_close(journal);
	return n_left ? STATUS_FAILED : STATUS_OK;
}

int aftermath_run(const char *runtime_dir, struct opener *opener)
{
	const char *result = getenv("SERVICE_RESULT");

	if (!result || !result[0]) {
		return put_back(runtime_dir, opener);
	}
	if (strcmp(result, "success") != 0) {
		log_info("the service ended with '%s'; its settings and host ports stay for the "
			 "next start, or for 'viaductd --restore' by hand", result);
	}
	return STATUS_OK;
}
