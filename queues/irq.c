/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/irq.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "queues/irq_file.h"
#include "queues/note.h"
#include "queues/opener.h"

#define IRQ_IFNAME "irq"                /* what stands for an interface in the journal */
#define CPUS_BYTES 160                  /* a list in a message */

/* false: too long for the journal. */
static bool cpus_format(const struct numset *cpus, char text[static JOURNAL_VALUE_BYTES])
{
	struct numset back;

	numset_format(cpus, text, JOURNAL_VALUE_BYTES);
	return numset_parse(text, 0, IRQ_CPUS_MAX - 1, &back) && numset_equal(cpus, &back);
}

/* ---- one file ---- */

static int affinity_open(const char *root, uint32_t irq, struct opener *opener)
{
	char path[PATH_MAX];
	int r = -EACCES;

	/* the opener knows one /proc alone */
	if (opener && *root == '\0') {
		r = opener_open_irq_affinity(opener, irq);
	}
	if (r == -EACCES || r == -EPIPE) {
		irq_file_path(root, irq, IRQ_FILE_AFFINITY, path);
		r = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
		r = r < 0 ? -errno : r;
	}
	return r;
}

static int write_error(int errnum)
{
	switch (errnum) {
	case EIO:               /* said by Linux before 6.11 for what EPERM says since */
		return -EPERM;
	case ERANGE:            /* a CPU that this kernel was not built for */
	case EOVERFLOW:
		return -EINVAL;
	}
	return -errnum;
}

/* -EIO: it was taken, and is not what is read afterwards. */
static int affinity_write(int fd, const char *root, uint32_t irq, const struct numset *cpus)
{
	char text[JOURNAL_VALUE_BYTES + 1];
	struct numset now;
	size_t n;
	int r;

	if (!cpus_format(cpus, text)) {
		return -E2BIG;
	}
	n = strlen(text);
	text[n] = '\n';
	if (write(fd, text, n + 1) < 0) {
		return write_error(errno);
	}
	r = irq_file_read(root, irq, IRQ_FILE_AFFINITY, &now);
	return r < 0 ? r : numset_equal(&now, cpus) ? 0 : -EIO;
}

/* ---- moving ---- */

struct moving {
	struct irq_move *move;
	struct journal_entry entry;
	struct journal_entry before;    /* its key is empty where there was none */
	bool goes, moved;
};

static const char *refusal_text(int error, bool many)
{
	switch (-error) {
	case EPERM:
		return "the kernel manages it, nobody else can move it";
	case ENOSPC:
		return many ? "these CPUs have no interrupt vector left; give it others"
			    : "this CPU has no interrupt vector left; give it another one";
	case EINVAL:
		return many ? "none of these CPUs is online" : "no such CPU is online";
	case EACCES:
		return "permission denied; it needs CAP_DAC_OVERRIDE at the start";
	case EROFS:
		return "/proc/irq is read-only here (systemd: ProtectKernelTunables=no)";
	case ENOENT:
		return "there is no such interrupt";
	case EIO:
		return "the kernel took that and has it elsewhere now";
	case E2BIG:
		return "the list of CPUs is too long";
	case EBADMSG:
		return "its affinity is no list of CPUs";
	}
	return strerror(-error);
}

static void move_refused(struct irq_move *move, int error)
{
	char list[CPUS_BYTES];

	move->error = err_set(&move->err, -error,
			      "interrupt %u (%s): cannot be moved to CPU %s: %s", move->irq,
			      *move->name ? move->name : "nobody's",
			      numset_format(move->cpus, list, sizeof(list)),
			      refusal_text(error, numset_count(move->cpus) > 1));
}

