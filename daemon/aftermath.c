/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/aftermath.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "daemon/hostport_mark.h"
#include "daemon/setup.h"
#include "daemon/standin.h"
#include "daemon/status.h"
#include "mgmt/socket_file.h"

static int put_back(struct vswitch *vswitch, const char *socket_path) REQUIRES(role_control)
{
	socket_file_remove_stale(socket_path);
	standin_forget(vswitch);
	return device_restore(DEVICE_ALL, vswitch->opener, vswitch->journal, log_note)
		       ? STATUS_FAILED : STATUS_OK;
}

static int stand_in(struct vswitch *vswitch)
{
	struct err err = {""};
	int n = standin_begin(vswitch, &err);

	setup_done(vswitch);
	if (n < 0) {
		log_err("on-failure: %s", err.text);
		return STATUS_FAILED;
	}
	log_info("viaductd: settings and host ports stay for the next start, or for "
		 "'viaductd --restore' by hand");
	return STATUS_OK;
}

/* The variable says something. */
static bool is_set(const char *name)
{
	const char *value = getenv(name);

	return value && value[0];
}

static int with_journal(struct vswitch *vswitch, const char *socket_path)
	REQUIRES(role_control)
{
	if (is_set("SERVICE_RESULT")) {
		return stand_in(vswitch);
	}
	if (is_set("MONITOR_SERVICE_RESULT") && standin_is_listed(vswitch->journal)) {
		log_warn("on-failure: the kernel's bridge stays, with all settings, until viaductd "
			 "is started again; 'viaductd --restore' by hand puts all back");
		return STATUS_OK;
	}
	return put_back(vswitch, socket_path);
}

int aftermath_run(const char *runtime_dir, const char *socket_path, struct vswitch *vswitch)
{
	struct err err = {""};
	int r, status;

	role_enter(ROLE_CONTROL);
	role_assert_control();
	if (is_set("SERVICE_RESULT") && strcmp(getenv("SERVICE_RESULT"), "success") == 0) {
		return STATUS_OK;
	}
	r = journal_open(runtime_dir, &vswitch->journal, &err);
	if (r < 0) {
		log_err("%s", err.text);
		return STATUS_MACHINE;
	}
	if (r == 1) {
		log_warn("%s", err.text);
	}
	hostport_relist(vswitch->journal, log_note, log_note);
	status = with_journal(vswitch, socket_path);
	journal_close(vswitch->journal);
	return status;
}
