/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_forward - a byte-coded configuration and frames into the forwarder, the model switch as
 * judge.
 *
 * With libFuzzer (clang): LLVMFuzzerTestOneInput. Otherwise replay.c runs it over
 * files and folders.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/fuzz/fuzz.h"
#include "tests/unit/model_rig.h"

#define N_BURSTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data)
{
	static struct rig *rig;
	struct rig_source source = {.data = data, .n_data = n_data};
	const char *difference;

	if (data == NULL || (rig == NULL && rig_new(&rig) < 0)) {
		return 0;
	}
	difference = rig_run(rig, &source, N_BURSTS_MAX);
	if (difference != NULL) {
		fprintf(stderr, "forwarder and model differ: %s\n", difference);
		abort();
	}
	return 0;
}
