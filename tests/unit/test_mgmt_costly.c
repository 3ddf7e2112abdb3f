/* SPDX-License-Identifier: BSD-2-Clause */
/* What anybody may ask and control works for: one a turn of a connection, answers given again. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "mgmt_harness.h"
#include "tap.h"

#define DOCTOR      "{\"method\":\"io.viaduct.Doctor\"}"
#define CHECK       "{\"method\":\"io.viaduct.ConfigCheck\",\"parameters\":{\"text\":\"x\"}}"
#define CHANGE      "{\"method\":\"io.viaduct.PortEnable\",\"parameters\":{\"port\":\"enp2s0\"}}"
#define DOCTOR_NS   (30 * NS_PER_MS)
#define DEADLINE_NS (10 * NS_PER_S)

/* ---- one a turn ---- */

/* Sends 'n' requests at once; the most that one turn of the loop did of what 'count' counts. */
static uint32_t most_in_a_turn(struct harness *harness, const char *request, uint32_t n,
			       const uint32_t *count)
{
	uint64_t end_ns = clock_now_ns() + DEADLINE_NS;
	struct client client = client_connect(harness);
	uint32_t before = *count, most = 0;

	for (uint32_t i = 0; i < n; i++) {
		(void)!write(client.fd, request, strlen(request) + 1);
	}
	while (*count - before < n && clock_now_ns() < end_ns) {
		uint32_t was = *count;

		sd_event_run(harness->event, 1000);
		most = *count - was > most ? *count - was : most;
	}
	client_close(&client);
	harness_settle(harness);
	return *count - before == n ? most : UINT32_MAX;
}

static void test_turns(struct harness *harness)
{
	static const char worker_show[] = "{\"method\":\"io.viaduct.WorkerShow\"}";
	uint32_t most = most_in_a_turn(harness, CHECK, 8, &harness->fake.n_config_checks);

	tap_ok(most == 1, "of eight files to check one in a turn (%u)", most);
	most = most_in_a_turn(harness, worker_show, 8, &harness->fake.busy_calls);
	tap_ok(most == 8, "of what costs little all eight (%u)", most);
}

/* ---- given again ---- */

static void ask(struct harness *harness, const char *request, const char *part)
{
	char *reply = harness_ask(harness, request);

	tap_ok(strstr(reply, part) != NULL, "an answer: %.40s", reply);
	free(reply);
}

static void test_kept(struct harness *harness)
{
	struct fake *fake = &harness->fake;
	uint64_t begin_ns, end_ns;

	/* So long that no machine is too slow to ask again in time. */
	fake->doctor_ns = 10 * DOCTOR_NS;
	for (uint32_t i = 1; i <= 3; i++) {
		ask(harness, DOCTOR, "findings");
		tap_ok(fake->n_doctors == i, "who asks now and then hears what is so now");
	}
	for (uint32_t i = 0; i < 5; i++) {
		free(harness_ask(harness, DOCTOR));
	}
	tap_ok(fake->n_doctors == 4, "after a second of work it is given again (%u)",
	       fake->n_doctors);
	ask(harness, CHANGE, "parameters");
	fake->doctor_ns = DOCTOR_NS;
	ask(harness, DOCTOR, "findings");
	tap_ok(fake->n_doctors == 5, "but not after a change");
	begin_ns = clock_now_ns();
	end_ns = begin_ns + DEADLINE_NS;
	while (fake->n_doctors == 5 && clock_now_ns() < end_ns) {
		free(harness_ask(harness, DOCTOR));
	}
	tap_ok(fake->n_doctors == 6 && clock_now_ns() - begin_ns > 5 * DOCTOR_NS,
	       "nor for ever: after %llu ms it is made anew",
	       (unsigned long long)((clock_now_ns() - begin_ns) / NS_PER_MS));
}

int main(void)
{
	struct harness harness;

	harness_begin(&harness);
	test_turns(&harness);
	test_kept(&harness);
	harness_end(&harness);
	return tap_done();
}
