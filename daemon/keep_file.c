/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/keep_file.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/line.h"

#define READ_MACS 4096u

static_assert(sizeof(struct keep_header) == 88 && sizeof(struct keep_bridge) == 136 &&
	      sizeof(struct keep_vlan) == 8 && sizeof(struct keep_port) == 136 &&
	      sizeof(struct keep_mac) == 12, "the rows of the file");

/* ---- sums, boots, clocks ---- */

static uint64_t sum_step(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15;
	return sum ^ sum >> 32;
}

uint64_t keep_sum(uint64_t sum, const void *data, size_t bytes)
{
	const uint8_t *at = data;
	uint64_t word;

	for (; bytes >= sizeof(word); at += sizeof(word), bytes -= sizeof(word)) {
		memcpy(&word, at, sizeof(word));
		sum = sum_step(sum, word);
	}
	if (bytes) {
		word = 0;
		memcpy(&word, at, bytes);
		sum = sum_step(sum, word);
	}
	return sum;
}

uint64_t keep_header_sum(uint64_t sum, const struct keep_header *header)
{
	struct keep_header copy = *header;

	copy.sum = 0;
	return keep_sum(sum, &copy, sizeof(copy));
}

void keep_boot_id(char ret[static KEEP_BOOT_BYTES])
{
	memset(ret, 0, KEEP_BOOT_BYTES);
	(void)line_read(LINE_BOOT_ID, ret, KEEP_BOOT_BYTES);
}

uint64_t keep_boottime_ns(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_BOOTTIME, &ts);
	return (uint64_t)ts.tv_sec * NS_PER_S + (uint64_t)ts.tv_nsec;
}

/* ---- reading ---- */

static bool read_whole(int fd, void *to, size_t bytes)
{
	char *at = to;

	while (bytes) {
		ssize_t n = read(fd, at, bytes);

		if (n <= 0) {
			return false;
		}
		at += n;
		bytes -= (size_t)n;
	}
	return true;
}

static uint64_t rows_bytes(const struct keep_header *header)
{
	return (uint64_t)header->n_bridges * sizeof(struct keep_bridge) +
	       (uint64_t)header->n_vlans * sizeof(struct keep_vlan) +
	       (uint64_t)header->n_ports * sizeof(struct keep_port) +
	       (uint64_t)header->n_macs * sizeof(struct keep_mac);
}

/* NULL, or what is wrong with it. */
static const char *header_wrong(const struct keep_header *header, uint64_t file_bytes)
{
	if (header->magic != KEEP_FILE_MAGIC) {
		return "it is no such file";
	}
	if (header->version != KEEP_FILE_VERSION || header->header_bytes != sizeof(*header)) {
		return "it is of another version";
	}
	if (header->n_bridges > KEEP_BRIDGES_MAX || header->n_vlans > KEEP_VLANS_MAX ||
	    header->n_ports > KEEP_PORTS_MAX || header->n_macs > KEEP_MACS_MAX) {
		return "it has too many rows";
	}
	if (file_bytes != sizeof(*header) + rows_bytes(header)) {
		return "it is cut off, or longer than it says";
	}
	return NULL;
}

static void *rows_read(struct keep_file *file, uint32_t n, size_t row_bytes, uint64_t *sum)
{
	void *rows = calloc(n + 1, row_bytes);

	if (rows && !read_whole(file->fd, rows, n * row_bytes)) {
		free(rows);
		return NULL;
	}
	if (rows) {
		*sum = keep_sum(*sum, rows, n * row_bytes);
	}
	return rows;
}

/* Reads the rows that name things, and sums the others up. */
static bool body_read(struct keep_file *file, uint64_t *ret_sum)
{
	const struct keep_header *header = &file->header;
	struct keep_mac mac[READ_MACS];
	uint64_t sum = 0;

	file->bridge = rows_read(file, header->n_bridges, sizeof(*file->bridge), &sum);
	file->vlan = file->bridge
			     ? rows_read(file, header->n_vlans, sizeof(*file->vlan), &sum) : NULL;
	file->port = file->vlan ? rows_read(file, header->n_ports, sizeof(*file->port), &sum)
				: NULL;
	if (!file->port) {
		return false;
	}
	for (uint32_t left = header->n_macs; left > 0;) {
		uint32_t n = left < READ_MACS ? left : READ_MACS;

		if (!read_whole(file->fd, mac, n * sizeof(mac[0]))) {
			return false;
		}
		for (uint32_t i = 0; i < n; i++) {
			sum = keep_sum(sum, &mac[i], sizeof(mac[i]));
		}
		left -= n;
	}
	*ret_sum = keep_header_sum(sum, header);
	return true;
}

