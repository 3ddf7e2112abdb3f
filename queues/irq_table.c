/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/irq_file.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "queues/sysfs.h"

/* 128 CPUs and 1000 interrupts are 1.5 MB: fewer, larger reads */
#define TABLE_READ_BYTES (64u * 1024)

/* ---- one line ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* Skips blanks; how many characters the word has that '*text' begins with then. */
static size_t word(const char **text)
{
	*text += strspn(*text, " \t");
	return strcspn(*text, " \t");
}

static bool count_parse(const char **text, uint64_t *ret)
{
	const char *p = *text + strspn(*text, " \t");
	uint64_t count = 0;

	if (!isdigit((unsigned char)*p)) {
		return false;
	}
	for (; isdigit((unsigned char)*p); p++) {
		count = count * 10 + (uint64_t)(*p - '0');
	}
	if (*p && !is_blank(*p)) {
		return false;
	}
	*text = p;
	*ret = count;
	return true;
}

/* The chip's own number and, on some machines, how it is triggered: "27", "0-edge". */
static bool is_hwirq(const char *text, size_t n)
{
	size_t n_digits = strspn(text, "0123456789");

	return n_digits > 0 && (n_digits == n || text[n_digits] == '-');
}

static bool is_trigger(const char *text, size_t n)
{
	return (n == 4 && strncmp(text, "Edge", n) == 0) ||
	       (n == 5 && strncmp(text, "Level", n) == 0);
}

static void text_copy(char *to, size_t to_bytes, const char *from, size_t n)
{
	n = n < to_bytes ? n : to_bytes - 1;
	for (size_t i = 0; i < n; i++) {
		to[i] = iscntrl((unsigned char)from[i]) ? '?' : from[i];
	}
	to[n] = '\0';
}

/*
 * What follows the counts: the chip's name, its number, the trigger, the drivers' names; all but
 * the first may be missing, and only the last has blanks.
 *
 *	PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0
 *	   GICv3  27 Level     arch_timer
 *	 xen-dyn    -event     eth0-q0-tx
 *	 IO-APIC  16-fasteoi   uhci_hcd:usb1, eth0
 */
static void words_parse(const char *text, struct irq *ret)
{
	size_t n = word(&text);

	text_copy(ret->type, sizeof(ret->type), text, n);
	text += n;
	n = word(&text);
	if (is_hwirq(text, n)) {
		text += n;
		n = word(&text);
	}
	if (is_trigger(text, n)) {
		text += n;
		n = word(&text);
	}
	if (n > 1 && *text == '-') {
		text += n;
		word(&text);
	}
	n = strlen(text);
	while (n > 0 && is_blank(text[n - 1])) {
		n--;
	}
	text_copy(ret->name, sizeof(ret->name), text, n);
}

/*
 * " 38:          0        405  PCI-MSIX-0000:00:03.0   1-edge      virtio2-input.0". As many counts
 * as there are columns: a CPU that came or went while the file was written would shift them.
 */
static bool line_parse(const char *line, uint32_t n_cpus, struct irq *ret, uint64_t *count)
{
	const char *text = line + strspn(line, " \t");
	struct irq irq = { 0 };
	unsigned long number;
	char *end;

	if (!isdigit((unsigned char)*text)) {
		return false;           /* NMI: and its like */
	}
	errno = 0;
	number = strtoul(text, &end, 10);
	if (*end != ':' || errno || number >= UINT32_MAX) {
		return false;
	}
	text = end + 1;
	for (uint32_t c = 0; c < n_cpus; c++) {
		if (!count_parse(&text, &count[c])) {
			return false;
		}
	}
	if (count_parse(&text, &(uint64_t){ 0 })) {
		return false;
	}
	irq.irq = (uint32_t)number;
	words_parse(text, &irq);
	*ret = irq;
	return true;
}

/* ---- the file ---- */

/* "           CPU0       CPU2       \n" */
static int heading_parse(const char *line, struct irq_table *table)
{
	size_t n_room = strlen(line) / 4 + 1;

	table->cpu = calloc(n_room, sizeof(*table->cpu));
	if (!table->cpu) {
		return -ENOMEM;
	}
	for (size_t n = word(&line); n > 0; line += n, n = word(&line)) {
		char *end;
		unsigned long cpu;

		if (strncmp(line, "CPU", 3) != 0 || !isdigit((unsigned char)line[3])) {
			return -EBADMSG;
		}
		cpu = strtoul(line + 3, &end, 10);
		if (end != line + n || cpu >= IRQ_CPUS_MAX) {
			return -EBADMSG;
		}
		table->cpu[table->n_cpus++] = (uint32_t)cpu;
	}
	return table->n_cpus > 0 ? 0 : -EBADMSG;
}

