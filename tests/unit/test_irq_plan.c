/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The plan for interrupts: cases by hand, then machines at random beside the rules restated one
 * interrupt at a time. Argument: a seed.
 */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "queues/irq_plan.h"
#include "tests/unit/tap.h"

#define IRQS      24
#define QUEUES    12
#define OVERRIDES 4
#define CPUS      9                /* of the machines at random, at most */
#define MACHINES  20000

static struct numset list(const char *text)
{
	struct numset ret;

	if (!numset_parse(text, 0, NUMSET_MAX - 1, &ret)) {
		printf("Bail out! %s\n", text);
		exit(1);
	}
	return ret;
}

/* ---- by hand ---- */

/*
 * The machine of the cases: CPUs 0 to 3, interrupts 10 to 17 of a port with four queues (receiving
 * and sending), 20 and 21 of a disk, 22 managed, 23 of unknown affinity.
 */
struct machine {
	struct irq irq[IRQS];
	struct irq_table table;
	struct irq_plan_queue queue[QUEUES];
	struct irq_plan_override override[OVERRIDES];
	struct irq_plan_input input;
};

static void irq_add(struct machine *m, uint32_t irq, const char *affinity, bool managed)
{
	m->irq[m->table.n++] = (struct irq){ .irq = irq, .affinity = list(affinity),
					     .managed = managed };
}

static void machine_init(struct machine *m)
{
	*m = (struct machine){ .table.irq = m->irq };
	for (uint32_t i = 10; i < 18; i++) {
		irq_add(m, i, "0-3", false);
	}
	irq_add(m, 20, "0-3", false);
	irq_add(m, 21, "3", false);
	irq_add(m, 22, "2-3", true);
	irq_add(m, 23, "", false);
	for (int32_t q = 0; q < 4; q++) {
		m->queue[q] = (struct irq_plan_queue){ 10 + q, 14 + q, (uint32_t)q, -1 };
	}
	m->input = (struct irq_plan_input){ .table = &m->table, .online = list("0-3"),
					    .queue = m->queue, .n_queues = 4,
					    .override = m->override };
}

/* "10:0 11:1 20:0,1,2", ours with a star. */
static const char *plan_text(const struct machine *m)
{
	static struct irq_plan_move move[IRQS];
	static char text[4096];
	uint32_t n = irq_plan(&m->input, move), used = 0;

	text[0] = '\0';
	for (uint32_t i = 0; i < n; i++) {
		char cpus[512];

		used += (uint32_t)snprintf(text + used, sizeof(text) - used, "%s%u%s:%s",
					   i ? " " : "", move[i].irq, move[i].ours ? "*" : "",
					   numset_format(&move[i].cpus, cpus, sizeof(cpus)));
	}
	return text;
}

static void check(const char *what, const struct machine *m, const char *expected)
{
	const char *text = plan_text(m);

	tap_ok(strcmp(text, expected) == 0, "%s: %s", what, text);
}

static void test_placement(void)
{
	struct machine m;

	machine_init(&m);
	check("follow", &m, "10*:0 11*:1 12*:2 13*:3 14*:0 15*:1 16*:2 17*:3");
	m.input.placement = IRQ_PLACEMENT_SPREAD;
	check("spread: a queue's receiving and sending one after the other", &m,
	      "10*:0 11*:2 12*:0 13*:2 14*:1 15*:3 16*:1 17*:3");
	m.input.placement = IRQ_PLACEMENT_KEEP;
	check("keep", &m, "");
	m.input.n_queues = 0;
	m.input.placement = IRQ_PLACEMENT_FOLLOW;
	check("no queues", &m, "");
}