/* What the journal is to say; one that is there already, or cannot go, does not go. */
static int move_prepare(const char *root, struct opener *opener, struct moving *m)
{
	const struct irq_move *move = m->move;
	struct numset now;
	int r = irq_file_read(root, move->irq, IRQ_FILE_AFFINITY, &now);

	if (r < 0 || numset_equal(&now, move->cpus)) {
		return r;
	}
	if (numset_is_empty(move->cpus)) {
		return -EINVAL;
	}
	m->entry = (struct journal_entry){ .kind = JOURNAL_IRQ, .ifname = IRQ_IFNAME };
	snprintf(m->entry.key, sizeof(m->entry.key), "%u %s", move->irq, move->name);
	if (!cpus_format(&now, m->entry.was) || !cpus_format(move->cpus, m->entry.set)) {
		return -E2BIG;
	}
	r = irq_file_is_fixed(root, move->irq) ? -EPERM : affinity_open(root, move->irq, opener);
	if (r < 0) {
		return r;
	}
	close(r);
	m->goes = true;
	return 0;
}

/*
 * From where we had put it to another place: were we killed before it moves it would be neither as
 * found nor as set. So both are noted, until it has moved.
 */
static struct journal_entry entry_of_both(const struct moving *m)
{
	struct journal_entry both = m->entry;
	size_t n = strlen(m->before.set), n_set = strlen(m->entry.set);

	if (*m->before.key && strcmp(m->before.set, m->entry.was) == 0 &&
	    n + 1 + n_set < sizeof(both.set)) {
		memcpy(both.set, m->before.set, n);
		both.set[n] = ' ';
		memcpy(both.set + n + 1, m->entry.set, n_set + 1);
	}
	return both;
}

static void moves_note(struct moving *moving, uint32_t n, struct journal *journal)
{
	struct err err = { "" };
	int r;

	journal_begin(journal);
	for (uint32_t i = 0; i < n; i++) {
		struct moving *m = &moving[i];
		const struct journal_entry *found;
		struct journal_entry both;

		if (!m->goes) {
			continue;
		}
		found = journal_find(journal, JOURNAL_IRQ, 0, m->entry.key);
		if (found) {
			m->before = *found;
		}
		both = entry_of_both(m);
		m->move->error = journal_add(journal, &both, &m->move->err);
		m->goes = m->move->error == 0;
	}
	r = journal_commit(journal, &err);
	for (uint32_t i = 0; i < n && r < 0; i++) {
		if (moving[i].goes) {
			moving[i].goes = false;
			moving[i].move->error = r;
			moving[i].move->err = err;
		}
	}
}

static void move_make(const char *root, struct opener *opener, struct moving *m)
{
	int fd = affinity_open(root, m->move->irq, opener), r = fd;

	if (fd >= 0) {
		journal_fault_point();
		r = affinity_write(fd, root, m->move->irq, m->move->cpus);
		journal_fault_point();
		close(fd);
	}
	m->moved = r == 0;
	if (r < 0) {
		move_refused(m->move, r);
	}
}

/*
 * What was noted for a move that failed goes again, or says what it said before; what is back where
 * it was found needs no entry.
 */
static void moves_settle(const struct moving *moving, uint32_t n, struct journal *journal)
{
	journal_begin(journal);
	for (uint32_t i = 0; i < n; i++) {
		const struct moving *m = &moving[i];

		if (!m->goes) {
			continue;
		}
		if (!m->moved && *m->before.key) {
			journal_add(journal, &m->before, NULL);
		} else if (!m->moved || strcmp(m->entry.set, m->before.was) == 0) {
			journal_forget(journal, JOURNAL_IRQ, 0, m->entry.key, NULL);
		} else if (*m->before.key) {
			journal_add(journal, &m->entry, NULL);
		}
	}
	/* what stays listed as it was noted can be put back as well */
	journal_commit(journal, NULL);
}

void irq_set_all(const char *root, struct irq_move *move, uint32_t n, struct opener *opener,
		 struct journal *journal)
{
	struct moving *moving = calloc(n + 1, sizeof(*moving));

	for (uint32_t i = 0; i < n; i++) {
		int r = -ENOMEM;

		move[i].error = 0;
		if (moving) {
			moving[i].move = &move[i];
			r = move_prepare(root, opener, &moving[i]);
		}
		if (r < 0) {
			move_refused(&move[i], r);
		}
	}
	if (!moving) {
		return;
	}
	if (journal) {
		moves_note(moving, n, journal);
	}
	for (uint32_t i = 0; i < n; i++) {
		if (moving[i].goes) {
			move_make(root, opener, &moving[i]);
		}
	}
	if (journal) {
		moves_settle(moving, n, journal);
	}
	free(moving);
}

