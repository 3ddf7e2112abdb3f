/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/setting_put.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/*
 * Channels first. The hash's fields after the key: the kernel takes no lopsided ones while what is
 * hashed is made symmetric; before it where it is to be made so, for the same reason.
 */
static enum setting_id put_order(const struct setting_state *want, uint32_t i)
{
	char xfrm[SETTING_WORD_BYTES];

	if ((i != SETTING_RSS_HASH && i != SETTING_RSS_KEY) ||
	    (setting_word_get(want->text[SETTING_RSS_KEY], "xfrm", xfrm) &&
	     strcmp(xfrm, "none") != 0)) {
		return i;
	}
	return i == SETTING_RSS_HASH ? SETTING_RSS_KEY : SETTING_RSS_HASH;
}

/* -ENODATA: it had such a thing, and does not tell now: some drivers answer only while up. */
static int put_read(const char *ifname, enum setting_id id, const char *want,
		    char now[static SETTING_TEXT_BYTES])
{
	int r = setting_read(ifname, id, now);

	return r == 0 && want[0] && !now[0] ? -ENODATA : r;
}

static int put_one(const char *ifname, enum setting_id id, const char *want)
{
	char now[SETTING_TEXT_BYTES];
	int r = put_read(ifname, id, want, now);

	if (r < 0 || setting_is(now, want)) {
		return r;
	}
	journal_fault_point();
	r = setting_write(ifname, id, want);
	journal_fault_point();
	if (r == 0) {
		r = put_read(ifname, id, want, now);
	}
	return r < 0 ? r : setting_is(now, want) ? 0 : -EPROTO;
}

/*
 * A table of the user's, which ours is taken for, stays so even where the driver makes a new one,
 * and the kernel then refuses fewer channels than it names. One that is to be written anyway is
 * reset before.
 */
static int put_channels(const char *ifname, const struct setting_state *want, uint32_t ids)
{
	char now[SETTING_TEXT_BYTES], table[SETTING_TEXT_BYTES];
	int r = put_read(ifname, SETTING_CHANNELS, want->text[SETTING_CHANNELS], now);

	if (r < 0 || setting_is(now, want->text[SETTING_CHANNELS])) {
		return r;
	}
	if (ids & 1u << SETTING_RSS_TABLE &&
	    setting_read(ifname, SETTING_RSS_TABLE, table) == 0 &&
	    !setting_is(table, want->text[SETTING_RSS_TABLE])) {
		journal_fault_point();
		setting_table_reset(ifname);
	}
	return put_one(ifname, SETTING_CHANNELS, want->text[SETTING_CHANNELS]);
}

void setting_put_all(const char *ifname, const struct setting_state *want, uint32_t ids,
		     int error[static SETTING_N])
{
	for (uint32_t i = 0; i < SETTING_N; i++) {
		enum setting_id id = put_order(want, i);

		error[id] = 0;
		if (ids & 1u << id) {
			error[id] = id == SETTING_CHANNELS ? put_channels(ifname, want, ids)
							   : put_one(ifname, id, want->text[id]);
		}
	}
}

/* ---- restore ---- */

struct restore {
	const char *ifname;
	uint32_t ifindex;
	struct journal *journal;
	note_fn *note;
	struct setting_state now, want;
	uint32_t ids;                   /* those with an entry */
	uint32_t untold;                /* those of them that cannot be read now */
	uint32_t n_unknown;             /* entries of a setting that we do not know */
};

