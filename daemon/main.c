/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * main - viaductd: options, the file, --check, --print-config, --restore, and around the control
 * loop start and stop. Exit status (manual 2): 0 stopped in order; 1 failed while running; 2 bad
 * usage; 3 what editing the file can mend; 4 the machine cannot do it.
 */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/path.h"
#include "daemon/aftermath.h"
#include "daemon/check.h"
#include "daemon/control.h"
#include "daemon/start.h"
#include "daemon/status.h"

enum act { ACT_RUN, ACT_CHECK, ACT_PRINT, ACT_RESTORE };

struct options {
	enum act act;
	struct start_options start;
	char socket_path[512], runtime_dir[512], state_dir[512];
};

static const char usage[] =
	"usage: viaductd [-c FILE] [--socket PATH] [--runtime-dir DIR] [--state-dir DIR]\n"
	"                [--check | --print-config | --restore | --version]\n"
	"\n"
	"  -c, --config FILE    configuration (" VIADUCT_CONFIG_PATH ")\n"
	"      --socket PATH    control socket (RUNTIME-DIR/" VIADUCT_SOCKET_NAME ")\n"
	"      --runtime-dir D  restore.json and the control socket (" VIADUCT_RUNTIME_DIR ")\n"
	"      --state-dir D    what is kept across restarts (" VIADUCT_STATE_DIR ")\n"
	"      --check          say what is wrong with the file here, or what would be changed\n"
	"      --print-config   print the file in full canonical form\n"
	"      --restore        put back what an earlier run changed\n"
	"      --version\n"
	"      --help\n";

/* ---- options ---- */

/* systemd may give several directories with ':' between; the first is ours. */
static void take_dir(char *to, size_t to_bytes, const char *variable, const char *fallback)
{
	const char *from = getenv(variable);

	if (!from || !from[0]) {
		from = fallback;
	}
	snprintf(to, to_bytes, "%.*s", (int)strcspn(from, ":"), from);
}

static int bad_usage(const char *text, const char *what)
{
	fprintf(stderr, "viaductd: %s%s; see viaductd --help\n", text, what);
	return STATUS_USAGE;
}

static void default_socket(struct options *options)
{
	if (!options->socket_path[0]) {
		snprintf(options->socket_path, sizeof(options->socket_path), "%.490s/%s",
			 options->runtime_dir, VIADUCT_SOCKET_NAME);
	}
	options->start.socket_path = options->socket_path;
	options->start.runtime_dir = options->runtime_dir;
	options->start.state_dir = options->state_dir;
}

static bool take_act(struct options *options, enum act act)
{
	bool first = options->act == ACT_RUN;

	options->act = act;
	return first;
}

/* -1: go on; else the exit status. */
static int parse_options(int argc, char **argv, struct options *options)
{
	enum { OPT_SOCKET = 256, OPT_RUNTIME, OPT_STATE, OPT_CHECK, OPT_PRINT, OPT_RESTORE,
	       OPT_VERSION, OPT_HELP };
	static const struct option longs[] = {
		{"config", required_argument, NULL, 'c'},
		{"socket", required_argument, NULL, OPT_SOCKET},
		{"runtime-dir", required_argument, NULL, OPT_RUNTIME},
		{"state-dir", required_argument, NULL, OPT_STATE},
		{"check", no_argument, NULL, OPT_CHECK},
		{"print-config", no_argument, NULL, OPT_PRINT},
		{"restore", no_argument, NULL, OPT_RESTORE},
		{"version", no_argument, NULL, OPT_VERSION},
		{"help", no_argument, NULL, OPT_HELP},
		{NULL, 0, NULL, 0},
	};
	bool one_act = true;
	int opt;

	take_dir(options->runtime_dir, sizeof(options->runtime_dir), "RUNTIME_DIRECTORY",
		 VIADUCT_RUNTIME_DIR);
	take_dir(options->state_dir, sizeof(options->state_dir), "STATE_DIRECTORY",
		 VIADUCT_STATE_DIR);
	options->start.config_path = VIADUCT_CONFIG_PATH;
	opterr = 0;
	while ((opt = getopt_long(argc, argv, ":c:", longs, NULL)) != -1) {
		switch (opt) {
		case 'c':
			options->start.config_path = optarg;
			break;
		case OPT_SOCKET:
			snprintf(options->socket_path, sizeof(options->socket_path), "%s", optarg);
			break;
		case OPT_RUNTIME:
			snprintf(options->runtime_dir, sizeof(options->runtime_dir), "%s", optarg);
			break;
		case OPT_STATE:
			snprintf(options->state_dir, sizeof(options->state_dir), "%s", optarg);
			break;
		case OPT_CHECK:
			one_act &= take_act(options, ACT_CHECK);
			break;
		case OPT_PRINT:
			one_act &= take_act(options, ACT_PRINT);
			break;
		case OPT_RESTORE:
			one_act &= take_act(options, ACT_RESTORE);
			break;
		case OPT_VERSION:
			printf("viaductd " VIADUCT_VERSION "\n");
			return STATUS_OK;
		case OPT_HELP:
			fputs(usage, stdout);
			return STATUS_OK;
		case ':':
			return bad_usage("an argument is missing after ", argv[optind - 1]);
		default:
			return bad_usage("unknown option ", argv[optind - 1]);
		}
	}
	if (optind < argc) {
		return bad_usage("unexpected argument ", argv[optind]);
	}
	if (!one_act) {
		return bad_usage("only one of --check, --print-config and --restore can be done",
				 "");
	}
	default_socket(options);
	return -1;
}

