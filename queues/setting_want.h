/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * setting_want - from what the file asks of a device, and what it is, to what each setting is to
 * be; every refusal that can be known beforehand. Reads the device, changes nothing. Private to
 * queues/.
 */
#include <stdint.h>

#include "base/err.h"
#include "queues/device_settings.h"
#include "queues/setting.h"

struct setting_job {
	const char *ifname;
	const struct device_settings *settings;
	struct device_info device;
};

int setting_job_init(struct setting_job *job, const char *ifname,
		     const struct device_settings *settings, struct err *reterr);

/* What the file says of this setting: "count: 8", "rss: {symmetric: true}"; "": nothing. */
void setting_asked(const struct setting_job *job, enum setting_id id, char *buf,
		   uint32_t buf_bytes);

/* "interface 'eth1': count: 8: " and why not. Returns -errnum. */
int setting_refuse(const struct setting_job *job, enum setting_id id, struct err *reterr,
		   int errnum, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* "interface 'eth1': its ring cannot be read: " and why. Returns 'error'. */
int setting_unreadable(const char *ifname, const char *what, int error, struct err *reterr);

/* For the end of a message about EINVAL: what this driver takes. "": not known. */
const char *setting_hint(const char *driver, enum setting_id id);

/* Ways to the same end, tried in turn where a driver cannot go one: 0 .. this - 1. */
uint32_t setting_n_ways(enum setting_id id);

/*
 * 'want' is 'now' with what is asked for in it; the same where it is right already. 0; -EINVAL,
 * -ERANGE, -EOPNOTSUPP, -E2BIG: it cannot be, 'reterr' says why and what can.
 */
int setting_want(const struct setting_job *job, enum setting_id id, uint32_t way,
		 const char now[static SETTING_TEXT_BYTES], char want[static SETTING_TEXT_BYTES],
		 struct err *reterr);
