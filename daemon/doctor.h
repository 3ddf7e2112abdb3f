/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * doctor - what is wrong with the box, the daemon and its file, or slower than it could be, each
 * with one line to mend it.
 *
 * Fits:    inspect_doctor() (doctor.c) gathers: the warnings of `status` (warnings.c, in the same
 *          words), what the box is set to (doctor_box.c: files below a root, so that tests bring
 *          their own), what traffic shows (doctor_traffic.c: snapshots), and the rest from the
 *          state.
 * Threads: control. Reads; changes nothing.
 */
#include "base/cpulist.h"
#include "mgmt/snapshot.h"

struct doctor {
	struct mgmt_finding *finding;
	uint32_t n;
	bool failed;                    /* no memory */
};

/* ---- doctor_list.c ---- */

/* 'fmt': text and mend, divided by a newline. */
void doctor_add(struct doctor *doctor, enum mgmt_severity severity, const char *code,
		const char *subject, const char *fmt, ...) __attribute__((format(printf, 5, 6)));

/* One of the warnings of `status`. */
void doctor_add_warning(struct doctor *doctor, const struct mgmt_warning *warning);

/* Faults first, each kind in the order in which it was found. false: no memory. */
bool doctor_take(struct doctor *doctor, struct mgmt_findings *ret);

/* ---- doctor_box.c: 'root' is "" but in tests ---- */

/* Capabilities of manual 2, by /proc/self/status. CAP_DAC_OVERRIDE is the opener's. */
void doctor_look_capabilities(struct doctor *doctor, const char *root);

/* Frequencies and idle states of the workers' CPUs; 'sleeps': workers do not only poll. */
void doctor_look_power(struct doctor *doctor, const char *root, const struct numset *cpus,
		       bool sleeps);

/* The PCI Express link of a port's device. */
void doctor_look_link_power(struct doctor *doctor, const char *root, const char *port,
			    const char *ifname);

/* Huge pages for what is larger than a look-up can afford to miss, netfilter on kernel bridges. */
void doctor_look_kernel(struct doctor *doctor, const char *root, uint64_t table_bytes);

/* Descriptors: 'n_open' of at most 'n_max'; the same for any other share of a limit. */
void doctor_look_descriptors(struct doctor *doctor, uint64_t n_open, uint64_t n_max);

/* ---- doctor_traffic.c ---- */

/* A mode below zero-copy, where that was tried. */
void doctor_look_modes(struct doctor *doctor, const struct mgmt_ports *ports,
		       const struct mgmt_queues *queues);

/*
 * Rings that ran full or empty, interrupts on another CPU than the queue's worker. Where one was
 * told to go counts, though it moves with the next that comes.
 */
void doctor_look_queues(struct doctor *doctor, const struct mgmt_queues *queues,
			const struct mgmt_interrupts *interrupts, bool follow);

/* One queue of several gets most of a port's frames. 'before': rx_packets by row, or NULL: 0. */
void doctor_look_spread(struct doctor *doctor, const struct mgmt_queues *queues,
			const uint64_t *before);

void doctor_look_workers(struct doctor *doctor, const struct mgmt_workers *workers);

/* Tables and frames near their limits, frames that are lost, a file that is another. */
void doctor_look_status(struct doctor *doctor, const struct mgmt_status *status,
			uint64_t memory_max_bytes);