static void test_shield(void)
{
	struct machine m;

	machine_init(&m);
	m.input.shield = list("2-3");
	check("shield: follow puts ours there all the same, others leave", &m,
	      "10*:0 11*:1 12*:2 13*:3 14*:0 15*:1 16*:2 17*:3 20:0-1 21:0-1");
	m.input.placement = IRQ_PLACEMENT_SPREAD;
	check("shield: spread does not", &m,
	      "10*:0 11*:0 12*:0 13*:0 14*:1 15*:1 16*:1 17*:1 20:0-1 21:0-1");
	m.input.placement = IRQ_PLACEMENT_KEEP;
	check("shield: nor does keep", &m,
	      "10*:0-1 11*:0-1 12*:0-1 13*:0-1 14*:0-1 15*:0-1 16*:0-1 17*:0-1 20:0-1 21:0-1");
	m.queue[1].pin_cpu = 3;
	check("shield: but a pin does", &m,
	      "10*:0-1 11*:3 12*:0-1 13*:0-1 14*:0-1 15*:3 16*:0-1 17*:0-1 20:0-1 21:0-1");
	machine_init(&m);
	m.input.shield = list("0-3");
	check("all shielded: others stay where they may", &m,
	      "10*:0 11*:1 12*:2 13*:3 14*:0 15*:1 16*:2 17*:3 20:0-3 21:0-3");
	machine_init(&m);
	m.input.shield = list("3");
	m.input.online = list("0-1,3");
	check("what is offline stays in the list", &m,
	      "10*:0 11*:1 12*:0 13*:3 14*:0 15*:1 16*:1 17*:3 20:0-2 21:0-1");
}

static void test_pin(void)
{
	struct machine m;

	machine_init(&m);
	m.queue[0].pin_cpu = 3;
	check("a pin beats follow", &m, "10*:3 11*:1 12*:2 13*:3 14*:3 15*:1 16*:2 17*:3");
	m.input.placement = IRQ_PLACEMENT_SPREAD;
	check("and takes no turn of spread", &m,
	      "10*:3 11*:0 12*:2 13*:0 14*:3 15*:1 16*:3 17*:1");
	m.input.placement = IRQ_PLACEMENT_KEEP;
	check("and is all that keep does", &m, "10*:3 14*:3");
	m.override[0] = (struct irq_plan_override){ 10, 1 };
	m.input.n_overrides = 1;
	check("`intr affinity` beats a pin", &m, "10*:1 14*:3");
	m.override[0] = (struct irq_plan_override){ 20, 2 };
	check("and moves what is not ours", &m, "10*:3 14*:3 20:2");
	m.override[0] = (struct irq_plan_override){ 22, 1 };
	check("but nothing that is managed", &m, "10*:3 14*:3");
	m.override[0] = (struct irq_plan_override){ 99, 1 };
	check("or not there", &m, "10*:3 14*:3");
}

static void test_forbidden(void)
{
	struct machine m;

	machine_init(&m);
	m.input.forbidden = list("2");
	check("nointr: ours go round the others, the disk's keeps its rest", &m,
	      "10*:0 11*:1 12*:0 13*:3 14*:0 15*:1 16*:1 17*:3 20:0-1,3");
	m.queue[0].pin_cpu = 2;
	check("a pin there goes first", &m,
	      "10*:0 11*:1 12*:3 13*:3 14*:1 15*:1 16*:0 17*:3 20:0-1,3");
	m.override[0] = (struct irq_plan_override){ 20, 2 };
	m.input.n_overrides = 1;
	check("and `intr affinity` before it", &m,
	      "10*:1 11*:1 12*:0 13*:3 14*:3 15*:1 16*:1 17*:3 20:0");
	machine_init(&m);
	m.input.forbidden = list("2");
	m.input.shield = list("0");
	check("what is driven off does not go to a shielded one", &m,
	      "10*:0 11*:1 12*:1 13*:3 14*:0 15*:1 16*:3 17*:3 20:1,3");
	m.input.forbidden = list("0-2");
	m.input.shield = list("3");
	check("unless there is no other", &m,
	      "10*:3 11*:3 12*:3 13*:3 14*:3 15*:3 16*:3 17*:3 20:3 21:3");
	m.input.shield = list("");
	check("all are forbidden but one", &m,
	      "10*:3 11*:3 12*:3 13*:3 14*:3 15*:3 16*:3 17*:3 20:3");
	m.input.forbidden = list("0-3");
	check("all are forbidden: nothing can move", &m, "");
	m.input.placement = IRQ_PLACEMENT_SPREAD;
	check("nor spread", &m, "");
	machine_init(&m);
	m.input.online = list("0-1");
	check("a worker's CPU that is offline is no place", &m,
	      "10*:0 11*:1 12*:0 13*:0 14*:0 15*:1 16*:1 17*:1");
}