static int table_reserve(struct irq_table *table, uint32_t *n_room)
{
	uint32_t n = *n_room ? 2 * *n_room : 64;
	struct irq *irq;
	uint64_t *count;

	if (table->n < *n_room) {
		return 0;
	}
	irq = reallocarray(table->irq, n, sizeof(*irq));
	if (!irq) {
		return -ENOMEM;
	}
	table->irq = irq;
	count = reallocarray(table->count, n, sizeof(*count) * table->n_cpus);
	if (!count) {
		return -ENOMEM;
	}
	table->count = count;
	*n_room = n;
	return 0;
}

/* A whole line, without its newline; false at the end, and for one that the end cuts short. */
static bool line_read(FILE *file, char **line, size_t *line_bytes)
{
	ssize_t n = getline(line, line_bytes, file);

	if (n <= 0 || (*line)[n - 1] != '\n') {
		return false;
	}
	(*line)[n - 1] = '\0';
	return true;
}

static int table_parse(FILE *file, struct irq_table *table)
{
	size_t line_bytes = 0;
	char *line = NULL;
	uint32_t n_room = 0;
	int r = line_read(file, &line, &line_bytes) ? heading_parse(line, table) : -EBADMSG;

	while (r == 0 && line_read(file, &line, &line_bytes)) {
		uint32_t i = table->n;

		r = table_reserve(table, &n_room);
		if (r == 0 &&
		    line_parse(line, table->n_cpus, &table->irq[i],
			       &table->count[(size_t)i * table->n_cpus]) &&
		    (i == 0 || table->irq[i].irq > table->irq[i - 1].irq)) {
			table->n++;
		}
	}
	if (r == 0 && ferror(file)) {
		r = -EIO;
	}
	free(line);
	return r;
}

int irq_table_read_counts(const char *root, struct irq_table *ret, struct err *reterr)
{
	struct irq_table table = { 0 };
	char path[PATH_MAX];
	FILE *file;
	int r;

	snprintf(path, sizeof(path), "%s/proc/interrupts", root);
	file = fopen(path, "re");
	if (!file) {
		return err_set(reterr, errno, "cannot read '%s': %s", path, strerror(errno));
	}
	setvbuf(file, NULL, _IOFBF, TABLE_READ_BYTES);
	r = table_parse(file, &table);
	fclose(file);
	if (r < 0) {
		irq_table_done(&table);
		return err_set(reterr, -r, "cannot read '%s': %s", path,
			       r == -EBADMSG ? "its heading names no CPUs" : strerror(-r));
	}
	*ret = table;
	return 0;
}

/* ---- where they are ---- */

int irq_file_read(const char *root, uint32_t irq, const char *file, struct numset *ret)
{
	char path[PATH_MAX], text[4 * NUMSET_MAX];
	int r;

	irq_file_path(root, irq, file, path);
	r = sysfs_read(path, text, sizeof(text));
	if (r < 0) {
		return r;
	}
	return numset_parse(text, 0, IRQ_CPUS_MAX - 1, ret) ? 0 : -EBADMSG;
}

void irq_file_path(const char *root, uint32_t irq, const char *file, char path[static PATH_MAX])
{
	snprintf(path, PATH_MAX, "%s/proc/irq/%u/%s", root, irq, file);
}

bool irq_file_is_fixed(const char *root, uint32_t irq)
{
	char path[PATH_MAX];
	struct stat st;

	irq_file_path(root, irq, IRQ_FILE_AFFINITY, path);
	return stat(path, &st) == 0 && !(st.st_mode & S_IWUSR);
}

int irq_table_read(const char *root, struct irq_table *ret, struct err *reterr)
{
	int r = irq_table_read_counts(root, ret, reterr);

	for (uint32_t i = 0; r == 0 && i < ret->n; i++) {
		struct irq *irq = &ret->irq[i];

		irq_file_read(root, irq->irq, IRQ_FILE_AFFINITY, &irq->affinity);
		irq_file_read(root, irq->irq, IRQ_FILE_EFFECTIVE, &irq->effective);
		irq->managed = irq_file_is_fixed(root, irq->irq);
	}
	return r;
}

void irq_table_done(struct irq_table *table)
{
	free(table->cpu);
	free(table->irq);
	free(table->count);
	*table = (struct irq_table){ 0 };
}

static int compare(const void *key, const void *element)
{
	uint32_t irq = *(const uint32_t *)key, other = ((const struct irq *)element)->irq;

	return irq < other ? -1 : irq > other;
}

const struct irq *irq_find(const struct irq_table *table, uint32_t irq)
{
	return table->n ? bsearch(&irq, table->irq, table->n, sizeof(*table->irq), compare) : NULL;
}
