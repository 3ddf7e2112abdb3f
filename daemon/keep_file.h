/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * keep_file - the file of learned addresses in the state directory: its form, and how it is read.
 *
 * Fits:    keep_writer.c writes it, keep.c moves addresses between it and the table.
 * Threads: control reads. The sum is anyone's.
 *
 * Form:    a header, the bridges, the VLANs, the ports, the addresses, each a row of a fixed size
 *          in this machine's byte order: nothing but a later process of the same boot takes it.
 *          Rows name one another by their number. The header has the sum of all the rest, and is
 *          put there last.
 * Trust:   none. Every number is checked, every name is bounded, what a row says of another is
 *          looked up anew each time. A file that is damaged, cut, too long, of another version or
 *          machine is refused as a whole; what it says of bridges and ports that are no more is for
 *          the caller to skip.
 * Boot:    a reboot takes carrier from every port, and lost carrier flushes what was learned there:
 *          the file of another boot says nothing.
 */
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

#define KEEP_FILE_NAME     "addresses"
#define KEEP_FILE_NEW      "addresses.new"
#define KEEP_FILE_MAGIC    UINT64_C(0x0a43414d54434456)     /* "VDCTMAC\n" */
#define KEEP_FILE_VERSION  1u
#define KEEP_NAME_BYTES    128
#define KEEP_BRIDGES_MAX   254u
#define KEEP_VLANS_MAX     4095u
#define KEEP_PORTS_MAX     254u
#define KEEP_MACS_MAX      (1u << 24)
#define KEEP_BOOT_BYTES    40

struct keep_header {
	uint64_t magic;
	uint32_t version, header_bytes;
	uint64_t boottime_ns;           /* CLOCK_BOOTTIME at which the ages hold */
	uint64_t sum;                   /* keep_sum() of all rows, then of the header with 0 here */
	uint32_t n_bridges, n_vlans, n_ports, n_macs;
	char boot_id[KEEP_BOOT_BYTES];
};

struct keep_bridge {
	char name[KEEP_NAME_BYTES];
	uint64_t step_ns;               /* of the ages below; 0: addresses never aged */
};

struct keep_vlan {
	uint16_t bridge, vid;           /* vid 0: the bridge did not filter */
	uint32_t zero;
};

struct keep_port {
	char name[KEEP_NAME_BYTES];
	uint16_t bridge;
	uint16_t zero[3];
};

struct keep_mac {
	uint8_t macaddress[6];
	uint16_t vlan;
	uint16_t age_steps;
	uint8_t port;
	uint8_t zero;
};

/* Continues 'sum' (0 at first) over 'bytes' bytes. */
uint64_t keep_sum(uint64_t sum, const void *data, size_t bytes);
uint64_t keep_header_sum(uint64_t sum, const struct keep_header *header);

/* What tells this boot from others; "" where the kernel does not say. */
void keep_boot_id(char ret[static KEEP_BOOT_BYTES]);
uint64_t keep_boottime_ns(void);

struct keep_file {
	int fd;
	struct keep_header header;
	struct keep_bridge *bridge;
	struct keep_vlan *vlan;
	struct keep_port *port;
	uint32_t n_read;                /* addresses so far */
};

/*
 * Opens the file in this directory and reads all of it once. 0; -ENOENT: there is none; -ESTALE: it
 * is of another boot; -EBADMSG: it is not one of ours, or damaged, 'reterr' says how; -errno.
 */
int keep_file_open(int dir_fd, struct keep_file **ret, struct err *reterr);

/*
 * The next addresses, their 'vlan' and 'port' in range and of the same bridge; 'max' at most. What
 * is out of range is left out. The number; 0: there are no more.
 */
uint32_t keep_file_next(struct keep_file *file, struct keep_mac *ret, uint32_t max);

void keep_file_close(struct keep_file *file);   /* NULL is fine */