int irq_set(const char *root, uint32_t irq, const char *name, const struct numset *cpus,
	    struct opener *opener, struct journal *journal, struct err *reterr)
{
	struct irq_move move = { .irq = irq, .name = name, .cpus = cpus };

	irq_set_all(root, &move, 1, opener, journal);
	if (move.error < 0 && reterr) {
		*reterr = move.err;
	}
	return move.error;
}

/* ---- the journal's names ---- */

/* One of the names of 'line', which the kernel joins by ", ", is 'name'. */
static bool names_have(const char *line, const char *name, size_t n_name)
{
	while (*line) {
		size_t n = strcspn(line, ",");

		if (n == n_name && strncmp(line, name, n) == 0) {
			return true;
		}
		line += n + strspn(line + n, ", ");
	}
	return false;
}

/*
 * A shared line gains and loses drivers and is the same line still while one of them stays. Nobody
 * has it while its interface is down, be it now or as it was moved: that is no other name either.
 */
static bool names_agree(const char *then, const char *now)
{
	if (!*now || !*then || strcmp(then, now) == 0) {
		return true;
	}
	while (*then) {
		size_t n = strcspn(then, ",");

		if (n > 0 && names_have(now, then, n)) {
			return true;
		}
		then += n + strspn(then + n, ", ");
	}
	return false;
}

/* The number and, as '*ret_name', the name; false: not an entry of ours. */
static bool entry_parse(const struct journal_entry *e, uint32_t *ret, const char **ret_name)
{
	unsigned long irq;
	char *end;

	if (e->kind != JOURNAL_IRQ) {
		return false;
	}
	errno = 0;
	irq = strtoul(e->key, &end, 10);
	if (end == e->key || *end != ' ' || errno || irq >= UINT32_MAX) {
		return false;
	}
	*ret = (uint32_t)irq;
	*ret_name = end + 1;
	return true;
}

/* Where we put it, by the journal: one list, or two while it goes from the one to the other. */
static bool cpus_are_set(const struct numset *now, const char *lists)
{
	char list[JOURNAL_VALUE_BYTES];
	struct numset set;

	while (*lists) {
		size_t n = strcspn(lists, " ");

		snprintf(list, sizeof(list), "%.*s", (int)n, lists);
		if (numset_parse(list, 0, IRQ_CPUS_MAX - 1, &set) && numset_equal(&set, now)) {
			return true;
		}
		lists += n + strspn(lists + n, " ");
	}
	return false;
}

void irq_table_as_found(struct irq_table *table, const struct journal *journal)
{
	/* newest first: one moved without a name and again with one has two entries */
	for (uint32_t i = journal_count(journal); i-- > 0;) {
		const struct journal_entry *e = journal_get(journal, i);
		struct numset was;
		const struct irq *irq;
		const char *name;
		uint32_t number;

		if (!entry_parse(e, &number, &name)) {
			continue;
		}
		irq = irq_find(table, number);
		if (irq && names_agree(name, irq->name) &&
		    numset_parse(e->was, 0, IRQ_CPUS_MAX - 1, &was) &&
		    cpus_are_set(&irq->affinity, e->set)) {
			table->irq[irq - table->irq].affinity = was;
		}
	}
}

/* ---- putting back ---- */

struct restore {
	const char *root;
	struct opener *opener;
	struct irq_table table;
	note_fn *note;
	bool served;                    /* only interrupts that have a handler now */
};

static int affinity_put_back(const struct restore *restore, uint32_t irq, const struct numset *was)
{
	int fd = affinity_open(restore->root, irq, restore->opener), r;

	if (fd < 0) {
		return fd;
	}
	journal_fault_point();
	r = affinity_write(fd, restore->root, irq, was);
	journal_fault_point();
	close(fd);
	return r;
}

