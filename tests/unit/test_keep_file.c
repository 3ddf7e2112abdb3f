/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The file of learned addresses: written by its thread, read back, and read with every kind of
 * damage, by accident (the sum tells) and by malice (the sum is right).
 */
#include "daemon/keep_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "daemon/keep_writer.h"
#include "tests/unit/tap.h"
#include "tests/unit/test_fdb.h"

#define N_MACS 10000u

static char dir[] = "/tmp/vt-keep-XXXXXX";
static int dir_fd;

static struct keep_mac mac_row(uint32_t n)
{
	struct keep_mac mac = {.vlan = n % 2, .age_steps = (uint16_t)(n % 200), .port = n % 2};

	memcpy(mac.macaddress, &n, sizeof(n));
	return mac;
}

/* ---- writing ---- */

static int do_work(struct keep_writer *writer, enum keep_work work, uint32_t bytes,
		   const struct keep_header *header)
{
	int error = -ETIMEDOUT;

	keep_writer_post(writer, work, bytes, header);
	if (!keep_writer_wait(writer, clock_now_ns() + 10 * NS_PER_S) ||
	    !keep_writer_take(writer, &error)) {
		return -ETIMEDOUT;
	}
	return error;
}

/* Two bridges of one VLAN and one port each; the sum of what was appended. */
static int append_all(struct keep_writer *writer, uint64_t *sum)
{
	struct keep_bridge bridge[2] = {{"lan", 5}, {"dmz", 7}};
	struct keep_vlan vlan[2] = {{0, 10, 0}, {1, 0, 0}};
	struct keep_port port[2] = {{"p1", 0, {0}}, {"p2", 1, {0}}};
	const struct {
		const void *rows;
		uint32_t bytes;
	} part[] = {{bridge, sizeof(bridge)}, {vlan, sizeof(vlan)}, {port, sizeof(port)}};
	char *buf = keep_writer_buf(writer);
	uint32_t at = 0;

	for (uint32_t i = 0; i < 3; i++) {
		memcpy(buf + at, part[i].rows, part[i].bytes);
		*sum = keep_sum(*sum, part[i].rows, part[i].bytes);
		at += part[i].bytes;
	}
	for (uint32_t n = 0; n < N_MACS; n++) {
		struct keep_mac mac = mac_row(n);

		memcpy(buf + at, &mac, sizeof(mac));
		*sum = keep_sum(*sum, &mac, sizeof(mac));
		at += (uint32_t)sizeof(mac);
	}
	return do_work(writer, KEEP_WORK_APPEND, at, NULL);
}

static int write_all(struct keep_writer *writer)
{
	struct keep_header header = {
		.magic = KEEP_FILE_MAGIC, .version = KEEP_FILE_VERSION,
		.header_bytes = sizeof(header), .boottime_ns = keep_boottime_ns(),
		.n_bridges = 2, .n_vlans = 2, .n_ports = 2, .n_macs = N_MACS,
	};
	uint64_t sum = 0;
	int r = do_work(writer, KEEP_WORK_BEGIN, 0, NULL);

	keep_boot_id(header.boot_id);
	r = r ? r : append_all(writer, &sum);
	header.sum = keep_header_sum(sum, &header);
	return r ? r : do_work(writer, KEEP_WORK_END, 0, &header);
}

