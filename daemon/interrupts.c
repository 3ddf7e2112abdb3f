/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/interrupts.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/drift.h"
#include "queues/irqbalance.h"

#define BAN_MAX	  1024u                 /* interrupts that irqbalance is told of */
#define MENDS_MAX 5u                    /* then another program's wish is respected */

/* ---- whose they are ---- */

/* What the kernel makes in software (veth, tun, ...) has no interrupts. */
static bool is_software(const struct port *port)
{
	return port->link.kind[0] != '\0';
}

static bool has_interrupts(const struct port *port)
{
	return port->life == PORT_LIFE_OPEN && !is_software(port);
}

int64_t interrupts_queues(struct vswitch *vswitch, const struct irq_table *table,
			  struct interrupts_queue **ret)
{
	struct irqmap_queue map[XPORT_QUEUES_MAX];
	struct interrupts_queue *queue;
	uint32_t n = 0;

	for (struct port *p = port_next(vswitch, NULL); p; p = port_next(vswitch, p)) {
		n += p->life == PORT_LIFE_OPEN ? p->xport->n_queues : 0;
	}
	queue = calloc(n + 1, sizeof(*queue));
	if (!queue) {
		return -ENOMEM;
	}
	n = 0;
	for (struct port *p = port_next(vswitch, NULL); p; p = port_next(vswitch, p)) {
		uint32_t n_queues = p->life == PORT_LIFE_OPEN ? p->xport->n_queues : 0;

		if (!n_queues || !has_interrupts(p) ||
		    irqmap_read_with(table, p->link.ifname, p->link.ifindex, n_queues, map, NULL) <
			    0) {
			continue;
		}
		p->one_irq = irqmap_single(map, n_queues);
		for (uint32_t q = 0; q < n_queues; q++) {
			queue[n++] = (struct interrupts_queue){p, q, map[q]};
		}
	}
	*ret = queue;
	return n;
}

static int32_t pinned_cpu(const struct conf_queues *queues, uint32_t queue)
{
	for (uint32_t i = 0; i < queues->n_irq_pins; i++) {
		if (queues->irq_pin[i].queue == queue) {
			return (int32_t)queues->irq_pin[i].cpu;
		}
	}
	return -1;
}

struct irq_plan_queue interrupts_plan_queue(const struct conf_queues *queues, uint32_t queue,
					    const struct irqmap_queue *map, uint32_t worker_cpu)
{
	return (struct irq_plan_queue){
		.irq_rx = map->irq_rx,
		.irq_tx = map->irq_tx,
		.worker_cpu = worker_cpu,
		.pin_cpu = pinned_cpu(queues, queue),
	};
}

/* ---- the plan ---- */

static const struct interrupt_place *place_find(const struct interrupts *interrupts, uint32_t irq)
{
	for (uint32_t i = 0; i < interrupts->n_places; i++) {
		if (interrupts->place[i].irq == irq) {
			return &interrupts->place[i];
		}
	}
	return NULL;
}

static bool managed_find(const struct interrupts *interrupts, const struct irq *irq)
{
	for (uint32_t i = 0; i < interrupts->n_managed; i++) {
		if (interrupts->managed[i].irq == irq->irq &&
		    strcmp(interrupts->managed[i].name, irq->name) == 0) {
			return true;
		}
	}
	return false;
}

bool interrupts_is_managed(const struct interrupts *interrupts, const struct irq *irq)
{
	return irq->managed || managed_find(interrupts, irq);
}

/* Those that are gone, or have become another's, are forgotten: `status` tells of what is. */
static void managed_prune(struct interrupts *interrupts, const struct irq_table *table)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < interrupts->n_managed; i++) {
		const struct irq *irq = irq_find(table, interrupts->managed[i].irq);

		if (irq && strcmp(irq->name, interrupts->managed[i].name) == 0) {
			interrupts->managed[n++] = interrupts->managed[i];
		}
	}
	interrupts->n_managed = n;
}

