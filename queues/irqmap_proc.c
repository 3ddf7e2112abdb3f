/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/irqmap_proc.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "queues/sysfs.h"

#define IRQMAP_CPU_MAX 1023

/*
 * What drivers put before the queue's number. The longer spelling first where one ends in the
 * other; letters of either case. Intel's put the driver before the interface ("i40e-eth0-TxRx-3"),
 * mlx5 the PCI address behind ("mlx5_comp3@pci:0000:01:00.0").
 */
static const struct {
	const char *mark;
	bool rx, tx;
} marks[] = {
	{ "-tx-rx-", true, true },      /* ena */
	{ "-txrx-", true, true },       /* igb, igc, ixgbe, i40e, ice, bnxt, tg3 */
	{ "-rxtx-", true, true },       /* vmxnet3, nfp */
	{ "-fp-", true, true },         /* bnx2x, qede */
	{ "-rx-", true, false },        /* igb, e1000e, vmxnet3, mvneta */
	{ "-tx-", false, true },
	{ ":rx-", true, false },        /* stmmac */
	{ ":tx-", false, true },
	{ "-input.", true, false },     /* virtio */
	{ "-output.", false, true },
	{ "mlx5_comp", true, true },
};

/* ---- names ---- */

/*
 * 'word' stands in the 'n' characters of 'text' between ends or separators: eth1 is not found in
 * eth10-rx-0.
 */
static bool text_names(const char *text, size_t n, const char *word)
{
	size_t n_word = strlen(word);

	if (n_word == 0) {
		return false;
	}
	for (size_t i = 0; i + n_word <= n; i++) {
		bool begins = i == 0 || strchr("-:@", text[i - 1]);
		bool ends = i + n_word == n || strchr("-:@", text[i + n_word]);

		if (begins && ends && memcmp(text + i, word, n_word) == 0) {
			return true;
		}
	}
	return false;
}

static bool number_parse(const char *text, size_t n, int32_t *ret)
{
	int32_t value = 0;

	if (n == 0 || n > 5) {
		return false;
	}
	for (size_t i = 0; i < n; i++) {
		value = value * 10 + (text[i] - '0');
	}
	*ret = value;
	return true;
}

bool irqmap_name_parse(const char *word, const char *ifname, const char *device,
		       struct irqmap_name *ret)
{
	size_t n = strcspn(word, "@"), n_digits = 0, n_front;
	struct irqmap_name name = { .queue = -1 };

	/*
	 * one interrupt for all: a legacy or single MSI one has the interface's name, virtio's
	 * "virtio2-virtqueues"
	 */
	n_front = strlen(device);
	if (strcmp(word, ifname) == 0 || (n_front > 0 && strncmp(word, device, n_front) == 0 &&
					  strcmp(word + n_front, "-virtqueues") == 0)) {
		*ret = (struct irqmap_name){ .rx = true, .tx = true, .queue = -1, .named = true };
		return true;
	}
	while (n_digits < n && isdigit((unsigned char)word[n - 1 - n_digits])) {
		n_digits++;
	}
	n_front = n - n_digits;
	if (!number_parse(word + n_front, n_digits, &name.queue)) {
		return false;
	}
	for (size_t i = 0; i < sizeof(marks) / sizeof(marks[0]); i++) {
		size_t n_mark = strlen(marks[i].mark);

		if (n_front < n_mark ||
		    strncasecmp(word + n_front - n_mark, marks[i].mark, n_mark) != 0) {
			continue;
		}
		name.rx = marks[i].rx;
		name.tx = marks[i].tx;
		name.named = text_names(word, n_front - n_mark, ifname) ||
			     text_names(word, n_front - n_mark, device) ||
			     text_names(word + n, strlen(word + n), device);
		*ret = name;
		return true;
	}
	return false;
}

/* ---- the device ---- */

struct source {
	const char *root, *ifname;
	char device[64];                /* irqmap_name_parse() */
};

static void source_init(struct source *source, const char *root, const char *ifname)
{
	char path[PATH_MAX], target[PATH_MAX];
	const char *last;
	ssize_t n;

	source->root = root;
	source->ifname = ifname;
	source->device[0] = '\0';
	snprintf(path, sizeof(path), "%s/sys/class/net/%s/device", root, ifname);
	n = readlink(path, target, sizeof(target) - 1);
	if (n <= 0) {
		return;
	}
	target[n] = '\0';
	last = strrchr(target, '/');
	last = last ? last + 1 : target;
	if (strlen(last) < sizeof(source->device)) {
		snprintf(source->device, sizeof(source->device), "%.63s", last);
	}
}

/*
 * Listed as an MSI of the interface's own device. A virtio device's are its parent's: there the
 * name decides.
 */
static bool source_owns_irq(const struct source *source, int32_t irq)
{
	char path[PATH_MAX];
	struct stat st;

	snprintf(path, sizeof(path), "%s/sys/class/net/%s/device/msi_irqs/%d", source->root,
		 source->ifname, irq);
	return stat(path, &st) == 0;
}

/* ---- /proc/interrupts ---- */

struct found {
	int32_t irq;
	struct irqmap_name name;
};

struct search {
	const struct source *source;
	struct found *found;
	size_t n_found, n_room;
	bool any_named;
};

static int search_add(struct search *search, int32_t irq, const struct irqmap_name *name)
{
	if (search->n_found == search->n_room) {
		size_t n_room = search->n_room ? 2 * search->n_room : 64;
		struct found *found = reallocarray(search->found, n_room, sizeof(*found));

		if (!found) {
			return -ENOMEM;
		}
		search->found = found;
		search->n_room = n_room;
	}
	search->found[search->n_found++] = (struct found){ .irq = irq, .name = *name };
	search->any_named = search->any_named || name->named;
	return 0;
}

