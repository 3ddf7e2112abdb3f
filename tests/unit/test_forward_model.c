/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * test_forward_model - forward_burst() against the model switch on random configurations and
 * frames. The seed is printed; give it as an argument or in SEED to run the same again.
 */
#include <stdlib.h>

#include "base/clock.h"
#include "tests/unit/model_rig.h"
#include "tests/unit/tap.h"

#define N_CONFIGS          450
#define BURSTS_PER_CONFIG  24
#define N_FRAMES_AT_LEAST  200000ull

static uint64_t choose_seed(int argc, char **argv)
{
	const char *text = argc > 1 ? argv[1] : getenv("SEED");

	return text != NULL ? strtoull(text, NULL, 0) : clock_now_ns();
}

static bool is_made_by_forward(enum rx_drop reason)
{
	return reason != RX_DROP_STORM_CONTROL;
}

static bool is_made_at_exit(enum tx_drop reason)
{
	return reason == TX_DROP_OVERSIZE || reason == TX_DROP_DOUBLE_TAG ||
	       reason == TX_DROP_NO_CARRIER;
}

static void check_coverage(const struct rig_totals *totals)
{
	static const char *const event_name[] = {"learned", "moved", "forgotten"};

	tap_ok(totals->n_frames >= N_FRAMES_AT_LEAST, "%lu frames compared", totals->n_frames);
	tap_ok(totals->n_shared > 0, "%lu frames shared by count", totals->n_shared);
	tap_ok(totals->n_copied_floods > 0, "%lu floods in two forms", totals->n_copied_floods);
	for (uint32_t r = 0; r < RX_DROP_N; r++) {
		if (is_made_by_forward(r)) {
			tap_ok(totals->rx_drop[r] > 0, "rx_drop %s hit: %lu", rx_drop_name[r],
			       totals->rx_drop[r]);
		}
	}
	for (uint32_t r = 0; r < TX_DROP_N; r++) {
		if (is_made_at_exit(r)) {
			tap_ok(totals->tx_drop[r] > 0, "tx_drop %s hit: %lu", tx_drop_name[r],
			       totals->tx_drop[r]);
		}
	}
	for (uint32_t e = 0; e <= MODEL_FORGOTTEN; e++) {
		tap_ok(totals->event[e] > 0, "stations %s: %lu", event_name[e], totals->event[e]);
	}
}

int main(int argc, char **argv)
{
	struct rig_source source = {.state = choose_seed(argc, argv)};
	const char *difference = NULL;
	struct rig *rig;
	int n = 0;

	tap_seed(source.state);
	if (rig_new(&rig) < 0) {
		printf("Bail out! no memory\n");
		return 1;
	}
	while (n < N_CONFIGS && difference == NULL) {
		difference = rig_run(rig, &source, BURSTS_PER_CONFIG);
		n++;
	}
	tap_ok(difference == NULL, "forwarder and model agree over %d configurations%s%s", n,
	       difference != NULL ? ": " : "", difference != NULL ? difference : "");
	check_coverage(rig_totals(rig));
	rig_free(rig);
	return tap_done();
}