/* No memory for it: it is tried, and refused, once more. */
static void managed_add(struct interrupts *interrupts, const struct interrupt_place *place)
{
	struct interrupt_place *more = reallocarray(interrupts->managed, interrupts->n_managed + 1,
						    sizeof(*more));

	if (more) {
		interrupts->managed = more;
		more[interrupts->n_managed++] = *place;
	}
}

uint32_t interrupts_plan(const struct conf_interrupts *conf, const struct irq_table *table,
			 const struct irq_plan_queue *queue, uint32_t n_queues,
			 const struct interrupts_asked *asked, struct irq_plan_move *ret)
{
	static const enum irq_placement placement[] = {
		[CONF_PLACEMENT_FOLLOW] = IRQ_PLACEMENT_FOLLOW,
		[CONF_PLACEMENT_SPREAD] = IRQ_PLACEMENT_SPREAD,
		[CONF_PLACEMENT_KEEP] = IRQ_PLACEMENT_KEEP,
	};
	struct irq_plan_input input = {
		.table = table,
		.online = machine_cpus_online(),
		.placement = placement[conf->placement],
		.shield = conf->shield,
		.queue = queue,
		.n_queues = n_queues,
	};

	if (asked) {
		input.forbidden = asked->forbidden;
		input.override = asked->override;
		input.n_overrides = asked->n_overrides;
	}
	return irq_plan(&input, ret);
}

/* Which interrupt each override means now; 'ret' has room for all. Returns how many mean one. */
static uint32_t resolve_overrides(struct interrupts *interrupts, const struct irq_table *table,
				  const struct interrupts_queue *queue, uint32_t n_queues,
				  struct irq_plan_override *ret)
{
	uint32_t n = 0;

	for (uint32_t i = 0; i < interrupts->n_overrides; i++) {
		struct interrupt_override *override = &interrupts->override[i];
		const struct irq *irq;

		for (uint32_t q = 0; override->port[0] && q < n_queues; q++) {
			if (queue[q].queue == override->queue &&
			    strcmp(queue[q].port->name, override->port) == 0) {
				override->irq = override->tx ? queue[q].map.irq_tx
							     : queue[q].map.irq_rx;
			}
		}
		irq = override->irq >= 0 ? irq_find(table, (uint32_t)override->irq) : NULL;
		if (irq && (override->port[0] || strcmp(irq->name, override->name) == 0)) {
			ret[n++] = (struct irq_plan_override){irq->irq, override->cpu};
		}
	}
	return n;
}

/* One of ours that the kernel shows as its own to place, and that is not where it belongs. */
static void note_managed(struct interrupts *interrupts, const struct irq_table *table,
			 const struct irq_plan_queue *queue)
{
	uint32_t cpu = queue->pin_cpu >= 0 ? (uint32_t)queue->pin_cpu : queue->worker_cpu;
	const int32_t irqs[] = {queue->irq_rx, queue->irq_tx};

	for (uint32_t i = 0; i < 2; i++) {
		const struct irq *irq = irqs[i] >= 0 ? irq_find(table, (uint32_t)irqs[i]) : NULL;
		struct interrupt_place place = {.error = -EPERM, .ours = true};

		if (irq && irq->managed && !numset_has(&irq->effective, cpu) &&
		    !managed_find(interrupts, irq)) {
			place.irq = irq->irq;
			numset_add(&place.cpus, cpu);
			snprintf(place.name, sizeof(place.name), "%s", irq->name);
			managed_add(interrupts, &place);
		}
	}
}

/* 'ret' has room for table->n moves. Returns how many, or -ENOMEM. */
static int64_t make_plan(struct vswitch *vswitch, const struct irq_table *table,
			 struct irq_plan_move *ret) REQUIRES(role_control)
{
	struct interrupts *interrupts = &vswitch->interrupts;
	struct interrupts_asked asked = {.forbidden = interrupts->forbidden};
	struct interrupts_queue *from;
	int64_t n = interrupts_queues(vswitch, table, &from), n_moves = -ENOMEM;
	struct irq_plan_queue *queue = n < 0 ? NULL : calloc((size_t)n + 1, sizeof(*queue));
	struct irq_plan_override *override = calloc(interrupts->n_overrides + 1, sizeof(*override));

