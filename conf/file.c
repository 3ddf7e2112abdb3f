/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/conf.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/err.h"
#include "conf/tree.h"

/* To the end, or one byte past the limit, where conf_parse() refuses it. */
static int read_all(int fd, char **ret_text, size_t *ret_bytes)
{
	size_t bytes = 0, limit = TREE_BYTES_MAX + 1;
	char *text = malloc(limit);

	if (!text) {
		return -ENOMEM;
	}
	while (bytes < limit) {
		ssize_t n = read(fd, text + bytes, limit - bytes);

		if (n == 0) {
			break;
		}
		if (n < 0 && errno != EINTR) {
			int error = -errno;

			free(text);
			return error;
		}
		bytes += n > 0 ? (size_t)n : 0;
	}
	*ret_text = text;
	*ret_bytes = bytes;
	return 0;
}

int conf_read_file(const char *path, char **ret_text, size_t *ret_bytes, struct err *reterr)
{
	bool standard_input = strcmp(path, "-") == 0;
	int fd = standard_input ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY);
	int r = fd < 0 ? -errno : read_all(fd, ret_text, ret_bytes);

	if (!standard_input && fd >= 0) {
		close(fd);
	}
	if (r < 0) {
		return err_set(reterr, -r, "%s: cannot be read: %s", path, strerror(-r));
	}
	return 0;
}