/* ---- acts ---- */

static int read_config(const struct options *options, struct vswitch *vswitch)
{
	struct conf_errors errors = {0};
	struct err err = {""};

	if (conf_read_file(options->start.config_path, &vswitch->config_text,
			   &vswitch->config_bytes, &err) < 0) {
		log_err("%s", err.text);
		return STATUS_FILE;
	}
	vswitch->config_path = strdup(options->start.config_path);
	vswitch->config_real = realpath(options->start.config_path, NULL);
	if (!vswitch->config_real) {
		vswitch->config_real = strdup(options->start.config_path);      /* "-" */
	}
	vswitch->conf = conf_parse(vswitch->config_text, vswitch->config_bytes, &errors);
	check_print_errors(options->start.config_path, &errors);
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
		log_err("cannot make '%s': %s; create it or name another with --runtime-dir", dir,
			strerror(errno));
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
	struct err err = {""};
	int status = STATUS_MACHINE, stopped;

	role_enter(ROLE_CONTROL);
	role_assert_control();
	block_signals();
	if (make_dir(options->runtime_dir) != STATUS_OK) {
		return STATUS_MACHINE;
	}
	if (start_all(vswitch, &options->start, &status, &err) < 0) {
		if (status == STATUS_OK) {
			log_info("stopping before the start was complete");
		} else {
			log_err("%s", err.text);
		}
		stop_all(vswitch);
		return status;
	}
	status = control_run(vswitch) < 0 ? STATUS_FAILED : STATUS_OK;
	stopped = stop_all(vswitch);
	log_info("stopped");
	return status == STATUS_OK && stopped ? STATUS_FAILED : status;
}

static int act(const struct options *options, struct vswitch *vswitch)
{
	int status;

	if (options->act == ACT_RESTORE) {
		return aftermath_run(options->runtime_dir, vswitch->opener);
	}
	status = read_config(options, vswitch);
	if (status != STATUS_OK) {
		return status;
	}
	log_init(vswitch->conf->log_level);
	if (options->act == ACT_PRINT) {
		return print_config(vswitch);
	}
	xport_set_print(print_library_line);
	status = check_machine(vswitch, options->act == ACT_CHECK);
	if (status != STATUS_OK || options->act == ACT_CHECK) {
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
	struct options options = {0};
	struct err err = {""};
	int status = open_stdio() ? parse_options(argc, argv, &options) : STATUS_MACHINE;

	if (status >= 0) {
		return status;
	}
	log_init(LOG_LEVEL_INFO);
	/* Before threads and before anything is read: see queues/opener.h. */
	if (options.act != ACT_PRINT && opener_start(&vswitch.opener, &err) < 0) {
		log_err("%s", err.text);
		return STATUS_MACHINE;
	}
	vswitch.opener_works = opener_works(vswitch.opener);
	status = act(&options, &vswitch);
	opener_stop(vswitch.opener);
	members_done(&vswitch.members);
	conf_free(vswitch.conf);
	free(vswitch.config_text);
	free(vswitch.config_path);
	free(vswitch.config_real);
	return status;
}