	for (int64_t i = 0; queue && i < n; i++) {
		const struct port *port = from[i].port;
		uint32_t worker = port->queue_worker[from[i].queue];

		queue[i] = interrupts_plan_queue(port->queues, from[i].queue, &from[i].map,
						 vswitch->plan.cpu[worker]);
		if (vswitch->conf->interrupts.placement != CONF_PLACEMENT_KEEP) {
			note_managed(interrupts, table, &queue[i]);
		}
	}
	if (queue && override) {
		asked.n_overrides = resolve_overrides(interrupts, table, from, (uint32_t)n,
						      override);
		asked.override = override;
		n_moves = interrupts_plan(&vswitch->conf->interrupts, table, queue, (uint32_t)n,
					  &asked, ret);
	}
	free(override);
	free(queue);
	if (n >= 0) {
		free(from);
	}
	return n_moves;
}

/* ---- making it so ---- */

static void note_failure(const struct interrupt_place *place, const struct interrupt_place *before,
			 const struct err *err)
{
	if (!before || before->error != place->error) {
		log_warn("%s; left where it is", err->text);
	}
}

const char *interrupts_subject(const struct interrupt_place *place, char buf[CONF_NAME_BYTES])
{
	snprintf(buf, CONF_NAME_BYTES, "interrupt %u (%.80s)", place->irq, place->name);
	return buf;
}

static void note_drift(struct vswitch *vswitch, const struct interrupt_place *place,
		       const struct numset *found) REQUIRES(role_control)
{
	char subject[CONF_NAME_BYTES], was[128], is[128];

	drift_note(vswitch, DRIFT_KIND_INTERRUPT, 0, interrupts_subject(place, subject),
		   "its affinity was set to CPU %s by somebody, and is CPU %s again",
		   numset_format(found, was, sizeof(was)),
		   numset_format(&place->cpus, is, sizeof(is)));
}

/* Somebody moved it since we put it there, and our plan for it is the same. */
static bool has_drifted(const struct interrupt_place *before, const struct irq_plan_move *move,
			const struct irq *now)
{
	return before && before->error == 0 && move->ours &&
	       numset_equal(&before->cpus, &move->cpus) &&
	       !numset_equal(&now->affinity, &move->cpus);
}

/* What is about to be done with one interrupt of the plan, and what came of it. */
struct placing {
	struct interrupt_place place;
	const struct interrupt_place *before;   /* of the last plan; NULL: not in it */
	const struct irq *now;
	bool drifted;
};

/* Two that place one interrupt would do so for ever: in the end the other one wins. */
static bool is_given_up(struct placing *placing)
{
	struct err err = {""};

	if (placing->place.n_mended <= MENDS_MAX) {
		return false;
	}
	placing->place.error = -EBUSY;
	err_set(&err, EBUSY, "interrupt %u (%s) is moved again and again by somebody else",
		placing->place.irq, placing->place.name);
	note_failure(&placing->place, placing->before, &err);
	return true;
}

static struct placing placing_of(const struct interrupts *interrupts,
				 const struct irq_plan_move *move, const struct irq *now, bool mend)
{
	const struct interrupt_place *before = place_find(interrupts, move->irq);
	struct placing placing = {
		.place = {.irq = move->irq, .cpus = move->cpus, .ours = move->ours},
		.before = before,
		.now = now,
		.drifted = mend && has_drifted(before, move, now),
	};

	placing.place.n_mended = mend && before ? before->n_mended + placing.drifted : 0;
	snprintf(placing.place.name, sizeof(placing.place.name), "%s", now->name);
	return placing;
}

static void placing_end(struct vswitch *vswitch, struct placing *placing,
			const struct irq_move *done) REQUIRES(role_control)
{
	placing->place.error = done->error;
	if (done->error == -EPERM) {
		log_info("%s; left where it is", done->err.text);
		managed_add(&vswitch->interrupts, &placing->place);
	} else if (done->error < 0) {
		note_failure(&placing->place, placing->before, &done->err);
	} else if (placing->drifted) {
		note_drift(vswitch, &placing->place, &placing->now->affinity);
	}
}