/* A shared line has several names, with commas, and some names have several words. */
static int search_line(struct search *search, const struct irq *irq)
{
	char line[IRQ_NAME_BYTES], *state = NULL;
	struct irqmap_name name;
	int r = 0;

	if (irq->irq > INT32_MAX) {
		return 0;
	}
	memcpy(line, irq->name, sizeof(line));
	for (char *word = strtok_r(line, " \t,", &state); word && r == 0;
	     word = strtok_r(NULL, " \t,", &state)) {
		if (irqmap_name_parse(word, search->source->ifname, search->source->device,
				      &name) &&
		    (name.named || source_owns_irq(search->source, (int32_t)irq->irq))) {
			r = search_add(search, (int32_t)irq->irq, &name);
		}
	}
	return r;
}

static int search_table(struct search *search, const struct irq_table *table)
{
	int r = 0;

	for (uint32_t i = 0; i < table->n && r == 0; i++) {
		r = search_line(search, &table->irq[i]);
	}
	return r;
}

static int search_file(struct search *search)
{
	struct irq_table table;
	int r = irq_table_read_counts(search->source->root, &table, NULL);

	if (r == 0) {
		r = search_table(search, &table);
		irq_table_done(&table);
	}
	return r;
}

/* One number for both directions may be all that a NAPI can tell: see queue_merge(). */
static bool queues_have_gap(const struct irqmap_queue *queue, uint32_t n_queues)
{
	for (uint32_t q = 0; q < n_queues; q++) {
		if (queue[q].irq_rx < 0 || queue[q].irq_tx < 0 ||
		    queue[q].irq_rx == queue[q].irq_tx) {
			return true;
		}
	}
	return false;
}

static void found_apply(const struct found *found, uint32_t n_queues, struct irqmap_queue *queue)
{
	for (uint32_t q = 0; q < n_queues; q++) {
		if (found->name.queue >= 0 && (uint32_t)found->name.queue != q) {
			continue;
		}
		if (found->name.rx && queue[q].irq_rx < 0) {
			queue[q].irq_rx = found->irq;
		}
		if (found->name.tx && queue[q].irq_tx < 0) {
			queue[q].irq_tx = found->irq;
		}
	}
}

/*
 * Names of queues first; words for all queues come last, they fill what is left (r8169: all; igb:
 * nothing).
 */
static void search_apply(const struct search *search, uint32_t n_queues, struct irqmap_queue *names)
{
	for (int all = 0; all < 2; all++) {
		for (size_t i = 0; i < search->n_found; i++) {
			const struct found *found = &search->found[i];

			/*
			 * Two ports of one PCI function share msi_irqs, and an interface renamed
			 * while up keeps its old name here: what bears our name wins, what is only
			 * ours by number serves where nothing does.
			 */
			if ((found->name.queue < 0) == all &&
			    (found->name.named || !search->any_named)) {
				found_apply(found, n_queues, names);
			}
		}
	}
}

/*
 * The kernel knows one interrupt of a NAPI. Where a NAPI serves both directions of a queue, the
 * device may still have another one for sending (e1000e): the names are believed, if what they say
 * of receiving is what the kernel says.
 */
static void queue_merge(const struct irqmap_queue *names, struct irqmap_queue *queue)
{
	bool one_told = queue->irq_tx >= 0 && queue->irq_tx == queue->irq_rx;

	if (queue->irq_tx < 0 ||
	    (one_told && names->irq_rx == queue->irq_rx && names->irq_tx >= 0)) {
		queue->irq_tx = names->irq_tx;
	}
	if (queue->irq_rx < 0) {
		queue->irq_rx = names->irq_rx;
	}
}

int irqmap_proc_fill(const char *root, const char *ifname, const struct irq_table *table,
		     uint32_t n_queues, struct irqmap_queue *queue)
{
	struct search search = { 0 };
	struct irqmap_queue *names;
	struct source source;
	int r;

	source_init(&source, root, ifname);
	if (!source.device[0] || !queues_have_gap(queue, n_queues)) {
		return 0;
	}
	names = calloc(n_queues + 1, sizeof(*names));
	if (!names) {
		return -ENOMEM;
	}
	for (uint32_t q = 0; q < n_queues; q++) {
		names[q] = (struct irqmap_queue){ .irq_rx = -1, .irq_tx = -1 };
	}
	search.source = &source;
	r = table ? search_table(&search, table) : search_file(&search);
	if (r == 0) {
		search_apply(&search, n_queues, names);
		for (uint32_t q = 0; q < n_queues; q++) {
			queue_merge(&names[q], &queue[q]);
		}
	}
	free(search.found);
	free(names);
	return r;
}

int32_t irqmap_proc_cpu(const char *root, int32_t irq)
{
	char path[PATH_MAX], text[4096];
	struct numset cpus;
	uint32_t cpu;

	if (irq < 0) {
		return -1;
	}
	snprintf(path, sizeof(path), "%s/proc/irq/%d/effective_affinity_list", root, irq);
	if (sysfs_read(path, text, sizeof(text)) < 0 ||
	    !numset_parse(text, 0, IRQMAP_CPU_MAX, &cpus)) {
		return -1;
	}
	cpu = numset_next(&cpus, 0);
	return cpu < NUMSET_MAX ? (int32_t)cpu : -1;
}
