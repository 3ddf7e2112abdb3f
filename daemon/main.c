/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main - viaductd: options, the file, --check, --print-config, --restore, and around the control
 * loop start and stop. Exit status (manual 2): 0 stopped in order; 1 failed while running; 2 bad
 * usage; 3 what editing the file can mend; 4 the machine cannot do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "daemon/aftermath.h"
#include "daemon/check.h"
#include "daemon/control.h"
#include "daemon/log_journal.h"
#include "daemon/options.h"
#include "daemon/owner.h"
#include "daemon/start.h"
#include "daemon/status.h"

#define DESCRIPTORS_WANTED 65536u

/* ---- acts ---- */

static int read_config(const struct options *options, struct vswitch *vswitch)
{
	struct conf_errors errors = {0};
	struct err err = {""};

	if (conf_read_file(options->config_path, &vswitch->config_text,
			   &vswitch->config_bytes, &err) < 0) {
		log_err("%s", err.text);
		return STATUS_FILE;
	}
	vswitch->config_path = strdup(options->config_path);
	vswitch->config_real = realpath(options->config_path, NULL);
	if (!vswitch->config_real) {
		vswitch->config_real = strdup(options->config_path);      /* "-" */
	}
	vswitch->conf = conf_parse(vswitch->config_text, vswitch->config_bytes, &errors);
	check_print_errors(options->config_path, &errors);
	conf_errors_done(&errors);
	return vswitch->conf && vswitch->config_path && vswitch->config_real ? STATUS_OK
									     : STATUS_FILE;
}

static int print_config(const struct vswitch *vswitch)
{
	char *text = conf_print(vswitch->conf);
	int status = text && fputs(text, stdout) >= 0 && fflush(stdout) == 0 ? STATUS_OK
									     : STATUS_FAILED;

	free(text);
	return status;
}

static int make_dir(const char *dir)
{
	if (mkdir(dir, 0755) && errno != EEXIST) {
		log_err("directory '%s': cannot be made: %s; create it or name another with "
			"--runtime-dir", dir, strerror(errno));
		return STATUS_MACHINE;
	}
	return STATUS_OK;
}

static void block_signals(void)
{
	sigset_t set;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGUSR2);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal(SIGPIPE, SIG_IGN);
}

static void print_library_line(const char *line)
{
	log_debug("libbpf: %s", line);
}

static int run(const struct options *options, struct vswitch *vswitch)
{
	const struct start_options start = {options->config_path, options->socket_path,
					    options->runtime_dir, options->state_dir};
	struct err err = {""};
	int status = STATUS_MACHINE, stopped;

	role_enter(ROLE_CONTROL);
	role_assert_control();
	block_signals();
	if (make_dir(options->runtime_dir) != STATUS_OK) {
		return STATUS_MACHINE;
	}
	if (owner_become(options->runtime_dir, &err) < 0) {
		log_err("%s", err.text);
		return STATUS_MACHINE;
	}
	if (start_all(vswitch, &start, &status, &err) < 0) {
		if (status == STATUS_OK) {
			log_event(LOG_LEVEL_INFO, LOG_EVENT_STOPPING,
				  "viaductd: stopping before the start was complete");
		} else {
			log_event(LOG_LEVEL_ERR, LOG_EVENT_NOT_STARTED, "%s", err.text);
		}
		stop_all(vswitch);
		return status;
	}
	status = control_run(vswitch) < 0 ? STATUS_FAILED : STATUS_OK;
	stopped = stop_all(vswitch);
	log_event(LOG_LEVEL_INFO, LOG_EVENT_STOPPED, "viaductd: stopped");
	return status == STATUS_OK && stopped ? STATUS_FAILED : status;
}

static int restore(const struct options *options, struct vswitch *vswitch)
{
	struct err err;

	if (owner_become(options->runtime_dir, &err) < 0) {
		log_err("%s", err.text);
		return STATUS_MACHINE;
	}
	return aftermath_run(options->runtime_dir, options->socket_path, vswitch);
}

/*
 * As far as what is allowed goes: systemd gives 1024 of what may be 524288, and a box may have more
 * queues than that.
 */
static void raise_descriptor_limit(void)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < DESCRIPTORS_WANTED) {
		limit.rlim_cur = limit.rlim_max < DESCRIPTORS_WANTED ? limit.rlim_max
								     : DESCRIPTORS_WANTED;
		(void)setrlimit(RLIMIT_NOFILE, &limit);
	}
}

static int act(const struct options *options, struct vswitch *vswitch)
{
	int status;

	if (options->act == OPTIONS_ACT_RESTORE) {
		return restore(options, vswitch);
	}
	status = read_config(options, vswitch);
	if (status != STATUS_OK) {
		return status;
	}
	log_init(vswitch->conf->log_level);
	if (options->act == OPTIONS_ACT_PRINT) {
		return print_config(vswitch);
	}
	xport_set_print(print_library_line);
	raise_descriptor_limit();
	status = check_machine(vswitch, options->act == OPTIONS_ACT_CHECK);
	if (status != STATUS_OK || options->act == OPTIONS_ACT_CHECK) {
		return status;
	}
	return run(options, vswitch);
}

/* A descriptor of ours must not become 0, 1 or 2: what is logged would be written into it. */
static bool open_stdio(void)
{
	int fd;

	do {
		fd = open("/dev/null", O_RDWR | O_CLOEXEC);
	} while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd >= 0) {
		close(fd);
	}
	return fd >= 0;
}

int main(int argc, char **argv)
{
	/* large, and its inner pointers want it to stay where it is */
	static struct vswitch vswitch;
	struct options options;
	struct err err = {""};
	int status = open_stdio() ? options_parse(argc, argv, &options) : STATUS_MACHINE;

	if (status != STATUS_OK) {
		return status;
	}
	if (options.act == OPTIONS_ACT_VERSION) {
		puts("viaductd " VIADUCT_VERSION);
		return STATUS_OK;
	}
	if (options.act == OPTIONS_ACT_HELP) {
		options_help(stdout);
		return STATUS_OK;
	}
	log_init(LOG_LEVEL_INFO);
	log_journal_init();
	/* Before threads and before anything is read: see queues/opener.h. */
	if (options.act != OPTIONS_ACT_PRINT && opener_start(&vswitch.opener, &err) < 0) {
		log_err("%s", err.text);
		return STATUS_MACHINE;
	}
	vswitch.opener_works = opener_works(vswitch.opener);
	status = act(&options, &vswitch);
	log_close();
	opener_stop(vswitch.opener);
	members_done(&vswitch.members);
	conf_free(vswitch.conf);
	free(vswitch.config_text);
	free(vswitch.config_path);
	free(vswitch.config_real);
	return status;
}