static bool is_text(const char name[static KEEP_NAME_BYTES])
{
	return name[0] && memchr(name, '\0', KEEP_NAME_BYTES);
}

static bool rows_refer_right(const struct keep_file *file)
{
	const struct keep_header *header = &file->header;
	bool right = true;

	for (uint32_t i = 0; i < header->n_bridges; i++) {
		right &= is_text(file->bridge[i].name);
	}
	for (uint32_t i = 0; i < header->n_vlans; i++) {
		right &= file->vlan[i].bridge < header->n_bridges;
	}
	for (uint32_t i = 0; i < header->n_ports; i++) {
		right &= is_text(file->port[i].name) && file->port[i].bridge < header->n_bridges;
	}
	return right;
}

static int file_check(struct keep_file *file, const struct stat *st, struct err *reterr)
{
	char boot_id[KEEP_BOOT_BYTES];
	const char *wrong;
	uint64_t sum;

	if (!S_ISREG(st->st_mode)) {
		return err_set(reterr, EBADMSG, "it is no regular file");
	}
	if (!read_whole(file->fd, &file->header, sizeof(file->header))) {
		return err_set(reterr, EBADMSG, "it is shorter than its header");
	}
	wrong = header_wrong(&file->header, (uint64_t)st->st_size);
	if (wrong) {
		return err_set(reterr, EBADMSG, "%s", wrong);
	}
	keep_boot_id(boot_id);
	if (!boot_id[0] || memcmp(boot_id, file->header.boot_id, sizeof(boot_id)) != 0) {
		return err_set(reterr, ESTALE, "it is of another boot");
	}
	if (!body_read(file, &sum)) {
		return err_set(reterr, EBADMSG, "it cannot be read");
	}
	if (sum != file->header.sum || !rows_refer_right(file) ||
	    file->header.boottime_ns > keep_boottime_ns()) {
		return err_set(reterr, EBADMSG, "it is damaged");
	}
	return 0;
}

int keep_file_open(int dir_fd, struct keep_file **ret, struct err *reterr)
{
	struct keep_file *file = calloc(1, sizeof(*file));
	struct stat st;
	int r;

	if (!file) {
		return err_set(reterr, ENOMEM, "out of memory");
	}
	/* O_NONBLOCK: a FIFO of that name must not stop the start */
	file->fd = openat(dir_fd, KEEP_FILE_NAME,
			  O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (file->fd < 0 || fstat(file->fd, &st) < 0) {
		r = errno == ELOOP ? err_set(reterr, EBADMSG, "it is a symbolic link")
				   : err_set(reterr, errno, "%s", strerror(errno));
	} else {
		r = file_check(file, &st, reterr);
	}
	if (r == 0 && lseek(file->fd, st.st_size - (off_t)(file->header.n_macs *
							   sizeof(struct keep_mac)),
			    SEEK_SET) < 0) {
		r = err_set(reterr, errno, "%s", strerror(errno));
	}
	if (r < 0) {
		keep_file_close(file);
		return r;
	}
	*ret = file;
	return 0;
}

/* The file may have been changed since it was summed up: a row is trusted no more than then. */
static bool mac_is_right(const struct keep_file *file, const struct keep_mac *mac)
{
	return mac->vlan < file->header.n_vlans && mac->port < file->header.n_ports &&
	       file->vlan[mac->vlan].bridge == file->port[mac->port].bridge;
}

uint32_t keep_file_next(struct keep_file *file, struct keep_mac *ret, uint32_t max)
{
	uint32_t n = 0;

	while (n == 0 && file->n_read < file->header.n_macs) {
		uint32_t left = file->header.n_macs - file->n_read;
		uint32_t n_row = left < max ? left : max;

		if (!read_whole(file->fd, ret, n_row * sizeof(*ret))) {
			return 0;
		}
		file->n_read += n_row;
		for (uint32_t i = 0; i < n_row; i++) {
			if (mac_is_right(file, &ret[i])) {
				ret[n++] = ret[i];
			}
		}
	}
	return n;
}

void keep_file_close(struct keep_file *file)
{
	if (!file) {
		return;
	}
	if (file->fd >= 0) {
		close(file->fd);
	}
	free(file->bridge);
	free(file->vlan);
	free(file->port);
	free(file);
}
