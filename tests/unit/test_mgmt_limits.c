/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Who may do what on the control socket, what becomes of it without descriptors, and its file.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt_harness.h"
#include "tap.h"

#define NOBODY     65534
#define GROUP_FILE "root:x:0:\nviaduct:x:4711:\n"

/* ---- rights ---- */

/* Asks as 'uid' and 'gid' with 'group' besides; the exit status tells what came. */
static int ask_as(struct harness *harness, uid_t uid, gid_t group, const char *request)
{
	pid_t pid = fork();

	if (pid == 0) {
		char reply[4096] = "";
		struct client client;

		if (setgroups(group ? 1 : 0, &group) || setresgid(NOBODY, NOBODY, NOBODY) ||
		    setresuid(uid, uid, uid)) {
			_exit(9);
		}
		client = client_connect(harness);
		/*
		 * Who is turned away may find the socket closed already, the reason waiting in it.
		 */
		(void)!send(client.fd, request, strlen(request) + 1, MSG_NOSIGNAL);
		if (recv(client.fd, reply, sizeof(reply) - 1, 0) <= 0) {
			_exit(8);
		}
		_exit(strstr(reply, "io.viaduct.PermissionDenied") ? 1
		      : strstr(reply, "\"error\"")		   ? 2
								   : 0);
	}
	return harness_wait(harness, pid);
}

static const char mac_add[] =
	"{\"method\":\"io.viaduct.MacAdd\",\"parameters\":{\"macaddress\":\"02:00:00:00:00:30\","
	"\"port\":\"enp2s0\"}}";

static const char *const changing[] = {
	"{\"method\":\"io.viaduct.PortEnable\",\"parameters\":{\"port\":\"enp2s0\"}}",
	"{\"method\":\"io.viaduct.PortDisable\",\"parameters\":{\"port\":\"enp2s0\"}}",
	mac_add,
	"{\"method\":\"io.viaduct.MacDel\",\"parameters\":{\"macaddress\":\"02:00:00:00:00:30\"}}",
	"{\"method\":\"io.viaduct.MacFlush\"}",
	"{\"method\":\"io.viaduct.IntrAffinity\",\"parameters\":{\"intrid\":\"31\",\"cpu\":1}}",
	"{\"method\":\"io.viaduct.IntrNointr\",\"parameters\":{\"cpu\":1}}",
	"{\"method\":\"io.viaduct.Intr\",\"parameters\":{\"cpu\":1}}",
};
#define N_CHANGING (sizeof(changing) / sizeof(changing[0]))

/*
 * A group file of our own, which has `viaduct`, in a mount namespace of our own: before the server
 * opens. Without the right to do so the machine's is used.
 */
static void make_group(void)
{
	char path[] = "/tmp/vt-mgmt-group-XXXXXX";
	int fd;

	if (getgrnam("viaduct") || unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL)) {
		return;
	}
	fd = mkstemp(path);
	if (fd >= 0) {
		(void)!write(fd, GROUP_FILE, sizeof(GROUP_FILE) - 1);
		fchmod(fd, 0644);
		close(fd);
		(void)!mount(path, "/etc/group", NULL, MS_BIND, NULL);
		unlink(path);
	}
}

static void test_rights(struct harness *harness)
{
	const struct group *group = getgrnam("viaduct");
	struct stat st;

	tap_ok(stat(harness->path, &st) == 0 && (st.st_mode & 07777) == 0666,
	       "the socket's mode is 0666");
	if (geteuid()) {
		tap_skip(3 + 2 * N_CHANGING, "needs root");
		return;
	}
	tap_ok(ask_as(harness, NOBODY, 0, CONFIG_SHOW) == 0, "nobody may read");
	tap_ok(ask_as(harness, NOBODY, 0, "{\"method\":\"io.viaduct.MacShow\"}") == 0,
	       "... the table too");
	tap_ok(ask_as(harness, NOBODY, 0, "{\"method\":\"io.viaduct.IntrList\"}") == 0,
	       "... and the interrupts");
	for (size_t i = 0; i < N_CHANGING; i++) {
		tap_ok(ask_as(harness, NOBODY, 0, changing[i]) == 1, "nobody may not: %s",
		       changing[i]);
	}
	for (size_t i = 0; i < N_CHANGING; i++) {
		if (group) {
			tap_ok(ask_as(harness, NOBODY, group->gr_gid, changing[i]) == 0,
			       "group viaduct may: %s", changing[i]);
		} else {
			tap_skip(1, "there is no group viaduct");
		}
	}
}

/* ---- limits ---- */

/* With no descriptor left the loop must rest, and go on when there are some again. */
static void test_no_descriptors(struct harness *harness)
{
	struct client client = client_connect(harness);
	struct rlimit was, none;
	uint32_t n_turns = 0;
	json_t *reply;

	getrlimit(RLIMIT_NOFILE, &was);
	none = was;
	none.rlim_cur = 3;
	setrlimit(RLIMIT_NOFILE, &none);
	while (n_turns < 1000 && sd_event_run(harness->event, 20000) > 0) {
		n_turns++;
	}
	setrlimit(RLIMIT_NOFILE, &was);
	tap_ok(n_turns < 10, "without descriptors the loop rests (%u turns)", n_turns);
	client_send(harness, &client, CONFIG_SHOW);
	reply = client_receive(harness, &client);
	tap_ok(message_is_config(reply), "and the client is served when there are some");
	json_decref(reply);
	client_close(&client);
	harness_settle(harness);
}

/* ---- the socket's file ---- */

static void test_file(struct harness *harness)
{
	struct mgmt_server *other = NULL;
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	char path[128], longer[200];
	struct err err = {""};
	struct stat st;
	int fd;

	tap_ok(mgmt_server_open(harness->event, harness->path, &fake_ops, &harness->fake, &other,
				&err) == -EADDRINUSE &&
		       !other && strstr(err.text, "another viaductd"),
	       "a socket that answers is not taken: %s", err.text);

	snprintf(path, sizeof(path), "%s/stale.sock", harness->dir);
	strcpy(address.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	tap_ok(bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0, "a stale socket");
	close(fd);
	tap_ok(mgmt_server_open(harness->event, path, &fake_ops, &harness->fake, &other, &err) == 0,
	       "is replaced");
	mgmt_server_close(other);
	tap_ok(stat(path, &st) && errno == ENOENT, "and removed at the end");

	fd = open(path, O_CREAT | O_WRONLY, 0600);
	close(fd);
	tap_ok(mgmt_server_open(harness->event, path, &fake_ops, &harness->fake, &other, &err) ==
			       -EEXIST &&
		       stat(path, &st) == 0,
	       "a file in its place is left alone: %s", err.text);
	unlink(path);

	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	tap_ok(mgmt_server_open(harness->event, longer, &fake_ops, &harness->fake, &other, &err) ==
		       -ENAMETOOLONG,
	       "a path too long is refused");
}

int main(void)
{
	struct harness harness;

	make_group();
	harness_begin(&harness);
	test_rights(&harness);
	test_no_descriptors(&harness);
	test_file(&harness);
	harness_settle(&harness);
	tap_ok(harness_n_conns(&harness) == 0, "no connection is left");
	harness_end(&harness);
	return tap_done();
}