static void test_written(void)
{
	struct keep_writer *writer;
	struct keep_file *file;
	struct keep_mac mac[64];
	struct err err = {""};
	uint32_t n = 0, n_read;
	struct stat st;

	tap_ok(keep_file_open(dir_fd, &file, &err) == -ENOENT, "no file: %s", err.text);
	if (!tap_ok(keep_writer_open(dir_fd, &writer, &err) == 0 && write_all(writer) == 0 &&
		    keep_file_open(dir_fd, &file, &err) == 0, "written and opened %s", err.text)) {
		exit(tap_done());
	}
	while ((n_read = keep_file_next(file, mac, 64))) {
		for (uint32_t i = 0; i < n_read; i++, n++) {
			struct keep_mac want = mac_row(n);

			n += memcmp(&mac[i], &want, sizeof(want)) ? N_MACS : 0;
		}
	}
	tap_ok(n == N_MACS && strcmp(file->bridge[1].name, "dmz") == 0 && file->vlan[0].vid == 10 &&
	       strcmp(file->port[0].name, "p1") == 0, "every row as it was written");
	keep_file_close(file);
	tap_ok(do_work(writer, KEEP_WORK_BEGIN, 0, NULL) == 0 &&
	       keep_writer_close(writer, clock_now_ns() + 10 * NS_PER_S) &&
	       fstatat(dir_fd, KEEP_FILE_NEW, &st, 0) < 0 &&
	       keep_file_open(dir_fd, &file, &err) == 0,
	       "a writing that is broken off leaves the old file, and no other");
	keep_file_close(file);
}

static void test_refused(void)
{
	struct keep_writer *writer;
	struct keep_file *file;
	struct err err = {""};
	struct stat st;

	keep_writer_open(dir_fd, &writer, &err);
	mkdirat(dir_fd, KEEP_FILE_NEW, 0700);
	tap_ok(do_work(writer, KEEP_WORK_BEGIN, 0, NULL) == -EEXIST, "in the way: an error");
	tap_ok(keep_file_open(dir_fd, &file, &err) == 0, "the old file stays");
	keep_file_close(file);
	unlinkat(dir_fd, KEEP_FILE_NEW, AT_REMOVEDIR);
	tap_ok(write_all(writer) == 0, "it is written once the way is free");
	symlinkat("/nonexistent", dir_fd, KEEP_FILE_NEW);
	tap_ok(write_all(writer) == 0 && fstatat(dir_fd, KEEP_FILE_NAME, &st, 0) == 0,
	       "a link of that name is replaced, not followed");
	tap_ok(do_work(writer, KEEP_WORK_FORGET, 0, NULL) == 0 &&
	       keep_file_open(dir_fd, &file, &err) == -ENOENT &&
	       do_work(writer, KEEP_WORK_FORGET, 0, NULL) == 0, "forgotten, and once more");
	write_all(writer);
	keep_writer_close(writer, UINT64_MAX);
}

/* ---- reading what was not meant to be ---- */

static void *whole_read(size_t *ret_bytes)
{
	int fd = openat(dir_fd, KEEP_FILE_NAME, O_RDONLY | O_CLOEXEC);
	struct stat st = {0};
	char *data;

	fstat(fd, &st);
	data = malloc((size_t)st.st_size + 64);
	if (fd < 0 || !data || read(fd, data, (size_t)st.st_size) != st.st_size) {
		abort();
	}
	close(fd);
	*ret_bytes = (size_t)st.st_size;
	return data;
}

static void whole_write(const void *data, size_t bytes)
{
	int fd = openat(dir_fd, KEEP_FILE_NAME, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0 || write(fd, data, bytes) != (ssize_t)bytes) {
		abort();
	}
	close(fd);
}

/* -EBADMSG, or every row within bounds: what a reader may rely on. */
static bool read_is_safe(int *ret_r)
{
	struct keep_file *file;
	struct keep_mac mac[100];
	struct err err = {""};
	bool safe = true;
	uint32_t n;

	*ret_r = keep_file_open(dir_fd, &file, &err);
	if (*ret_r < 0) {
		return *ret_r == -EBADMSG || *ret_r == -ESTALE;
	}
	while ((n = keep_file_next(file, mac, 100))) {
		for (uint32_t i = 0; i < n; i++) {
			safe &= mac[i].vlan < file->header.n_vlans &&
				mac[i].port < file->header.n_ports &&
				file->vlan[mac[i].vlan].bridge == file->port[mac[i].port].bridge &&
				file->port[mac[i].port].bridge < file->header.n_bridges;
		}
	}
	for (uint32_t i = 0; i < file->header.n_ports; i++) {
		safe &= strnlen(file->port[i].name, KEEP_NAME_BYTES) < KEEP_NAME_BYTES;
	}
	keep_file_close(file);
	return safe;
}