static void test_shared(void)
{
	struct machine m;

	machine_init(&m);
	for (int32_t q = 0; q < 4; q++) {
		m.queue[q].irq_tx = m.queue[q].irq_rx = 10 + q;
	}
	check("one for both directions", &m, "10*:0 11*:1 12*:2 13*:3");
	m.input.placement = IRQ_PLACEMENT_SPREAD;
	check("it takes one turn", &m, "10*:0 11*:1 12*:2 13*:3");
	for (int32_t q = 0; q < 4; q++) {
		m.queue[q].irq_tx = m.queue[q].irq_rx = 20;
	}
	m.input.placement = IRQ_PLACEMENT_FOLLOW;
	check("one for all queues follows the first", &m, "20*:0");
	m.queue[2].pin_cpu = 2;
	m.queue[3].pin_cpu = 3;
	check("the first pin wins", &m, "20*:2");
	m.queue[0].irq_rx = m.queue[0].irq_tx = -1;
	m.queue[2].pin_cpu = m.queue[3].pin_cpu = -1;
	check("a queue of which nothing is known has no say", &m, "20*:1");
	m.queue[1].irq_rx = 22;
	m.queue[1].irq_tx = 99;
	check("nor do one that is managed and one that is gone", &m, "20*:2");
}

static void test_extremes(void)
{
	static struct irq irq[2000];
	static struct irq_plan_move move[2000];
	static struct irq_plan_queue queue[128];
	struct irq_table table = { .irq = irq, .n = 0 };
	struct irq_plan_input input = { .table = &table, .online = list("0-127"), .queue = queue };
	bool good = true;

	tap_ok(irq_plan(&input, move) == 0, "no interrupts at all");
	for (uint32_t i = 0; i < 2000; i++) {
		irq[i] = (struct irq){ .irq = 3 * i, .affinity = list("0-127") };
	}
	for (int32_t q = 0; q < 128; q++) {
		queue[q] = (struct irq_plan_queue){ 3 * (q + 100), 3 * (q + 100), (uint32_t)q, -1 };
	}
	table.n = 2000;
	input.n_queues = 128;
	input.shield = list("64-127");
	tap_ok(irq_plan(&input, move) == 2000, "128 CPUs, 128 queues, 2000 interrupts");
	for (uint32_t i = 0; i < 2000; i++) {
		struct numset expected = list("0-63");

		if (i >= 100 && i < 228) {
			expected = (struct numset){ 0 };
			numset_add(&expected, i - 100);
		}
		good = good && move[i].irq == 3 * i && numset_equal(&move[i].cpus, &expected) &&
		       move[i].ours == (i >= 100 && i < 228);
	}
	tap_ok(good, "each in its place");
}

/* ---- the rules, one interrupt at a time ---- */

static bool queue_has(const struct irq_plan_queue *queue, uint32_t irq)
{
	return queue->irq_rx == (int64_t)irq || queue->irq_tx == (int64_t)irq;
}

static bool cpu_open(const struct irq_plan_input *in, uint32_t cpu)
{
	bool any = false;

	for (uint32_t c = 0; c < CPUS; c++) {
		any = any || (numset_has(&in->online, c) && !numset_has(&in->forbidden, c) &&
			      !numset_has(&in->shield, c));
	}
	return numset_has(&in->online, cpu) && !numset_has(&in->forbidden, cpu) &&
	       !(any && numset_has(&in->shield, cpu));
}

/* The CPU that the rules 1 to 3 mean for an interrupt; -1: none does; -2: a turn of spread. */
static int64_t meant(const struct irq_plan_input *in, uint32_t irq)
{
	for (uint32_t i = 0; i < in->n_overrides; i++) {
		if (in->override[i].irq == irq) {
			return in->override[i].cpu;
		}
	}
	for (uint32_t q = 0; q < in->n_queues; q++) {
		if (queue_has(&in->queue[q], irq) && in->queue[q].pin_cpu >= 0) {
			return in->queue[q].pin_cpu;
		}
	}
	for (uint32_t q = 0; q < in->n_queues; q++) {
		if (queue_has(&in->queue[q], irq) && in->placement != IRQ_PLACEMENT_KEEP) {
			return in->placement == IRQ_PLACEMENT_SPREAD
				       ? -2 : (int64_t)in->queue[q].worker_cpu;
		}
	}
	return -1;
}

