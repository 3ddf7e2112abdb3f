/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/device_settings.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "queues/setting.h"
#include "queues/setting_put.h"
#include "queues/setting_want.h"

/* ---- what would change, in words ---- */

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

static int unreadable(const char *ifname, const char *what, int error, struct err *reterr)
{
	return err_set(reterr, -error, "interface '%s': its %s cannot be read: %s", ifname, what,
		       strerror(-error));
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
		r = r < 0 ? unreadable(ifname, setting_key(id), r, reterr)
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

/* ---- the journal ---- */

struct change {
	struct setting_job job;
	uint32_t ifindex;
	struct journal *journal;
	struct setting_state found;     /* before this call */
	struct journal_entry prior[SETTING_N];
	uint32_t had_entry, changed;    /* bits */
	struct err *reterr;
};

static const struct journal_entry *entry_find(const struct change *change, enum setting_id id)
{
	return journal_find(change->journal, JOURNAL_SETTING, change->ifindex, setting_key(id));
}

static int entry_note(struct change *change, enum setting_id id, const char *was, const char *set)
{
	struct journal_entry entry = { .kind = JOURNAL_SETTING, .ifindex = change->ifindex };

	snprintf(entry.ifname, sizeof(entry.ifname), "%s", change->job.ifname);
	snprintf(entry.key, sizeof(entry.key), "%s", setting_key(id));
	snprintf(entry.was, sizeof(entry.was), "%s", was);
	snprintf(entry.set, sizeof(entry.set), "%s", set);
	change->changed |= 1u << id;
	return journal_add(change->journal, &entry, change->reterr);
}

/* Every word of 'set' that is not as in 'but': whatever it will be. */
static void words_mark(char set[static SETTING_TEXT_BYTES], const char *but)
{
	char name[SETTING_NAME_BYTES], value[SETTING_WORD_BYTES], is[SETTING_WORD_BYTES];
	char old[SETTING_TEXT_BYTES];

	memcpy(old, set, sizeof(old));
	for (const char *at = old; (at = setting_word_next(at, name, value));) {
		if (setting_word_get(but, name, is) && strcmp(value, is) != 0) {
			setting_word_put(set, name, SETTING_WORD_ANY);
		}
	}
}

/* As it was before this call. */
static int entry_revert(struct change *change, enum setting_id id, struct err *reterr)
{
	change->changed &= ~(1u << id);
	if (change->had_entry & 1u << id) {
		return journal_add(change->journal, &change->prior[id], reterr);
	}
	return journal_forget(change->journal, JOURNAL_SETTING, change->ifindex, setting_key(id),
			      reterr);
}

/* ---- one change ---- */

static int change_failed(const struct change *change, enum setting_id id, int error)
{
	const struct setting_job *job = &change->job;
	const char *driver = job->device.driver;
	char asked[128];

	setting_asked(job, id, asked, sizeof(asked));
	/* within the limits, so that the kernel's EINVAL is about what lies in the way */
	if (error == -EBUSY || (error == -EINVAL && id == SETTING_CHANNELS)) {
		return err_set(change->reterr, EBUSY,
			       "interface '%s': %s: %s refuses (%s) while an XDP program or an "
			       "AF_XDP socket is in the way, or a filter names a queue that is to "
			       "go; see 'ip link show %s', 'ss --xdp', 'ethtool -n %s'",
			       job->ifname, asked, driver, strerror(-error), job->ifname,
			       job->ifname);
	}
	if (error == -EPERM) {
		return err_set(change->reterr, EPERM, "interface '%s': %s: CAP_NET_ADMIN is needed",
			       job->ifname, asked);
	}
	if (error == -EOPNOTSUPP) {
		return err_set(change->reterr, EOPNOTSUPP,
			       "interface '%s': %s: %s cannot set that; leave it at keep",
			       job->ifname, asked, driver);
	}
	return err_set(change->reterr, -error, "interface '%s': %s: %s refuses: %s%s", job->ifname,
		       asked, driver, strerror(-error),
		       error == -EINVAL || error == -ENOMEM ? setting_hint(driver, id) : "");
}

static int change_read(const struct change *change, enum setting_id id,
		       char text[static SETTING_TEXT_BYTES])
{
	int r = setting_read(change->job.ifname, id, text);

	return r == 0 ? 0 : unreadable(change->job.ifname, setting_key(id), r, change->reterr);
}

static int change_read_all(const struct change *change, struct setting_state *ret)
{
	int r = setting_read_all(change->job.ifname, ret);

	return r == 0 ? 0 : unreadable(change->job.ifname, "settings", r, change->reterr);
}

/* Drivers round, clamp, or quietly do something else. */
static int change_verify(const struct change *change, enum setting_id id, const char *want)
{
	char name[SETTING_NAME_BYTES], value[SETTING_WORD_BYTES], is[SETTING_WORD_BYTES];
	char now[SETTING_TEXT_BYTES], asked[128];
	int r = change_read(change, id, now);

	if (r < 0) {
		return r;
	}
	setting_asked(&change->job, id, asked, sizeof(asked));
	for (const char *at = want; (at = setting_word_next(at, name, value));) {
		if (setting_word_get(now, name, is) && strcmp(is, value) != 0 &&
		    !(setting_word_moves(now, name) && setting_word_moves(want, name))) {
			return err_set(change->reterr, EIO,
				       "interface '%s': %s: %s makes %s %s of %s; ask for what it "
				       "can have",
				       change->job.ifname, asked, change->job.device.driver, name,
				       is, value);
		}
	}
	return 0;
}

/*
 * Drivers make a new RSS table with another number of channels, so the old one is noted first, as
 * going to be something that we do not know yet.
 */
static int change_note_table(struct change *change)
{
	char table[SETTING_TEXT_BYTES], any[SETTING_TEXT_BYTES];
	int r = change_read(change, SETTING_RSS_TABLE, table);

	if (r < 0 || !table[0]) {
		return r;
	}
	if (strcmp(table, "table=" SETTING_WORD_BEYOND) == 0) {
		return err_set(change->reterr, E2BIG,
			       "interface '%s': count: %u: the RSS table would be lost: it is too "
			       "irregular to be noted and put back; 'ethtool -X %s default'",
			       change->job.ifname, change->job.settings->n_channels,
			       change->job.ifname);
	}
	memcpy(any, table, sizeof(any));
	setting_word_put(any, "table", SETTING_WORD_ANY);
	return entry_note(change, SETTING_RSS_TABLE, table, any);
}

/*
 * Before the change. What is ours already, and not what it was at first, would be neither that nor
 * what is noted, were we killed before the change is made: then it is noted as whatever it will be,
 * and what it is by change_noted().
 */
static int change_note(struct change *change, enum setting_id id, const char *now, const char *want)
{
	int r = id == SETTING_CHANNELS ? change_note_table(change) : 0;
	const struct journal_entry *entry = entry_find(change, id);
	char set[SETTING_TEXT_BYTES];

	memcpy(set, want, sizeof(set));
	if (entry && !setting_is(now, entry->was)) {
		words_mark(set, now);
	}
	return r < 0 ? r : entry_note(change, id, now, set);
}

/* After it. */
static int change_noted(struct change *change, enum setting_id id, const char *now,
			const char *want)
{
	return strcmp(entry_find(change, id)->set, want) == 0 ? 0
							      : entry_note(change, id, now, want);
}

static int change_write(const struct change *change, enum setting_id id, const char *want)
{
	const char *ifname = change->job.ifname;
	int r;

	journal_fault_point();
	r = setting_write(ifname, id, want);
	if (r == -EINVAL && id == SETTING_CHANNELS && setting_table_exceeds(ifname, want) &&
	    setting_table_reset(ifname) == 0) {
		r = setting_write(ifname, id, want);
	}
	journal_fault_point();
	return r;
}

/*
 * What the change did to other settings is ours to put back too. One that was noted beforehand and
 * stayed as it was is forgotten.
 */
static int change_note_effects(struct change *change, enum setting_id id,
			       const struct setting_state *before)
{
	struct setting_state after;
	int r = change_read_all(change, &after);

	for (uint32_t other = 0; other < SETTING_N && r == 0; other++) {
		if (other == (uint32_t)id) {
			continue;
		}
		if (!setting_is(after.text[other], before->text[other])) {
			r = entry_note(change, other, before->text[other], after.text[other]);
		} else if (id == SETTING_CHANNELS && other == SETTING_RSS_TABLE) {
			r = entry_revert(change, other, change->reterr);
		}
	}
	return r;
}

/* One setting as the file asks for it, if it is not so already. */
static int change_setting(struct change *change, enum setting_id id)
{
	uint32_t n_ways = setting_n_ways(id);
	char want[SETTING_TEXT_BYTES];
	struct setting_state before;
	int r;

	setting_asked(&change->job, id, want, sizeof(want));
	if (!want[0]) {
		return 0;
	}
	r = change_read_all(change, &before);
	if (r < 0) {
		return r;
	}
	for (uint32_t way = 0; way < n_ways; way++) {
		r = setting_want(&change->job, id, way, before.text[id], want, change->reterr);
		if (r < 0 || setting_is(before.text[id], want)) {
			return r;
		}
		r = change_note(change, id, before.text[id], want);
		if (r < 0) {
			return r;
		}
		r = change_write(change, id, want);
		if (r == 0) {
			r = change_note_effects(change, id, &before);
			r = r < 0 ? r : change_verify(change, id, want);
			return r < 0 ? r : change_noted(change, id, before.text[id], want);
		}
		if (r != -EOPNOTSUPP && r != -EINVAL) {
			break;
		}
	}
	return change_failed(change, id, r);
}

/* ---- all of a device ---- */

/*
 * Going back over the channels may reset the others once more: were we killed there, they would be
 * neither what they were nor what is noted.
 */
static void change_mark(struct change *change)
{
	for (uint32_t id = SETTING_CHANNELS + 1; id < SETTING_N; id++) {
		const struct journal_entry *noted = entry_find(change, id);
		struct journal_entry marked;

		if (!noted || !(change->changed & 1u << id) ||
		    !(change->changed & 1u << SETTING_CHANNELS)) {
			continue;
		}
		marked = *noted;
		words_mark(marked.set, change->found.text[id]);
		journal_add(change->journal, &marked, NULL);
	}
}

/* Returns 'r'. Where even going back fails the message says so, and the entry stays. */
static int change_roll_back(struct change *change, int r)
{
	int error[SETTING_N];

	change_mark(change);
	setting_put_all(change->job.ifname, &change->found, change->changed, error);
	for (uint32_t id = 0; id < SETTING_N; id++) {
		size_t n = change->reterr ? strlen(change->reterr->text) : 0;

		if (!(change->changed & 1u << id)) {
			continue;
		}
		if (error[id] == 0 || error[id] == -ENODEV) {
			entry_revert(change, id, NULL);
		} else if (change->reterr) {
			snprintf(change->reterr->text + n, sizeof(change->reterr->text) - n,
				 "; %s could not be put back to '%s': %s", setting_key(id),
				 change->found.text[id], strerror(-error[id]));
		}
	}
	return r;
}

/* What can be refused is refused before anything is touched. */
static int change_init(struct change *change, const char *ifname,
		       const struct device_settings *settings)
{
	char want[SETTING_TEXT_BYTES];
	int r = device_check_name(ifname, change->ifindex, change->reterr);

	if (r == 0) {
		r = setting_job_init(&change->job, ifname, settings, change->reterr);
	}
	for (uint32_t id = 0; id < SETTING_N && r == 0; id++) {
		const struct journal_entry *prior = entry_find(change, id);

		if (prior) {
			change->prior[id] = *prior;
			change->had_entry |= 1u << id;
		}
		r = change_read(change, id, change->found.text[id]);
		if (r == 0) {
			r = setting_want(&change->job, id, 0, change->found.text[id], want,
					 change->reterr);
		}
	}
	return r;
}

int device_settings_apply(const char *ifname, uint32_t ifindex,
			  const struct device_settings *settings, struct journal *journal,
			  struct err *reterr)
{
	struct change change = { .ifindex = ifindex, .journal = journal, .reterr = reterr };
	int r = change_init(&change, ifname, settings);

	if (r < 0) {
		return r;
	}
	for (uint32_t id = 0; id < SETTING_N && r == 0; id++) {
		r = change_setting(&change, id);
	}
	return r < 0 ? change_roll_back(&change, r) : 0;
}
