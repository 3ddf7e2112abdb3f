/* SPDX-License-Identifier: BSD-2-Clause */
/* interrupts_ask - `intr affinity`, `intr nointr` and `intr`; see interrupts.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon/interrupts.h"
#include "queues/irq.h"

static int check_cpu(uint32_t cpu, struct err *reterr)
{
	struct numset online = machine_cpus_online();
	char have[256];

	if (!numset_has(&online, cpu)) {
		return err_set(reterr, EINVAL, "CPU %u is not online (online: %s)", cpu,
			       numset_format(&online, have, sizeof(have)));
	}
	return 0;
}

static bool override_is_of(const struct interrupt_override *override,
			   const struct interrupt_override *wanted)
{
	return strcmp(override->port, wanted->port) == 0 &&
	       (wanted->port[0] ? override->queue == wanted->queue && override->tx == wanted->tx
				: override->irq == wanted->irq);
}

/* In place of an earlier one of the same interrupt. */
static int override_add(struct interrupts *interrupts, const struct interrupt_override *wanted)
{
	struct interrupt_override *more;

	for (uint32_t i = 0; i < interrupts->n_overrides; i++) {
		if (override_is_of(&interrupts->override[i], wanted)) {
			interrupts->override[i] = *wanted;
			return 0;
		}
	}
	more = reallocarray(interrupts->override, interrupts->n_overrides + 1, sizeof(*more));
	if (!more) {
		return -ENOMEM;
	}
	interrupts->override = more;
	more[interrupts->n_overrides++] = *wanted;
	return 0;
}

/* Tried first: what the kernel refuses is not remembered. */
static int try_override(struct vswitch *vswitch, struct interrupt_override *override,
			struct err *reterr) REQUIRES(role_control)
{
	struct numset cpus = {0};
	struct irq_table table;
	const struct irq *irq;
	int r = irq_table_read("", &table, reterr);

	if (r < 0) {
		return r;
	}
	irq = irq_find(&table, (uint32_t)override->irq);
	numset_add(&cpus, override->cpu);
	if (irq) {
		snprintf(override->name, sizeof(override->name), "%s", irq->name);
		r = irq_set("", irq->irq, irq->name, &cpus, vswitch->opener, vswitch->journal,
			    reterr);
	} else {
		r = err_set(reterr, ENOENT,
			    "there is no interrupt %lld (see 'viaductctl intr list')",
			    (long long)override->irq);
	}
	irq_table_done(&table);
	return r;
}

int interrupts_override(struct vswitch *vswitch, const struct interrupt_override *wanted,
			struct err *reterr)
{
	struct interrupt_override override = *wanted;
	int r = check_cpu(override.cpu, reterr);

	if (r == 0 && numset_has(&vswitch->interrupts.forbidden, override.cpu)) {
		r = err_set(reterr, EINVAL,
			    "CPU %u takes no interrupts now ('intr nointr'); allow it first "
			    "('viaductctl intr -c %u')",
			    override.cpu, override.cpu);
	}
	if (r == 0) {
		r = try_override(vswitch, &override, reterr);
	}
	if (r == 0 && override_add(&vswitch->interrupts, &override) < 0) {
		r = err_set(reterr, ENOMEM, "the daemon is out of memory");
	}
	if (r == 0) {
		interrupts_apply(vswitch, false);
	}
	return r;
}

int interrupts_allow(struct vswitch *vswitch, uint32_t cpu, bool allowed, struct err *reterr)
{
	struct numset online = machine_cpus_online();
	struct numset *forbidden = &vswitch->interrupts.forbidden;
	uint32_t n_left = 0;
	int r = check_cpu(cpu, reterr);

	if (r < 0) {
		return r;
	}
	for (uint32_t c = numset_next(&online, 0); c < NUMSET_MAX;
	     c = numset_next(&online, c + 1)) {
		n_left += c != cpu && !numset_has(forbidden, c);
	}
	if (!allowed && !n_left) {
		return err_set(reterr, EINVAL,
			       "CPU %u is the last one that takes interrupts; allow another first "
			       "(viaductctl intr -c CPU)",
			       cpu);
	}
	if (allowed) {
		forbidden->word[cpu / 64] &= ~(1ull << (cpu % 64));
	} else {
		numset_add(forbidden, cpu);
	}
	interrupts_apply(vswitch, false);
	return 0;
}

void interrupts_forget_asked(struct vswitch *vswitch)
{
	vswitch->interrupts.n_overrides = 0;
	vswitch->interrupts.forbidden = (struct numset){0};
}