/* 'place' has room for 'n'. 0 or -ENOMEM. */
static int place_all(struct vswitch *vswitch, const struct irq_table *table,
		     const struct irq_plan_move *plan, uint32_t n, bool mend,
		     struct interrupt_place *place) REQUIRES(role_control)
{
	struct placing *placing = calloc(n + 1, sizeof(*placing));
	struct irq_move *move = calloc(n + 1, sizeof(*move));
	uint32_t n_moves = 0, done = 0;
	int r = placing && move ? 0 : -ENOMEM;

	for (uint32_t i = 0; r == 0 && i < n; i++) {
		placing[i] = placing_of(&vswitch->interrupts, &plan[i],
					irq_find(table, plan[i].irq), mend);
		if (!is_given_up(&placing[i])) {
			move[n_moves++] = (struct irq_move){.irq = plan[i].irq,
							    .name = placing[i].place.name,
							    .cpus = &placing[i].place.cpus};
		}
	}
	if (r == 0) {
		irq_set_all("", move, n_moves, vswitch->opener, vswitch->journal);
	}
	for (uint32_t i = 0; r == 0 && i < n; i++) {
		if (done < n_moves && move[done].irq == plan[i].irq) {
			placing_end(vswitch, &placing[i], &move[done++]);
		}
		place[i] = placing[i].place;
	}
	free(move);
	free(placing);
	return r;
}

/* What we moved once and would not move now. */
static void put_others_back(struct vswitch *vswitch, const struct interrupts *interrupts)
{
	uint32_t *irq = calloc(interrupts->n_places + 1, sizeof(*irq));

	if (!irq) {
		return;                 /* the next look */
	}
	for (uint32_t i = 0; i < interrupts->n_places; i++) {
		irq[i] = interrupts->place[i].irq;
	}
	irq_restore_others("", irq, interrupts->n_places, vswitch->opener, vswitch->journal,
			   log_note);
	free(irq);
}

void interrupts_give_back(struct vswitch *vswitch, const struct port *port)
{
	struct irqmap_queue map[XPORT_QUEUES_MAX];

	if (!port->xport || is_software(port) || journal_count(vswitch->journal) == 0 ||
	    irqmap_read(port->link.ifname, port->link.ifindex, port->xport->n_queues, map, NULL) <
		    0) {
		return;
	}
	for (uint32_t q = 0; q < port->xport->n_queues; q++) {
		const int32_t irqs[] = {map[q].irq_rx, map[q].irq_tx};

		for (uint32_t i = 0; i < 2; i++) {
			if (irqs[i] >= 0) {
				irq_restore("", (uint32_t)irqs[i], vswitch->opener,
					    vswitch->journal, log_note);
			}
		}
	}
}

const char *interrupts_remedy(int error)
{
	switch (error) {
	case -EPERM:
		return "the kernel places it itself; say 'placement: keep', or pin its queue to "
		       "the CPU where it is";
	case -EBUSY:
		return "find out who places it (irqbalance, a script, another viaductd) and stop "
		       "that, or say 'placement: keep'";
	case -ENOSPC:
		return "that CPU has no interrupt vector left: use fewer queues, or another CPU";
	case -EACCES:
		return "give the service CAP_DAC_OVERRIDE, or say 'placement: keep'";
	case -EIO:
		return "the kernel or another program moves it at once; see what else places it";
	case -EROFS:
		return "/proc/irq is read-only here (systemd: ProtectKernelTunables=no)";
	}
	return "see the kernel's log";
}

/* ---- irqbalance ---- */

