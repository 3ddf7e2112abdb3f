/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/device_settings.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "queues/setting.h"
#include "queues/setting_put.h"
#include "queues/setting_want.h"

/* ---- the journal ---- */

struct change {
	struct setting_job job;
	uint32_t ifindex;
	struct journal *journal;
	struct setting_state found;     /* before this call */
	struct journal_entry prior[SETTING_N];
	uint32_t had_entry, changed;    /* bits */
	uint32_t done;                  /* as found again: forgotten once all the rest is made */
	bool only;                      /* what was set before and is not asked for goes back */
	note_fn *note;
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

	return r == 0 ? 0 : setting_unreadable(change->job.ifname, setting_key(id), r,
					       change->reterr);
}

static int change_read_all(const struct change *change, struct setting_state *ret)
{
	int r = setting_read_all(change->job.ifname, ret);

	return r == 0 ? 0 : setting_unreadable(change->job.ifname, "settings", r, change->reterr);
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

static bool change_asks(const struct change *change, enum setting_id id)
{
	char asked[128];

	setting_asked(&change->job, id, asked, sizeof(asked));
	return asked[0] != '\0';
}

/* Of a ring or a coalescing the file may ask for one word and not for the other. */
static int change_want(const struct change *change, enum setting_id id, uint32_t way,
		       const char now[static SETTING_TEXT_BYTES],
		       char want[static SETTING_TEXT_BYTES])
{
	const struct journal_entry *entry = entry_find(change, id);
	char base[SETTING_TEXT_BYTES];

	memcpy(base, now, sizeof(base));
	if (change->only && entry && (id == SETTING_RING || id == SETTING_COALESCE)) {
		setting_decide(change->job.ifname, entry, now, base, NULL);
	}
	return setting_want(&change->job, id, way, base, want, change->reterr);
}

/* One setting as the file asks for it, if it is not so already. */
static int change_setting(struct change *change, enum setting_id id)
{
	uint32_t n_ways = setting_n_ways(id);
	char want[SETTING_TEXT_BYTES];
	struct setting_state before;
	int r = change_read_all(change, &before);

	if (r < 0) {
		return r;
	}
	for (uint32_t way = 0; way < n_ways; way++) {
		r = change_want(change, id, way, before.text[id], want);
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

/* ---- what is asked for no more ---- */

static bool channels_are_as_found(const struct change *change, const struct setting_state *now)
{
	const struct journal_entry *entry = entry_find(change, SETTING_CHANNELS);

	return !entry || setting_is(now->text[SETTING_CHANNELS], entry->was);
}

/*
 * A table is one of so many channels. Of another number than was found it cannot go back; then it
 * goes to what it would be had nobody asked, and its entry stays for when the channels go back.
 */
static void back_want_table(const struct change *change, const struct setting_state *now,
			    char want[static SETTING_TEXT_BYTES])
{
	const char *channels = now->text[SETTING_CHANNELS];
	char value[32];

	memcpy(want, now->text[SETTING_RSS_TABLE], SETTING_TEXT_BYTES);
	if (!setting_table_is_even(change->job.ifname, channels)) {
		snprintf(value, sizeof(value), "modulo%u", setting_n_rx(channels));
		setting_word_put(want, "table", value);
	}
}

static bool table_is_ours(const struct change *change, const struct setting_state *now)
{
	const struct journal_entry *entry = entry_find(change, SETTING_RSS_TABLE);
	const char *table = now->text[SETTING_RSS_TABLE];
	char want[SETTING_TEXT_BYTES];

	if (!entry) {
		return false;
	}
	setting_decide(change->job.ifname, entry, table, want, NULL);
	return !setting_is(table, want);
}

/*
 * One that cannot go back now, with a socket in the way, say, stays listed for later: no reason to
 * leave a port closed.
 */
static int back_write(struct change *change, enum setting_id id, const struct setting_state *before,
		      const char *want)
{
	const struct journal_entry prior = *entry_find(change, id);
	bool resets = id == SETTING_CHANNELS && table_is_ours(change, before);
	int r = change_note(change, id, before->text[id], want), error = 0;
	char now[SETTING_TEXT_BYTES];

	if (r == 0 && resets) {
		/*
		 * The kernel takes it for a user's, and then refuses fewer channels than it names,
		 * whatever the driver makes of it.
		 */
		journal_fault_point();
		setting_table_reset(change->job.ifname);
	}
	if (r == 0) {
		error = change_write(change, id, want);
		r = change_note_effects(change, id, before);
	}
	if (r == 0 && error < 0) {
		note_line(change->note, "interface '%s': %s cannot be put back to '%s' now: %s",
			  change->job.ifname, setting_key(id), want, strerror(-error));
		return journal_add(change->journal, &prior, change->reterr);
	}
	if (r == 0) {
		r = change_read(change, id, now);
	}
	return r < 0 ? r : entry_note(change, id, before->text[id], now);
}

/* One setting that the file does not ask for, and that we set before or reset just now. */
static int change_back(struct change *change, enum setting_id id)
{
	const struct journal_entry *entry = entry_find(change, id);
	char want[SETTING_TEXT_BYTES];
	struct setting_state now;
	bool stays = false;
	int r = entry ? change_read_all(change, &now) : 0;

	if (!entry || r < 0 || !now.text[id][0]) {
		return r;
	}
	if (id == SETTING_RSS_TABLE && !channels_are_as_found(change, &now)) {
		back_want_table(change, &now, want);
		stays = true;
	} else {
		setting_decide(change->job.ifname, entry, now.text[id], want, change->note);
	}
	if (!setting_is(now.text[id], want)) {
		r = back_write(change, id, &now, want);
		r = r < 0 ? r : change_read(change, id, now.text[id]);
	}
	if (r == 0 && !stays && setting_is(now.text[id], want)) {
		change->done |= 1u << id;
	}
	return r;
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

/* Weights are checked against the queues that there will be. */
static void change_expect_channels(struct change *change)
{
	const struct journal_entry *entry = entry_find(change, SETTING_CHANNELS);
	char then[SETTING_TEXT_BYTES];

	if (entry && !change_asks(change, SETTING_CHANNELS)) {
		setting_decide(change->job.ifname, entry, change->found.text[SETTING_CHANNELS],
			       then, NULL);
		change->job.device.n_rx = setting_n_rx(then);
	}
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
		if (r == 0 && id == SETTING_CHANNELS && change->only) {
			change_expect_channels(change);
		}
		if (r == 0) {
			r = change_want(change, id, 0, change->found.text[id], want);
		}
	}
	return r;
}

/* What is hashed goes back after the key, setting_put.c; the two are asked for together. */
static enum setting_id order(const struct change *change, uint32_t i)
{
	if (!change->job.settings->rss_symmetric &&
	    (i == SETTING_RSS_HASH || i == SETTING_RSS_KEY)) {
		return i == SETTING_RSS_HASH ? SETTING_RSS_KEY : SETTING_RSS_HASH;
	}
	return i;
}

static int change_make(struct change *change, const char *ifname,
		       const struct device_settings *settings)
{
	int r = change_init(change, ifname, settings);

	if (r < 0) {
		return r;
	}
	for (uint32_t i = 0; i < SETTING_N && r == 0; i++) {
		enum setting_id id = order(change, i);

		if (change_asks(change, id)) {
			r = change_setting(change, id);
		} else if (change->only) {
			r = change_back(change, id);
		}
	}
	if (r < 0) {
		return change_roll_back(change, r);
	}
	for (uint32_t id = 0; id < SETTING_N; id++) {
		if (change->done & 1u << id) {
			/* one that stays listed does no harm: it is as it was */
			journal_forget(change->journal, JOURNAL_SETTING, change->ifindex,
				       setting_key(id), NULL);
		}
	}
	return 0;
}

int device_settings_apply(const char *ifname, uint32_t ifindex,
			  const struct device_settings *settings, struct journal *journal,
			  struct err *reterr)
{
	struct change change = { .ifindex = ifindex, .journal = journal, .reterr = reterr };

	return change_make(&change, ifname, settings);
}

int device_settings_apply_only(const char *ifname, uint32_t ifindex,
			       const struct device_settings *settings, struct journal *journal,
			       note_fn *note, struct err *reterr)
{
	struct change change = { .ifindex = ifindex, .journal = journal, .only = true,
				 .note = note, .reterr = reterr };

	return change_make(&change, ifname, settings);
}
