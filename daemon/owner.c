/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/owner.h"

#include <errno.h>
#include <grp.h>
#include <linux/capability.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* Another user's effective set is empty; the permitted one was kept. */
static int raise_permitted(void)
{
	struct __user_cap_header_struct header = { .version = _LINUX_CAPABILITY_VERSION_3 };
	struct __user_cap_data_struct data[2] = { 0 };

	if (syscall(SYS_capget, &header, data) < 0) {
		return -errno;
	}
	for (size_t i = 0; i < 2; i++) {
		data[i].effective = data[i].permitted;
	}
	return syscall(SYS_capset, &header, data) < 0 ? -errno : 0;
}

static int become(uid_t uid, gid_t gid)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) < 0 || setgroups(1, &gid) < 0 ||
	    setresgid(gid, gid, gid) < 0 || setresuid(uid, uid, uid) < 0) {
		return -errno;
	}
	/* else this process's own files in /proc would be root's */
	prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	return raise_permitted();
}

int owner_become(const char *runtime_dir, struct err *reterr)
{
	struct stat dir;
	int r;

	if (geteuid() != 0 || stat(runtime_dir, &dir) < 0 || dir.st_uid == 0) {
		return 0;
	}
	r = become(dir.st_uid, dir.st_gid);
	if (r < 0) {
		return err_set(reterr, -r, "cannot become user %u, whose directory '%s' is: %s",
			       dir.st_uid, runtime_dir, strerror(-r));
	}
	return 0;
}