/*
 * Where an interrupt stands in the order in which the rules take them: overrides, then pins by
 * queue, then the rest by queue; the receiving one first.
 */
static uint32_t rank(const struct irq_plan_input *in, uint32_t irq)
{
	for (uint32_t i = 0; i < in->n_overrides; i++) {
		if (in->override[i].irq == irq) {
			return i;
		}
	}
	for (uint32_t q = 0; q < in->n_queues; q++) {
		if (queue_has(&in->queue[q], irq) && in->queue[q].pin_cpu >= 0) {
			return 100 + 2 * q + (in->queue[q].irq_rx != (int64_t)irq);
		}
	}
	for (uint32_t q = 0; q < in->n_queues; q++) {
		if (queue_has(&in->queue[q], irq)) {
			return 1000 + 2 * q + (in->queue[q].irq_rx != (int64_t)irq);
		}
	}
	return 10000;
}

/* Takes its CPU from the round, not by what is meant for it: a turn of spread, or driven off. */
static bool takes_turn(const struct irq_plan_input *in, const struct irq *irq, bool spread)
{
	int64_t cpu = meant(in, irq->irq);

	if (irq->managed || cpu == -1) {
		return false;
	}
	if (spread || cpu == -2) {
		return spread && cpu == -2;
	}
	return !numset_has(&in->online, (uint32_t)cpu) || numset_has(&in->forbidden, (uint32_t)cpu);
}

/* The CPU of the n-th turn, n being how many interrupts come before; -1: there is no CPU. */
static int64_t turn_of(const struct irq_plan_input *in, uint32_t irq, bool spread)
{
	uint32_t n = 0, n_open = 0, i = 0;

	for (uint32_t k = 0; k < in->table->n; k++) {
		n += takes_turn(in, &in->table->irq[k], spread) &&
		     rank(in, in->table->irq[k].irq) < rank(in, irq);
	}
	for (uint32_t c = 0; c < CPUS; c++) {
		n_open += cpu_open(in, c);
	}
	for (uint32_t c = 0; c < CPUS && n_open; c++) {
		if (cpu_open(in, c) && i++ == n % n_open) {
			return c;
		}
	}
	return -1;
}

static struct numset rule_four(const struct irq_plan_input *in, const struct irq *irq)
{
	struct numset ret = { 0 }, open = { 0 };
	bool meets = false, served = false;

	for (uint32_t c = 0; c < CPUS; c++) {
		bool barred = numset_has(&in->shield, c) || numset_has(&in->forbidden, c);

		if (cpu_open(in, c)) {
			numset_add(&open, c);
		}
		if (numset_has(&irq->affinity, c) && barred) {
			meets = true;
		} else if (numset_has(&irq->affinity, c)) {
			numset_add(&ret, c);
			served = served || numset_has(&in->online, c);
		}
	}
	return !meets ? (struct numset){ 0 } : served ? ret : open;
}

static struct numset expected_of(const struct irq_plan_input *in, const struct irq *irq)
{
	int64_t cpu = meant(in, irq->irq);
	struct numset ret = { 0 };

	if (irq->managed) {
		return ret;
	}
	if (takes_turn(in, irq, true) || takes_turn(in, irq, false)) {
		cpu = turn_of(in, irq->irq, takes_turn(in, irq, true));
	} else if (cpu == -1) {
		return rule_four(in, irq);
	}
	if (cpu >= 0) {
		numset_add(&ret, (uint32_t)cpu);
	}
	return ret;
}

/* ---- at random ---- */

static uint32_t below(unsigned int *seed, uint32_t n)
{
	return (uint32_t)rand_r(seed) % n;
}

static struct numset random_set(unsigned int *seed, uint32_t n_cpus, uint32_t percent)
{
	struct numset ret = { 0 };

	for (uint32_t c = 0; c < n_cpus; c++) {
		if (below(seed, 100) < percent) {
			numset_add(&ret, c);
		}
	}
	return ret;
}

static int32_t random_irq(unsigned int *seed)
{
	return (int32_t)below(seed, IRQS + 4) - 2;
}

