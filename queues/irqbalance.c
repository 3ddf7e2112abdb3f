/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/irqbalance.h"

#include <ctype.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/cpulist.h"
#include "queues/irqbalance_talk.h"

#define BALANCE_IFNAME "irqbalance"             /* what stands for an interface in the journal */
/* What it reads of a command, less one; before version 1.9.5, which cuts a longer one, 500 */
#define COMMAND_BYTES       16383u
#define COMMAND_SMALL_BYTES 499u

/* Lists of interrupts are sets as those of CPUs are; what is beyond their range is refused. */
struct balance {
	struct journal *journal;
	struct irqbalance_peer peer;
	char key[16];                   /* its pid */
	struct numset banned;           /* what it leaves alone now */
	struct numset noted;            /* what of that is from us, by the journal */
	struct numset others;           /* the rest */
};

/* ---- its language ---- */

/* "SLEEP 10 IRQ 25 LOAD 0 DIFF 0 CLASS 0 IRQ 26 ... BANNED 00000000": the last are CPUs. */
static int answer_parse(char *answer, struct numset *ret)
{
	bool begins = false, ends = false, is_irq = false;
	char *state = NULL;

	*ret = (struct numset){ 0 };
	for (char *word = strtok_r(answer, " ", &state); word; word = strtok_r(NULL, " ", &state)) {
		if (is_irq) {
			unsigned long irq = isdigit((unsigned char)*word) ? strtoul(word, NULL, 10)
									  : NUMSET_MAX;

			if (irq >= NUMSET_MAX) {
				return -E2BIG;
			}
			numset_add(ret, (uint32_t)irq);
		}
		begins = begins || strcmp(word, "SLEEP") == 0;
		ends = ends || strcmp(word, "BANNED") == 0;
		is_irq = strcmp(word, "IRQ") == 0;
	}
	return begins && ends ? 0 : -EPROTO;
}

/*
 * The whole list in one command, others' first: it replaces what was said before. Returns those of
 * 'ours' that fit into 'limit' bytes.
 */
static struct numset command_build(const struct numset *others, const struct numset *ours,
				   uint32_t limit, char buf[static COMMAND_BYTES])
{
	const struct numset *const list[] = { others, ours };
	struct numset said = { 0 };
	uint32_t used = (uint32_t)snprintf(buf, limit, "settings ban irqs");

	for (int k = 0; k < 2; k++) {
		for (uint32_t irq = numset_next(list[k], 0); irq < NUMSET_MAX;
		     irq = numset_next(list[k], irq + 1)) {
			int n = snprintf(buf + used, limit - used, " %u", irq);

			if ((uint32_t)n >= limit - used) {
				buf[used] = '\0';
				return numset_without(&said, others);
			}
			used += (uint32_t)n;
			numset_add(&said, irq);
		}
	}
	if (numset_is_empty(&said)) {
		snprintf(buf + used, limit - used, " NONE");
	}
	return numset_without(&said, others);
}

static bool fits(const struct numset *list)
{
	char text[JOURNAL_VALUE_BYTES];
	struct numset back;

	numset_format(list, text, sizeof(text));
	return numset_parse(text, 0, NUMSET_MAX - 1, &back) && numset_equal(list, &back);
}

/* ---- the journal ---- */

static const struct journal_entry *note_get(const struct journal *journal, uint32_t i)
{
	const struct journal_entry *e = journal_get(journal, i);

	return e && e->kind == JOURNAL_IRQBALANCE ? e : NULL;
}

/* Of those that run no more, and took their lists with them; 'key' stays. */
static void notes_forget_but(struct journal *journal, const char *key)
{
	for (uint32_t i = journal_count(journal); i-- > 0;) {
		const struct journal_entry *e = note_get(journal, i);

		if (e && strcmp(e->key, key) != 0) {
			struct journal_entry gone = *e;

			journal_forget(journal, gone.kind, 0, gone.key, NULL);
		}
	}
}

static int note(struct balance *b, const struct numset *ours, struct err *reterr)
{
	struct journal_entry e = { .kind = JOURNAL_IRQBALANCE, .ifname = BALANCE_IFNAME };
	int r;

	if (numset_equal(ours, &b->noted)) {
		return 0;
	}
	if (numset_is_empty(ours)) {
		r = journal_forget(b->journal, e.kind, 0, b->key, reterr);
	} else {
		snprintf(e.key, sizeof(e.key), "%s", b->key);
		numset_format(&b->others, e.was, sizeof(e.was));
		numset_format(ours, e.set, sizeof(e.set));
		r = journal_add(b->journal, &e, reterr);
	}
	if (r == 0) {
		b->noted = *ours;
	}
	return r;
}

/* ---- asking ---- */

static int refused(const struct balance *b, int error, struct err *reterr)
{
	const char *why = strerror(-error);

	switch (-error) {
	case ENOENT:
		return err_set(reterr, ENOENT, "no irqbalance runs");
	case EPERM:
		why = "it listens to root alone; name our interrupts in its --banirq options, or "
		      "stop it";
		break;
	case EAGAIN:
		why = "it does not listen just now";
		break;
	case EPROTO:
		why = "it does not answer as irqbalance does; it may move our interrupts";
		break;
	case E2BIG:
		why = "its list has no room for all; it may move the other interrupts";
		break;
	}
	return err_set(reterr, -error, "irqbalance (pid %d): %s", b->peer.pid, why);
}

static int balance_ask(struct balance *b)
{
	char *answer;
	int r = irqbalance_peer_ask(&b->peer, &answer);

	if (r == 0) {
		r = answer_parse(answer, &b->banned);
		free(answer);
	}
	return r;
}

