/* SPDX-License-Identifier: BSD-2-Clause */
#include "base/line.h"

#include <stdio.h>
#include <string.h>

bool line_read(const char *path, char *buf, size_t buf_bytes)
{
	FILE *file = fopen(path, "re");
	bool good = file && fgets(buf, (int)buf_bytes, file);

	if (file) {
		fclose(file);
	}
	buf[good ? strcspn(buf, "\n") : 0] = '\0';
	return good;
}