static void machine_random(struct machine *m, unsigned int *seed)
{
	uint32_t n_cpus = 1 + below(seed, CPUS), often = below(seed, 3) * 40;

	*m = (struct machine){ .table.irq = m->irq };
	for (uint32_t i = 0; i < IRQS; i++) {
		if (below(seed, 4)) {
			m->irq[m->table.n++] = (struct irq){
				.irq = i, .managed = below(seed, 8) == 0,
				.affinity = random_set(seed, n_cpus, below(seed, 101)),
			};
		}
	}
	m->input = (struct irq_plan_input){
		.table = &m->table, .queue = m->queue, .override = m->override,
		.online = random_set(seed, n_cpus, 60 + below(seed, 41)),
		.placement = (enum irq_placement)below(seed, 3),
		.shield = random_set(seed, n_cpus, below(seed, 2) * below(seed, 101)),
		.forbidden = random_set(seed, n_cpus, below(seed, 2) * below(seed, 101)),
		.n_queues = below(seed, QUEUES + 1),
	};
	for (uint32_t q = 0; q < QUEUES; q++) {
		m->queue[q] = (struct irq_plan_queue){
			random_irq(seed), random_irq(seed), below(seed, n_cpus),
			below(seed, 100) < often ? (int32_t)below(seed, n_cpus) : -1,
		};
		if (below(seed, 3) == 0) {
			m->queue[q].irq_tx = m->queue[q].irq_rx;
		}
	}
	/* one per interrupt */
	for (uint32_t irq = below(seed, IRQS), i = 0; irq < IRQS && i < OVERRIDES;
	     irq += 1 + below(seed, IRQS), i++) {
		m->override[m->input.n_overrides++] =
			(struct irq_plan_override){ irq, below(seed, n_cpus) };
	}
}

static bool machine_agrees(const struct machine *m)
{
	struct irq_plan_move move[IRQS];
	uint32_t n = irq_plan(&m->input, move), i = 0;

	for (uint32_t k = 0; k < m->table.n; k++) {
		const struct irq *irq = &m->irq[k];
		struct numset expected = expected_of(&m->input, irq);
		bool ours = false;

		for (uint32_t q = 0; q < m->input.n_queues; q++) {
			ours = ours || queue_has(&m->queue[q], irq->irq);
		}
		if (numset_is_empty(&expected)) {
			continue;
		}
		if (i == n || move[i].irq != irq->irq || move[i].ours != ours ||
		    !numset_equal(&move[i].cpus, &expected)) {
			return false;
		}
		i++;
	}
	return i == n;
}

/* What a user may rely on, whatever the order of the rounds. */
static bool machine_keeps_promises(const struct machine *m)
{
	struct irq_plan_move move[IRQS];
	uint32_t n = irq_plan(&m->input, move);

	for (uint32_t i = 0; i < n; i++) {
		const struct irq *irq = irq_find(&m->table, move[i].irq);

		if (!irq || irq->managed || numset_meet(&move[i].cpus, &m->input.forbidden) ||
		    !numset_meet(&move[i].cpus, &m->input.online) ||
		    (i > 0 && move[i].irq <= move[i - 1].irq)) {
			return false;
		}
	}
	return true;
}

static void test_random(unsigned int seed)
{
	static struct machine m;
	uint32_t k, n_moves = 0;
	bool agrees = true, promises = true;

	tap_seed(seed);
	for (k = 0; k < MACHINES && agrees && promises; k++) {
		struct irq_plan_move move[IRQS];

		machine_random(&m, &seed);
		agrees = machine_agrees(&m);
		promises = machine_keeps_promises(&m);
		n_moves += irq_plan(&m.input, move);
	}
	tap_ok(agrees, "the plan is what the rules say, %u machines", k);
	tap_ok(promises, "nothing goes where it may not");
	tap_ok(n_moves > 2 * MACHINES, "%u interrupts were placed", n_moves);
}

int main(int argc, char **argv)
{
	test_placement();
	test_shield();
	test_pin();
	test_forbidden();
	test_shared();
	test_extremes();
	test_random(argc > 1 ? (unsigned int)strtoul(argv[1], NULL, 10) : (unsigned int)time(NULL));
	return tap_done();
}
