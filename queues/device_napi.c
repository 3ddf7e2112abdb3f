/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/device_napi.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "queues/device.h"
#include "queues/opener.h"
#include "queues/sysfs.h"

int device_net_file_open(const char *ifname, uint32_t ifindex, const char *file,
			 struct opener *opener)
{
	char path[128];
	int r = -EACCES;

	if (strchr(file, '/') || strchr(ifname, '/')) {
		return -EINVAL;
	}
	if (!sysfs_net_is_ours(ifname, ifindex)) {
		return -ESTALE;
	}
	if (opener) {
		r = opener_open_net_file(opener, ifname, file);
	}
	if (r == -EACCES || r == -EPIPE) {
		snprintf(path, sizeof(path), "/sys/class/net/%s/%s", ifname, file);
		r = open(path, O_RDWR | O_CLOEXEC);
		r = r < 0 ? -errno : r;
	}
	return r;
}

int device_net_file_write(int fd, const char *ifname, const char *file, const char *text)
{
	char now[64];
	int r;

	if (write(fd, text, strlen(text)) < 0) {
		return -errno;
	}
	r = sysfs_net_read(ifname, file, now, sizeof(now));
	return r < 0 ? r : strcmp(now, text) == 0 ? 0 : -EIO;
}

static int file_refused(const char *ifname, const char *file, int error, struct err *reterr)
{
	const char *why = strerror(-error);

	if (error == -ESTALE) {
		why = "this /sys is not that of the network namespace; mount one there "
		      "(as 'ip netns exec' does)";
	} else if (error == -EACCES) {
		why = "permission denied; it needs CAP_DAC_OVERRIDE at the start";
	} else if (error == -EROFS) {
		why = "/sys is read-only here (systemd: ProtectKernelTunables=no)";
	}
	return err_set(reterr, -error, "interface '%s': cannot set %s: %s", ifname, file, why);
}

/* One file: nothing where it is right already; else opened, noted, written, read back. */
static int napi_file_apply(const char *ifname, uint32_t ifindex, const char *file, uint64_t value,
			   struct opener *opener, struct journal *journal, struct err *reterr)
{
	struct journal_entry entry = { .kind = JOURNAL_SYSFS, .ifindex = ifindex };
	int fd, r;

	snprintf(entry.ifname, sizeof(entry.ifname), "%s", ifname);
	snprintf(entry.key, sizeof(entry.key), "%s", file);
	snprintf(entry.set, sizeof(entry.set), "%" PRIu64, value);
	if (!sysfs_net_is_ours(ifname, ifindex)) {
		return file_refused(ifname, file, -ESTALE, reterr);
	}
	r = sysfs_net_read(ifname, file, entry.was, sizeof(entry.was));
	if (r < 0) {
		return file_refused(ifname, file, r, reterr);
	}
	if (strcmp(entry.was, entry.set) == 0) {
		return 0;
	}
	fd = device_net_file_open(ifname, ifindex, file, opener);
	if (fd < 0) {
		return file_refused(ifname, file, fd, reterr);
	}
	r = journal_add(journal, &entry, reterr);
	if (r == 0) {
		journal_fault_point();
		r = device_net_file_write(fd, ifname, file, entry.set);
		journal_fault_point();
		r = r < 0 ? file_refused(ifname, file, r, reterr) : 0;
	}
	close(fd);
	return r;
}

int device_napi_apply(const char *ifname, uint32_t ifindex, const struct device_napi *napi,
		      struct opener *opener, struct journal *journal, struct err *reterr)
{
	int r = device_check_name(ifname, ifindex, reterr);

	if (r == 0) {
		r = napi_file_apply(ifname, ifindex, "napi_defer_hard_irqs", napi->defer_hard_irqs,
				    opener, journal, reterr);
	}
	return r < 0 ? r : napi_file_apply(ifname, ifindex, "gro_flush_timeout",
					   napi->gro_flush_timeout_ns, opener, journal, reterr);
}
