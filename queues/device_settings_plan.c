/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * device_settings_plan - what device_settings_apply() would change, and what has drifted, in words.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "queues/device_settings.h"
#include "queues/setting.h"
#include "queues/setting_want.h"

/* What a person calls a word of a setting. NULL: of no interest beside the others. */
static const char *word_label(enum setting_id id, const char *name, char buf[static 32])
{
	switch (id) {
	case SETTING_CHANNELS:
		snprintf(buf, 32, "%s%s", strcmp(name, "combined") == 0 ? "" : name,
			 strcmp(name, "combined") == 0 ? "channels" : " channels");
		return buf;
	case SETTING_RING:
		snprintf(buf, 32, "%s ring", name);
		return buf;
	case SETTING_RSS_HASH:
		snprintf(buf, 32, "rss hash of %s", name);
		return buf;
	case SETTING_RSS_KEY:
		return NULL;
	case SETTING_RSS_TABLE:
		return "rss table";
	case SETTING_COALESCE:
		snprintf(buf, 32, "%s", name);
		return buf;
	case SETTING_N:
		break;
	}
	return NULL;
}

struct listing {
	char *buf;
	uint32_t buf_bytes;
};

static void list_put(struct listing *listing, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void list_put(struct listing *listing, const char *fmt, ...)
{
	size_t n = strlen(listing->buf);
	va_list ap;

	n += (size_t)snprintf(listing->buf + n, listing->buf_bytes - n, "%s", n ? ", " : "");
	if (n < listing->buf_bytes) {
		va_start(ap, fmt);
		vsnprintf(listing->buf + n, listing->buf_bytes - n, fmt, ap);
		va_end(ap);
	}
}

/* Every word that is to be another: "channels 2 -> 4", or "channels 2 instead of 4". */
static void list_changes(struct listing *listing, enum setting_id id, const char *now,
			 const char *want, bool is_drift)
{
	char name[SETTING_NAME_BYTES], value[SETTING_WORD_BYTES], is[SETTING_WORD_BYTES];
	char label_buf[32];

	if (id == SETTING_RSS_KEY && !setting_is(now, want)) {
		list_put(listing, "%s", is_drift ? "rss not symmetric" : "rss made symmetric");
		return;
	}
	for (const char *at = want; (at = setting_word_next(at, name, value));) {
		const char *label = word_label(id, name, label_buf);

		if (label && setting_word_get(now, name, is) && strcmp(is, value) != 0 &&
		    !(setting_word_moves(now, name) && setting_word_moves(want, name))) {
			list_put(listing, is_drift ? "%s %s instead of %s" : "%s %s -> %s", label,
				 is, value);
		}
	}
}

static int settings_list(const char *ifname, const struct device_settings *settings, char *buf,
			 uint32_t buf_bytes, bool is_drift, struct err *reterr)
{
	struct listing listing = { .buf = buf, .buf_bytes = buf_bytes };
	char now[SETTING_TEXT_BYTES], want[SETTING_TEXT_BYTES];
	struct setting_job job;
	int r = setting_job_init(&job, ifname, settings, reterr);

	buf[0] = '\0';
	for (uint32_t id = 0; id < SETTING_N && r == 0; id++) {
		r = setting_read(ifname, id, now);
		r = r < 0 ? setting_unreadable(ifname, setting_key(id), r, reterr)
			  : setting_want(&job, id, 0, now, want, reterr);
		if (r == 0) {
			list_changes(&listing, id, now, want, is_drift);
		}
	}
	if (r < 0) {
		buf[0] = '\0';
	}
	return r;
}

int device_settings_plan(const char *ifname, const struct device_settings *settings, char *buf,
			 uint32_t buf_bytes, struct err *reterr)
{
	return settings_list(ifname, settings, buf, buf_bytes, false, reterr);
}

int device_settings_differs(const char *ifname, const struct device_settings *settings, char *buf,
			    uint32_t buf_bytes, struct err *reterr)
{
	return settings_list(ifname, settings, buf, buf_bytes, true, reterr);
}