static void test_accidents(struct test_rng *rng, const char *good, size_t bytes)
{
	char *data = malloc(bytes + 64);
	uint32_t n_taken = 0, n_unsafe = 0;
	int r;

	for (uint32_t round = 0; round < 500; round++) {
		size_t length = bytes;

		memcpy(data, good, bytes);
		switch (rng_below(rng, 3)) {
		case 0:
			data[rng_below(rng, (uint32_t)bytes)] ^= (char)(1 << rng_below(rng, 8));
			break;
		case 1:
			length = rng_below(rng, (uint32_t)bytes);
			break;
		case 2:
			length = bytes + 1 + rng_below(rng, 60);
			break;
		}
		whole_write(data, length);
		n_unsafe += !read_is_safe(&r);
		n_taken += r == 0;
	}
	tap_ok(n_taken == 0 && n_unsafe == 0,
	       "a bit that flipped, bytes too few or too many: refused (%u taken)", n_taken);
	free(data);
}

/* The sum as keep_file.c takes it: by parts, addresses one by one. */
static void sum_mend(char *data, size_t bytes)
{
	struct keep_header header;
	uint64_t sum = 0, at = sizeof(header);
	size_t part[3];

	memcpy(&header, data, sizeof(header));
	part[0] = header.n_bridges * sizeof(struct keep_bridge);
	part[1] = header.n_vlans * sizeof(struct keep_vlan);
	part[2] = header.n_ports * sizeof(struct keep_port);
	for (uint32_t i = 0; i < 3 && part[i] <= bytes - at; i++) {
		sum = keep_sum(sum, data + at, part[i]);
		at += part[i];
	}
	for (; at + sizeof(struct keep_mac) <= bytes; at += sizeof(struct keep_mac)) {
		sum = keep_sum(sum, data + at, sizeof(struct keep_mac));
	}
	header.sum = keep_header_sum(sum, &header);
	memcpy(data, &header, sizeof(header));
}

static void test_malice(struct test_rng *rng, const char *good, size_t bytes)
{
	size_t head = sizeof(struct keep_header) + 2 * (sizeof(struct keep_bridge) +
							sizeof(struct keep_vlan) +
							sizeof(struct keep_port));
	size_t used = head + 200 * sizeof(struct keep_mac);
	uint32_t n_taken = 0, n_unsafe = 0;
	char *data = malloc(bytes);
	int r;

	for (uint32_t round = 0; round < 3000; round++) {
		struct keep_header header;

		memcpy(data, good, used);
		memcpy(&header, data, sizeof(header));
		header.n_macs = 200;
		memcpy(data, &header, sizeof(header));
		for (uint32_t i = 1 + rng_below(rng, 20); i > 0; i--) {
			size_t from = rng_below(rng, 4) ? 64 : 32;

			data[from + rng_below(rng, (uint32_t)(used - from))] =
				rng_below(rng, 2) ? (char)rng_next(rng) : (char)rng_below(rng, 3);
		}
		memcpy(data + 48, good + 48, 40);       /* the boot's name */
		sum_mend(data, used);
		whole_write(data, used);
		n_unsafe += !read_is_safe(&r);
		n_taken += r == 0;
	}
	tap_ok(n_unsafe == 0, "whatever stands in it, no row leads out of it");
	tap_ok(n_taken > 100, "and many such files were read to their end (%u of 3000)", n_taken);
	free(data);
}

int main(int argc, char **argv)
{
	struct test_rng rng = rng_from(argc, argv);
	size_t bytes;
	char *good;

	if (!mkdtemp(dir) || (dir_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0) {
		printf("Bail out! no directory\n");
		return 1;
	}
	test_written();
	test_refused();
	good = whole_read(&bytes);
	test_accidents(&rng, good, bytes);
	test_malice(&rng, good, bytes);
	free(good);
	unlinkat(dir_fd, KEEP_FILE_NAME, 0);
	close(dir_fd);
	rmdir(dir);
	return tap_done();
}
