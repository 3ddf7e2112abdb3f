/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * model_rig - the program's forwarder and the model switch side by side, on the same frames.
 *
 * Fits:    test_forward_model.c feeds it from a seed, tests/fuzz/fuzz_forward.c from a fuzzer's
 *          bytes.
 * Checks:  after every burst: each port's output byte for byte and in order, the events, every
 *          counter, the owner of every packet buffer. At the end of a configuration: the table, the
 *          two sums of manual 3 per bridge, and that all buffers came home.
 */
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "tests/unit/model_switch.h"

/* Where choices come from: a seed's random numbers, or given bytes and then zeros for ever. */
struct rig_source {
	uint64_t state;
	const uint8_t *data;            /* NULL: the seed's */
	size_t n_data;
};

struct rig;

int rig_new(struct rig **ret);
void rig_free(struct rig *rig);

/*
 * Makes a configuration from 'source' and sends up to 'n_bursts' through it, fewer where its bytes
 * run out. NULL, or the first difference in words.
 */
const char *rig_run(struct rig *rig, struct rig_source *source, uint32_t n_bursts);

/* Over all runs, so that a test can tell what it has not tried. */
struct rig_totals {
	uint64_t n_frames, n_shared, n_copied_floods;
	uint64_t rx_drop[RX_DROP_N], tx_drop[TX_DROP_N];
	uint64_t event[MODEL_FORGOTTEN + 1];
};
const struct rig_totals *rig_totals(const struct rig *rig);