/* Finds it, hears what it leaves alone, and parts that into ours and others'. */
static int balance_open(struct balance *b, const char *root, struct journal *journal)
{
	const struct journal_entry *e;
	int r;

	*b = (struct balance){ .journal = journal };
	r = irqbalance_peer_find(root, &b->peer);
	snprintf(b->key, sizeof(b->key), "%d", b->peer.pid);
	if (r == 0) {
		r = balance_ask(b);
	}
	if (r == 0 || r == -ENOENT) {
		notes_forget_but(journal, r == 0 ? b->key : "");
	}
	e = journal_find(journal, JOURNAL_IRQBALANCE, 0, b->key);
	if (e) {
		numset_parse(e->set, 0, NUMSET_MAX - 1, &b->noted);
	}
	b->others = numset_without(&b->banned, &b->noted);
	return r;
}

/* ---- telling ---- */

static bool balance_is(const struct balance *b, const struct numset *ours)
{
	struct numset all = numset_union(&b->others, ours);

	return numset_equal(&all, &b->banned);
}

/* Says it and hears it back. -EPROTO: it has another list afterwards. */
static int balance_tell(struct balance *b, const char *command, const struct numset *ours)
{
	int r;

	journal_fault_point();
	r = irqbalance_peer_tell(&b->peer, command);
	journal_fault_point();
	if (r == 0) {
		r = balance_ask(b);
	}
	return r == 0 && !balance_is(b, ours) ? -EPROTO : r;
}

/*
 * All of them where it has room for a long command, else as many as a short one holds: which it
 * has shows only afterwards, by what it made of the long one.
 */
static int balance_change(struct balance *b, const struct numset *ours)
{
	char command[COMMAND_BYTES], small[COMMAND_BYTES];
	struct numset said = command_build(&b->others, ours, COMMAND_BYTES, command);
	struct numset said_small = command_build(&b->others, ours, COMMAND_SMALL_BYTES, small);
	bool is_long = strlen(command) >= COMMAND_SMALL_BYTES;
	int r;

	if (!numset_equal(&said, ours) || (is_long && numset_is_empty(&said_small))) {
		return -E2BIG;
	}
	/* what it made of a long one when last told: not again at each pass */
	if (is_long && balance_is(b, &said_small)) {
		return -E2BIG;
	}
	r = balance_tell(b, command, ours);
	if (r == -EPROTO && is_long) {
		r = balance_tell(b, small, &said_small);
		r = r == 0 ? -E2BIG : r;
	}
	return r;
}

static int balance_set(struct balance *b, const struct numset *ours, struct err *reterr)
{
	struct numset either = numset_union(&b->noted, ours), now;
	int r = 0, noted;

	if (!fits(&either) || !fits(&b->others)) {
		return refused(b, -E2BIG, reterr);
	}
	if (!balance_is(b, ours)) {
		r = note(b, &either, reterr);
		if (r < 0) {
			return r;
		}
		r = balance_change(b, ours);
	}
	if (r == 0 || r == -E2BIG) {
		now = numset_without(&b->banned, &b->others);
		noted = note(b, &now, reterr);
		if (noted < 0) {
			return noted;
		}
	}
	return r < 0 ? refused(b, r, reterr) : 0;
}

int irqbalance_ban(const char *root, const uint32_t *irq, uint32_t n, struct journal *journal,
		   struct err *reterr)
{
	struct numset ours = { 0 };
	struct balance b;
	bool all = true;
	int r = balance_open(&b, root, journal);

	if (r < 0) {
		return refused(&b, r, reterr);
	}
	for (uint32_t i = 0; i < n; i++) {
		/* a list ends at 0, which is a timer's and nobody's to move */
		if (irq[i] > 0 && irq[i] < NUMSET_MAX) {
			numset_add(&ours, irq[i]);
		} else {
			all = all && irq[i] == 0;
		}
	}
	ours = numset_without(&ours, &b.others);
	r = balance_set(&b, &ours, reterr);
	return r == 0 && !all ? refused(&b, -E2BIG, reterr) : r;
}

bool irqbalance_runs(const char *root)
{
	struct irqbalance_peer peer;

	return irqbalance_peer_find(root, &peer) != -ENOENT;
}

/* ---- taking back ---- */

/* It does not listen now: what is said waits for it, and needs no answer. */
static int tell_others_list(const char *root, struct journal *journal)
{
	char key[16], command[COMMAND_BYTES];
	struct irqbalance_peer peer;
	const struct journal_entry *e;
	struct numset others, none = { 0 };
	int r;

	if (irqbalance_peer_find(root, &peer) != -EAGAIN) {
		return -EAGAIN;
	}
	snprintf(key, sizeof(key), "%d", peer.pid);
	e = journal_find(journal, JOURNAL_IRQBALANCE, 0, key);
	if (!e || !numset_parse(e->was, 0, NUMSET_MAX - 1, &others)) {
		return -EAGAIN;
	}
	command_build(&others, &none, COMMAND_BYTES, command);
	journal_fault_point();
	r = irqbalance_peer_tell(&peer, command);
	journal_fault_point();
	return r < 0 ? r : journal_forget(journal, JOURNAL_IRQBALANCE, 0, key, NULL);
}

static uint32_t notes_count(const struct journal *journal)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < journal_count(journal); i++) {
		n += note_get(journal, i) != NULL;
	}
	return n;
}

uint32_t irqbalance_restore(const char *root, struct journal *journal,
			    note_fn *log)
{
	struct err err = { "" };
	int r = 0;

	if (notes_count(journal) > 0) {
		r = irqbalance_ban(root, NULL, 0, journal, &err);
	}
	if (r == -EAGAIN) {
		r = tell_others_list(root, journal);
	}
	if (r < 0 && r != -ENOENT && log) {
		log(err.text);
	}
	return notes_count(journal);
}
