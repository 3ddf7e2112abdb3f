/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/* status - the exit statuses of viaductd (manual 2), in their order: STATUS_OK is 0. */
enum status {
	STATUS_OK,
	STATUS_FAILED,          /* while running */
	STATUS_USAGE,
	STATUS_FILE,            /* editing the file can mend it */
	STATUS_MACHINE,         /* the machine cannot do it */
};