/* One that was started again has forgotten what it was told: it is told whenever we look. */
static void bans_apply(struct vswitch *vswitch)
{
	struct interrupts *interrupts = &vswitch->interrupts;
	uint32_t irq[BAN_MAX], n = 0;
	struct err err = {""};
	bool deaf;
	int r;

	/* Others', too, which it would put back on shielded CPUs. */
	for (uint32_t i = 0; i < interrupts->n_places && n < BAN_MAX; i++) {
		irq[n++] = interrupts->place[i].irq;
	}
	if (vswitch->conf->interrupts.irqbalance == CONF_IRQBALANCE_IGNORE) {
		return;
	}
	r = irqbalance_ban("", irq, n, vswitch->journal, &err);
	deaf = r < 0 && r != -ENOENT && r != -EAGAIN;
	if (deaf && !interrupts->irqbalance_deaf) {
		log_warn("irqbalance: it runs and may move our interrupts: %s", err.text);
	}
	interrupts->irqbalance_deaf = deaf;
}

/* ---- all ---- */

static int64_t places_make(struct vswitch *vswitch, struct irq_table *table, bool mend,
			   struct interrupt_place **ret) REQUIRES(role_control)
{
	struct irq_plan_move *move = calloc(table->n + 1, sizeof(*move));
	struct interrupt_place *place = calloc(table->n + 1, sizeof(*place));
	struct irq_table found = *table;
	int64_t n = -ENOMEM;

	/* Planned from where things were, compared with where they are. */
	found.irq = calloc(table->n + 1, sizeof(*found.irq));
	if (move && place && found.irq) {
		memcpy(found.irq, table->irq, table->n * sizeof(*found.irq));
		irq_table_as_found(&found, vswitch->journal);
		managed_prune(&vswitch->interrupts, &found);
		for (uint32_t i = 0; i < found.n; i++) {
			found.irq[i].managed =
				interrupts_is_managed(&vswitch->interrupts, &found.irq[i]);
		}
		n = make_plan(vswitch, &found, move);
	}
	if (n >= 0 && place_all(vswitch, table, move, (uint32_t)n, mend, place) < 0) {
		n = -ENOMEM;
	}
	free(found.irq);
	free(move);
	if (n < 0) {
		free(place);
		return n;
	}
	*ret = place;
	return n;
}

/* On a bridge of software devices, say, there is nothing to read for once in ten seconds. */
static bool has_work(struct vswitch *vswitch)
{
	const struct interrupts *interrupts = &vswitch->interrupts;
	bool work = interrupts->n_places || interrupts->n_overrides ||
		    !numset_is_empty(&interrupts->forbidden) ||
		    !numset_is_empty(&vswitch->conf->interrupts.shield);

	for (uint32_t i = 1; i < VIEW_PORTS && !work; i++) {
		work = vswitch->port[i].idx && has_interrupts(&vswitch->port[i]);
	}
	for (uint32_t i = 0; i < journal_count(vswitch->journal) && !work; i++) {
		enum journal_kind kind = journal_get(vswitch->journal, i)->kind;

		work = kind == JOURNAL_IRQ || kind == JOURNAL_IRQBALANCE;
	}
	return work;
}

void interrupts_apply(struct vswitch *vswitch, bool mend)
{
	struct interrupts *interrupts = &vswitch->interrupts;
	struct interrupt_place *place;
	struct irq_table table;
	struct err err = {""};
	int64_t n;

	if (!has_work(vswitch)) {
		return;
	}
	if (irq_table_read("", &table, &err) < 0) {
		if (!interrupts->unreadable) {
			log_warn("%s; no interrupt is placed", err.text);
		}
		interrupts->unreadable = true;
		return;
	}
	interrupts->unreadable = false;
	n = places_make(vswitch, &table, mend, &place);
	irq_table_done(&table);
	if (n < 0) {
		log_warn("interrupts: no memory to place them; they stay where they are");
		return;
	}
	free(interrupts->place);
	interrupts->place = place;
	interrupts->n_places = (uint32_t)n;
	put_others_back(vswitch, interrupts);
	bans_apply(vswitch);
}

void interrupts_close(struct vswitch *vswitch)
{
	free(vswitch->interrupts.place);
	free(vswitch->interrupts.managed);
	free(vswitch->interrupts.override);
	vswitch->interrupts = (struct interrupts){0};
}
