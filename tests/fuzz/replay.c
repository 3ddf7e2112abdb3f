/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * replay - runs a fuzz target without libFuzzer: over every file named, or in a folder named, each
 * whole, then cut short, with bits flipped, signs put in and parts copied over others. The changes
 * are the same each time, unless SEED says otherwise.
 */
#include <dirent.h>
#include <string.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

#define FILE_BYTES_MAX (2u << 20)
#define N_CHANGES      64u

static uint64_t random_state;
static unsigned long n_runs, n_files;

static uint32_t below(size_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (uint32_t)((random_state * 0x2545f4914f6cdd1dull >> 32) % n);
}

/* A copy of its own size, so that a sanitizer sees a read past the end. */
static void run(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes ? bytes : 1);

	FUZZ_ASSERT(copy != NULL);
	memcpy(copy, data, bytes);
	LLVMFuzzerTestOneInput(copy, bytes);
	free(copy);
	n_runs++;
}

static void run_changed(const uint8_t *data, size_t bytes)
{
	uint8_t *copy = malloc(bytes);
	size_t from = below(bytes), to = below(bytes), n = below(64) + 1;

	FUZZ_ASSERT(copy != NULL);
	memcpy(copy, data, bytes);
	switch (below(3)) {
	case 0:
		copy[from] ^= (uint8_t)(1u << below(8));
		break;
	case 1:
		copy[from] = (uint8_t)" :-,[]{}'\"\n0#&*~"[below(16)];
		break;
	case 2:
		n = n < bytes - from ? n : bytes - from;
		n = n < bytes - to ? n : bytes - to;
		memmove(copy + to, data + from, n);
		break;
	}
	run(copy, below(4) ? bytes : from);
	free(copy);
}

static void run_file(const char *path)
{
	uint8_t *data = malloc(FILE_BYTES_MAX);
	FILE *file = fopen(path, "rb");
	size_t bytes;

	FUZZ_ASSERT(data && file);
	bytes = fread(data, 1, FILE_BYTES_MAX, file);
	fclose(file);
	run(data, bytes);
	for (uint32_t i = 0; bytes && i < N_CHANGES; i++) {
		run_changed(data, bytes);
	}
	free(data);
	n_files++;
}

static void run_path(const char *path)
{
	struct dirent **entry;
	struct stat st;
	int n;

	FUZZ_ASSERT(stat(path, &st) == 0);
	if (!S_ISDIR(st.st_mode)) {
		run_file(path);
		return;
	}
	n = scandir(path, &entry, NULL, alphasort);
	FUZZ_ASSERT(n > 2);
	for (int i = 0; i < n; i++) {
		char name[4096];

		snprintf(name, sizeof(name), "%s/%s", path, entry[i]->d_name);
		if (entry[i]->d_name[0] != '.') {
			run_file(name);
		}
		free(entry[i]);
	}
	free(entry);
}

int main(int argc, char **argv)
{
	const char *seed = getenv("SEED");

	random_state = (seed ? strtoull(seed, NULL, 0) : 0) | 1ull << 63;
	for (int i = 1; i < argc; i++) {
		run_path(argv[i]);
	}
	printf("%lu files, %lu runs, SEED=%s\n", n_files, n_runs, seed ? seed : "0");
	return n_runs ? 0 : 1;
}