static void restore_note(const struct restore *restore, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

static void restore_note(const struct restore *restore, const char *fmt, ...)
{
	char line[512];
	va_list ap;
	int n;

	if (restore->note) {
		n = snprintf(line, sizeof(line), "interface '%s': ", restore->ifname);
		va_start(ap, fmt);
		vsnprintf(line + n, sizeof(line) - (size_t)n, fmt, ap);
		va_end(ap);
		restore->note(line);
	}
}

void setting_decide(const char *ifname, const struct journal_entry *e,
		    const char now[static SETTING_TEXT_BYTES],
		    char want[static SETTING_TEXT_BYTES], note_fn *note)
{
	char name[SETTING_NAME_BYTES], was[SETTING_WORD_BYTES], set[SETTING_WORD_BYTES];
	char is[SETTING_WORD_BYTES];

	memcpy(want, now, SETTING_TEXT_BYTES);
	for (const char *at = e->was; (at = setting_word_next(at, name, was));) {
		if (!setting_word_get(e->set, name, set) || strcmp(was, set) == 0 ||
		    strcmp(was, SETTING_WORD_BEYOND) == 0 || !setting_word_get(now, name, is) ||
		    strcmp(is, was) == 0) {
			continue;
		}
		if (strcmp(is, set) == 0 || strcmp(set, SETTING_WORD_ANY) == 0 ||
		    setting_word_moves(now, name)) {
			setting_word_put(want, name, was);
		} else {
			note_line(note,
				  "interface '%s': %s: %s is %s now, neither as found (%s) nor as "
				  "set (%s); left",
				  ifname, e->key, name, is, was, set);
		}
	}
}

static void restore_gather(struct restore *restore)
{
	enum setting_id id;

	for (uint32_t i = 0; i < journal_count(restore->journal); i++) {
		const struct journal_entry *e = journal_get(restore->journal, i);

		if (e->kind != JOURNAL_SETTING || e->ifindex != restore->ifindex) {
			continue;
		}
		if (setting_find(e->key, &id)) {
			setting_decide(restore->ifname, e, restore->now.text[id],
				       restore->want.text[id], restore->note);
			restore->ids |= 1u << id;
			restore->untold |= e->was[0] && !restore->now.text[id][0] ? 1u << id : 0;
		} else {
			restore_note(restore, "%s cannot be put back to '%s': unknown here", e->key,
				     e->was);
			restore->n_unknown++;
		}
	}
}

static const struct journal_entry *restore_entry_of(const struct restore *restore,
						    enum setting_id id)
{
	return journal_find(restore->journal, JOURNAL_SETTING, restore->ifindex, setting_key(id));
}

/*
 * Channels reset what comes after them: were we killed behind that, the others would be neither
 * what they were nor what we set. So what is to be put back is noted as ours whatever it will be.
 */
static int restore_mark(struct restore *restore)
{
	int r = 0;

	if (!(restore->ids & 1u << SETTING_CHANNELS) ||
	    setting_is(restore->now.text[SETTING_CHANNELS],
		       restore->want.text[SETTING_CHANNELS])) {
		return 0;
	}
	for (uint32_t id = SETTING_CHANNELS + 1; id < SETTING_N && r == 0; id++) {
		char name[SETTING_NAME_BYTES], was[SETTING_WORD_BYTES], want[SETTING_WORD_BYTES];
		struct journal_entry marked;

		if (!(restore->ids & 1u << id)) {
			continue;
		}
		marked = *restore_entry_of(restore, id);
		for (const char *at = marked.was; (at = setting_word_next(at, name, was));) {
			char set[SETTING_WORD_BYTES];

			if (setting_word_get(restore->want.text[id], name, want) &&
			    strcmp(want, was) == 0 && setting_word_get(marked.set, name, set) &&
			    strcmp(set, was) != 0) {
				setting_word_put(marked.set, name, SETTING_WORD_ANY);
			}
		}
		r = journal_add(restore->journal, &marked, NULL);
	}
	return r;
}

static const char *restore_why(int error)
{
	switch (error) {
	case -EPROTO:
		return "the driver makes it something else";
	case -ENODATA:
		return "the driver does not tell it now";
	}
	return strerror(-error);
}

static uint32_t restore_finish(const struct restore *restore, const int error[static SETTING_N])
{
	uint32_t n_failed = 0;

	for (uint32_t id = 0; id < SETTING_N; id++) {
		if (!(restore->ids & 1u << id)) {
			continue;
		}
		if (error[id] < 0 && error[id] != -ENODEV) {
			restore_note(restore, "%s cannot be put back to '%s': %s", setting_key(id),
				     restore_entry_of(restore, id)->was, restore_why(error[id]));
			n_failed++;
			continue;
		}
		n_failed += journal_forget(restore->journal, JOURNAL_SETTING, restore->ifindex,
					   setting_key(id), NULL) < 0;
	}
	return n_failed;
}

uint32_t setting_restore(struct journal *journal, uint32_t ifindex, const char *ifname,
			 note_fn *note)
{
	struct restore restore = { .ifname = ifname, .ifindex = ifindex, .journal = journal,
				   .note = note };
	int error[SETTING_N], r = setting_read_all(ifname, &restore.now);

	restore_gather(&restore);
	if (r == 0) {
		r = restore_mark(&restore);
	}
	if (r == 0) {
		setting_put_all(ifname, &restore.want, restore.ids, error);
	}
	for (uint32_t id = 0; id < SETTING_N; id++) {
		if (r < 0) {
			error[id] = r;
		} else if (restore.untold & 1u << id) {
			error[id] = -ENODATA;
		}
	}
	return restore_finish(&restore, error) + restore.n_unknown;
}