/* 0: done, or not ours to do any more. */
static int entry_put_back(const struct restore *restore, const struct journal_entry *e,
			  uint32_t irq, const char *name)
{
	const struct irq *row = irq_find(&restore->table, irq);
	struct numset was, now;
	char list[CPUS_BYTES];
	int r;

	if (row && !names_agree(name, row->name)) {
		note_line(restore->note, "interrupt %u: it was moved as '%s' and is '%s' now; left",
			  irq, name, row->name);
		return 0;
	}
	r = irq_file_read(restore->root, irq, IRQ_FILE_AFFINITY, &now);
	if (r == 0 && !numset_parse(e->was, 0, IRQ_CPUS_MAX - 1, &was)) {
		r = -EBADMSG;
	}
	if (r == -ENOENT || (r == 0 && numset_equal(&now, &was))) {
		return 0;
	}
	if (restore->served && (!row || !row->name[0])) {
		return -EAGAIN;
	}
	if (r == 0 && !cpus_are_set(&now, e->set)) {
		note_line(restore->note,
			  "interrupt %u (%s): it is on CPU %s now, neither as found (%s) nor as "
			  "set (%s); left",
			  irq, name, numset_format(&now, list, sizeof(list)), e->was, e->set);
		return 0;
	}
	if (r == 0) {
		r = affinity_put_back(restore, irq, &was);
	}
	if (r < 0) {
		note_line(restore->note, "interrupt %u (%s): cannot be put back to CPU %s: %s", irq,
			  name, e->was, refusal_text(r, true));
	}
	return r;
}

/* Which to put back: one, or all but some. */
struct chosen {
	uint32_t irq;                   /* IRQ_ALL */
	const uint32_t *but;
	uint32_t n_but;
};

static bool is_chosen(const struct chosen *chosen, uint32_t irq)
{
	for (uint32_t i = 0; i < chosen->n_but; i++) {
		if (chosen->but[i] == irq) {
			return false;
		}
	}
	return chosen->irq == IRQ_ALL || chosen->irq == irq;
}

/* One reading of all interrupts, one writing of the journal. */
static uint32_t restore_chosen(struct restore *restore, const struct chosen *chosen,
			       struct journal *journal)
{
	uint32_t i = journal_count(journal), n_failed = 0, n_done = 0;
	struct err err;
	int read = 1;                   /* 1: not yet */

	journal_begin(journal);
	while (i-- > 0) {
		struct journal_entry e = *journal_get(journal, i);
		uint32_t number;
		const char *name;
		int r;

		if (!entry_parse(&e, &number, &name) || !is_chosen(chosen, number)) {
			continue;
		}
		if (read == 1) {
			read = irq_table_read_counts(restore->root, &restore->table, &err);
			if (read < 0) {
				note_line(restore->note, "interrupts cannot be put back: %s",
					  err.text);
			}
		}
		r = read < 0 ? read : entry_put_back(restore, &e, number, name);
		if (r == 0) {
			r = journal_forget(journal, JOURNAL_IRQ, 0, e.key, NULL);
		}
		n_failed += r < 0;
		n_done += r == 0;
	}
	irq_table_done(&restore->table);
	return journal_commit(journal, NULL) < 0 ? n_failed + n_done : n_failed;
}

uint32_t irq_restore(const char *root, uint32_t irq, struct opener *opener, struct journal *journal,
		     note_fn *note)
{
	struct restore restore = { .root = root, .opener = opener, .note = note };
	const struct chosen chosen = { .irq = irq };

	return restore_chosen(&restore, &chosen, journal);
}

uint32_t irq_restore_others(const char *root, const uint32_t *irq, uint32_t n,
			    struct opener *opener, struct journal *journal, note_fn *note)
{
	struct restore restore = { .root = root, .opener = opener, .note = note, .served = true };
	const struct chosen chosen = { .irq = IRQ_ALL, .but = irq, .n_but = n };

	return restore_chosen(&restore, &chosen, journal);
}
