/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * interrupts - every interrupt in its place: the queues' where `interrupts` and `irq-pin` put them,
 * the other devices' off the shielded CPUs, and irqbalance told to leave ours alone.
 *
 * Fits:    queues/irqmap says which interrupt serves which queue, queues/irq_plan where each
 *          belongs, queues/irq moves it and notes it in the journal. Called when ports have come or
 *          gone, when a client asks for something else, and every few seconds to see whether
 *          somebody moved one.
 * Threads: control.
 * Undoing: whatever the journal lists and the plan does not name any more is put back: a port that
 *          went, `intr` after `intr nointr`, another file after a restart, all in one rule. The
 *          plan is made from where interrupts were before we moved them, so that making it twice
 *          gives the same.
 * Failing: an interrupt that the kernel manages, or a CPU without a free vector, is a warning of
 *          `status`, never an error.
 */
#include "daemon/state.h"
#include "queues/irqmap.h"

/*
 * Plans and moves. Where an interrupt is not where the last call put it and 'mend' is set, that is
 * drift: noted, said in the log, mended.
 */
void interrupts_apply(struct vswitch *vswitch, bool mend) REQUIRES(role_control);

/* The kernel places this one itself, by what is read or by its refusal. */
bool interrupts_is_managed(const struct interrupts *interrupts, const struct irq *irq);

/* Puts back where the interrupts of this port, which is open or closing, were. */
void interrupts_give_back(struct vswitch *vswitch, const struct port *port) REQUIRES(role_control);

/* "interrupt 27 (enp2s0-rx-0)": what it is called in the log and in `status`. */
const char *interrupts_subject(const struct interrupt_place *place, char buf[CONF_NAME_BYTES]);

/* What a user can do about an irq_set() that failed so. */
const char *interrupts_remedy(int error);

/* Takes back what irqbalance was told; the interrupts themselves are device_restore()'s. */
void interrupts_close(struct vswitch *vswitch) REQUIRES(role_control);

/*
 * `intr affinity`; 'irq' is the number that it has now. 0 or -errno: what irq_set() says; -EINVAL:
 * no such CPU, or one under `intr nointr`.
 */
int interrupts_override(struct vswitch *vswitch, const struct interrupt_override *wanted,
			struct err *reterr) REQUIRES(role_control);

/* `intr nointr` and `intr`. 0; -EINVAL: no such CPU, or the last one that takes any. */
int interrupts_allow(struct vswitch *vswitch, uint32_t cpu, bool allowed, struct err *reterr)
	REQUIRES(role_control);

/* A reload: what clients have asked for no longer holds. */
void interrupts_forget_asked(struct vswitch *vswitch) REQUIRES(role_control);

/* ---- the plan by itself, for --check ---- */

struct irq_plan_queue interrupts_plan_queue(const struct conf_queues *queues, uint32_t queue,
					    const struct irqmap_queue *map, uint32_t worker_cpu);

/* What clients have asked for. */
struct interrupts_asked {
	struct numset forbidden;
	const struct irq_plan_override *override;
	uint32_t n_overrides;
};

/* 'asked' NULL: nothing. 'ret' has room for table->n moves. Returns how many. */
uint32_t interrupts_plan(const struct conf_interrupts *conf, const struct irq_table *table,
			 const struct irq_plan_queue *queue, uint32_t n_queues,
			 const struct interrupts_asked *asked, struct irq_plan_move *ret);

/* A queue of a port, for whoever joins interrupts with queues. */
struct interrupts_queue {
	const struct port *port;
	uint32_t queue;
	struct irqmap_queue map;
};

/*
 * Of every open port, in file order; 'table' (NULL: read when needed) has just been read. '*ret' is
 * made with malloc. The number, or -ENOMEM.
 */
int64_t interrupts_queues(struct vswitch *vswitch, const struct irq_table *table,
			  struct interrupts_queue **ret) REQUIRES(role_control);
