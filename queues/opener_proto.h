/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * opener_proto - what viaductd and its opener say to one another: a request of fixed size, an
 * answer that is 0 with a descriptor beside it (SCM_RIGHTS), or -errno. Private to opener.c and
 * opener_child.c.
 */
#include <net/if.h>
#include <stdint.h>

enum opener_kind {
	OPENER_KIND_IRQ_AFFINITY = 1,   /* /proc/irq/IRQ/smp_affinity_list */
	OPENER_KIND_NET_FILE,           /* /sys/class/net/IFNAME/FILE */
};

enum opener_file {
	OPENER_FILE_THREADED,
	OPENER_FILE_NAPI_DEFER_HARD_IRQS,
	OPENER_FILE_GRO_FLUSH_TIMEOUT,
	OPENER_FILE_N,
};

extern const char *const opener_file_name[OPENER_FILE_N];

struct opener_request {
	/* plain numbers: the child checks them, an enum would promise that they are valid */
	uint32_t kind;
	uint32_t irq;
	uint32_t file;
	char ifname[IFNAMSIZ];
};

struct opener_answer {
	int32_t error;                  /* 0 or -errno */
};

/*
 * The child's life: gives up everything but CAP_DAC_OVERRIDE, enters seccomp, answers on descriptor
 * 0 until it is closed. Never returns.
 */
_Noreturn void opener_child_run(int sock_fd, int parent_pid);
