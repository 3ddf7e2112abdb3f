/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * fuzz_forward - a byte-coded configuration and frames into the forwarder, the model switch as
 * judge.
 *
 * With libFuzzer (clang): LLVMFuzzerTestOneInput. Otherwise FUZZ_DRIVER gives it a main() that runs
 * the files and folders named as arguments once each.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "tests/unit/model_rig.h"

#define N_BURSTS_MAX 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n_data);

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

#ifdef FUZZ_DRIVER
#include <dirent.h>
#include <string.h>

#define INPUT_BYTES_MAX 65536

static int run_file(const char *path)
{
	static uint8_t input[INPUT_BYTES_MAX];
	FILE *file = fopen(path, "rb");

	if (file == NULL) {
		perror(path);
		return -1;
	}
	LLVMFuzzerTestOneInput(input, fread(input, 1, sizeof(input), file));
	fclose(file);
	return 1;
}

static int run_folder(const char *path)
{
	DIR *folder = opendir(path);
	struct dirent *entry;
	char file[4096];
	int n = 0;

	if (folder == NULL) {
		return run_file(path);
	}
	while ((entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] == '.') {
			continue;
		}
		snprintf(file, sizeof(file), "%s/%s", path, entry->d_name);
		n += run_file(file) > 0;
	}
	closedir(folder);
	return n;
}

int main(int argc, char **argv)
{
	int n = 0;

	for (int i = 1; i < argc; i++) {
		int n_here = run_folder(argv[i]);

		if (n_here <= 0) {
			fprintf(stderr, "%s: no input\n", argv[i]);
			return 1;
		}
		n += n_here;
	}
	printf("%d inputs\n", n);
	return n > 0 ? 0 : 1;
}
#endif
