/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The control socket under clients of every kind: many requests at once, large replies, slow readers,
 * watchers, garbage, strangers, hundreds of connections.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mgmt/conn.h"
#include "mgmt_harness.h"
#include "tap.h"

#define MAC_SHOW_MORE "{\"method\":\"io.viaduct.MacShow\",\"more\":true}"
#define MAC_WATCH     "{\"method\":\"io.viaduct.MacWatch\",\"more\":true}"
#define STATUS        "{\"method\":\"io.viaduct.Status\"}"
#define CONFIG_SHOW   "{\"method\":\"io.viaduct.ConfigShow\"}"
#define NOBODY        65534

static const char *error_of(json_t *message)
{
	const char *error = json_string_value(json_object_get(message, "error"));

	return error ? error : "";
}

static json_t *parameter(json_t *message, const char *key)
{
	return json_object_get(json_object_get(message, "parameters"), key);
}

static bool is_config(json_t *message)
{
	const char *text = json_string_value(parameter(message, "text"));

	return text && !strcmp(text, "version: 1\n");
}

static uint32_t n_conns(const struct harness *harness)
{
	/* The connections are the server's own matter: its home is its first member. */
	return ((const struct conn_home *)harness->server)->quota.n_conns;
}

/* ---- requests ---- */

static void test_pipeline(struct harness *harness)
{
	struct client client = client_connect(harness);
	uint32_t n_good = 0;

	for (int i = 0; i < 500; i++) {
		client_send(harness, &client, i % 2 ? CONFIG_SHOW
						    : "{\"method\":\"io.viaduct.MacShow\","
						      "\"parameters\":{\"count\":true}}");
	}
	for (int i = 0; i < 500; i++) {
		json_t *reply = client_receive(harness, &client);

		n_good += i % 2 ? is_config(reply)
				: json_integer_value(parameter(reply, "count")) == 5;
		json_decref(reply);
	}
	tap_ok(n_good == 500, "500 requests at once are answered in their order (%u)", n_good);
	client_close(&client);
}

static void test_oneway(struct harness *harness)
{
	struct client client = client_connect(harness);
	json_t *reply;

	client_send(harness, &client, "{\"method\":\"io.viaduct.PortDisable\",\"oneway\":true,"
				      "\"parameters\":{\"port\":\"enp2s0\"}}");
	client_send(harness, &client, "{\"method\":\"io.viaduct.Nonsense\",\"oneway\":true}");
	client_send(harness, &client, "{\"method\":\"io.viaduct.MacShow\",\"oneway\":true}");
	client_send(harness, &client, CONFIG_SHOW);
	reply = client_receive(harness, &client);
	tap_ok(is_config(reply), "oneway calls get no reply, errors neither");
	tap_ok(!strcmp(harness->fake.port, "enp2s0"), "a oneway call is carried out");
	json_decref(reply);
	client_close(&client);

	client = client_connect(harness);
	client_send(harness, &client, "{\"method\":\"io.viaduct.PortEnable\",\"oneway\":true,"
				      "\"parameters\":{\"port\":\"enp3s0\"}}");
	client_close(&client);
	harness_settle(harness);
	tap_ok(!strcmp(harness->fake.port, "enp3s0"), "... though its client is gone already");
}

static void test_half_close(struct harness *harness)
{
	struct client client = client_connect(harness);
	json_t *reply;

	client_send(harness, &client, CONFIG_SHOW);
	shutdown(client.fd, SHUT_WR);
	reply = client_receive(harness, &client);
	tap_ok(is_config(reply), "a client that sends no more still gets its reply");
	tap_ok(client_ended(harness, &client), "... and is closed then");
	json_decref(reply);
	client_close(&client);
}

static void test_bytewise(struct harness *harness)
{
	struct client client = client_connect(harness);
	json_t *reply;

	for (size_t i = 0; i < sizeof(CONFIG_SHOW); i++) {
		send(client.fd, &CONFIG_SHOW[i], 1, 0);
		sd_event_run(harness->event, 0);
		sd_event_run(harness->event, 0);
	}
	reply = client_receive(harness, &client);
	tap_ok(is_config(reply), "a request that comes byte by byte");
	json_decref(reply);
	client_close(&client);
}

#define EIGHT "1,1,1,1,1,1,1,1,"
#define TOO_MANY_VALUES                                                                            \
	"{\"method\":\"io.viaduct.Status\",\"parameters\":{\"a\":[" EIGHT EIGHT EIGHT EIGHT EIGHT EIGHT  \
		EIGHT EIGHT EIGHT "1]}}"

static const char *const garbage[] = {
	"", "{", "nonsense", "[]", "1", "{}", "{\"method\":1}", "{\"method\":null}",
	"{\"method\":\"io.viaduct.Status\",\"more\":1}",
	"{\"method\":\"io.viaduct.Status\",\"parameters\":[]}",
	"{\"method\":\"io.viaduct.Status\",\"method\":\"io.viaduct.Status\"}",
	"{\"method\":\"io.viaduct.Status\",\"extra\":1}",
	"{\"method\":\"io.viaduct.Status\",\"upgrade\":true}",
	"{\"method\":\"io.viaduct.Status\",\"more\":true,\"oneway\":true}",
	"{\"method\":\"io.viaduct.Status\",\"parameters\":{\"a\":[[[[[[[[[[]]]]]]]]]]}}",
	"{\"method\":\"\xff\xfe\"}", "{\"method\":\"a\\u0000b\"}", STATUS STATUS,
	"[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,"
	"1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1]",
};

static void test_garbage(struct harness *harness)
{
	for (size_t i = 0; i < sizeof(garbage) / sizeof(garbage[0]); i++) {
		struct client client = client_connect(harness);
		json_t *reply;

		client_send(harness, &client, garbage[i]);
		reply = client_receive(harness, &client);
		tap_ok(!reply, "cut off for %s", *garbage[i] ? garbage[i] : "an empty message");
		json_decref(reply);
		client_close(&client);
	}
}

static void test_huge(struct harness *harness)
{
	struct client client = client_connect(harness);
	size_t n = VARLINK_REQUEST_MAX + (1u << 20);
	char *text = malloc(n + 1);
	json_t *reply;

	memset(text, 'x', n);
	text[n] = '\0';
	client_send(harness, &client, text);
	reply = client_receive(harness, &client);
	tap_ok(!strcmp(error_of(reply), "io.viaduct.TooMany"), "a request without end is refused");
	tap_ok(client_ended(harness, &client), "... and its client cut off");
	json_decref(reply);
	client_close(&client);

	/* A configuration of 1 MiB must pass. */
	n = (size_t)snprintf(text, 128, "{\"method\":\"io.viaduct.ConfigCheck\",\"parameters\":"
					"{\"text\":\"");
	memset(text + n, '#', 1u << 20);
	strcpy(text + n + (1u << 20), "\"}}");
	client = client_connect(harness);
	client_send(harness, &client, text);
	reply = client_receive(harness, &client);
	tap_ok(json_is_true(parameter(reply, "valid")) &&
		       harness->fake.n_config_bytes == 1u << 20,
	       "a configuration of 1 MiB is checked whole");
	json_decref(reply);
	client_close(&client);
	free(text);
}

/* ---- the table ---- */

static void test_stream(struct harness *harness)
{
	struct client client = client_connect(harness);
	uint32_t n_rows = 0, n_replies = 0, n_large = 0;
	bool continues = true;
	json_t *reply;

	harness->fake.n_learned = 100000;
	client_send(harness, &client, MAC_SHOW_MORE);
	client_send(harness, &client, CONFIG_SHOW);
	while (continues) {
		size_t n;

		reply = client_receive(harness, &client);
		n = json_array_size(parameter(reply, "macs"));
		continues = json_is_true(json_object_get(reply, "continues"));
		n_rows += (uint32_t)n;
		n_replies++;
		n_large += n > 1000;
		json_decref(reply);
	}
	tap_ok(n_rows == 100005 && n_large == 0 && n_replies == 101,
	       "100,005 addresses come in replies of at most 1000 (%u in %u)", n_rows, n_replies);
	reply = client_receive(harness, &client);
	tap_ok(is_config(reply), "the request behind the stream is answered after it");
	json_decref(reply);

	client_send(harness, &client, "{\"method\":\"io.viaduct.MacShow\"}");
	reply = client_receive(harness, &client);
	tap_ok(!strcmp(error_of(reply), "io.viaduct.TooMany"), "without `more` it is TooMany");
	json_decref(reply);
	harness->fake.n_learned = 9995;
	client_send(harness, &client, "{\"method\":\"io.viaduct.MacShow\"}");
	reply = client_receive(harness, &client);
	tap_ok(json_array_size(parameter(reply, "macs")) == 10000, "... but 10,000 are not");
	json_decref(reply);
	harness->fake.n_learned = 0;
	client_close(&client);
}

/* A reader that stops must stop the walk, and hold no more than a bounded amount. */
static void test_slow_reader(struct harness *harness)
{
	struct client client = client_connect(harness);
	uint32_t n_walks, n_rows = 0;
	bool continues = true;

	harness->fake.n_learned = 200000;
	harness->fake.n_walks = 0;
	client_send(harness, &client, MAC_SHOW_MORE);
	harness_settle(harness);
	n_walks = harness->fake.n_walks;
	tap_ok(n_walks > 0 && n_walks < 20, "a reader that stops, stops the walk (%u slices)",
	       n_walks);
	tap_ok(LIST_FIRST(&((struct conn_home *)harness->server)->quota.users)->n_bytes < 2u << 20,
	       "little is held for it");
	while (continues) {
		json_t *reply = client_receive(harness, &client);

		continues = json_is_true(json_object_get(reply, "continues"));
		n_rows += (uint32_t)json_array_size(parameter(reply, "macs"));
		json_decref(reply);
	}
	tap_ok(n_rows == 200005, "and all comes when it reads again (%u)", n_rows);
	client_close(&client);

	client = client_connect(harness);
	client_send(harness, &client, MAC_SHOW_MORE);
	harness_settle(harness);
	client_close(&client);
	harness_settle(harness);
	tap_ok(n_conns(harness) == 0, "a reader that goes, ends the walk");
	harness->fake.n_learned = 0;
}

/* Sends requests without reading a reply: must come to stand still, not to fill the daemon. */
static void test_never_reads(struct harness *harness)
{
	struct client client = client_connect(harness);
	size_t n_sent = 0;

	fcntl(client.fd, F_SETFL, O_NONBLOCK);
	for (int idle = 0; idle < 50 && n_sent < 64u << 20;) {
		ssize_t n = send(client.fd, STATUS, sizeof(STATUS), MSG_NOSIGNAL);

		idle = n > 0 ? 0 : idle + 1;
		n_sent += n > 0 ? (size_t)n : 0;
		sd_event_run(harness->event, n > 0 ? 0 : 1000);
	}
	tap_ok(n_sent < 4u << 20, "who never reads is not read from any more (%zu bytes)", n_sent);
	tap_ok(LIST_FIRST(&((struct conn_home *)harness->server)->quota.users)->n_bytes < 2u << 20,
	       "... and little is held");
	client_close(&client);
	harness_settle(harness);
	tap_ok(n_conns(harness) == 0, "... and it can go");
}

/* ---- watching ---- */

static const struct mgmt_mac_event moved = {
	.realtime_ns = 1772356502123000000, .kind = MGMT_MAC_EVENT_MOVED, .bridge = "lan",
	.vid = 20, .macaddress = 0x020000000010, .port = "enp2s0", .from_port = "enp3s0",
};

static void test_watch(struct harness *harness)
{
	struct client one = client_connect(harness), two = client_connect(harness);
	struct mgmt_mac_event aged = moved;
	json_t *reply;
	char *text;

	mgmt_server_mac_event(harness->server, &moved);
	client_send(harness, &one, MAC_WATCH);
	client_send(harness, &two, MAC_WATCH);
	harness_settle(harness);
	tap_ok(harness->fake.watch == 1 && harness->fake.n_watch_calls == 1,
	       "the first watcher wakes the daemon's events");
	mgmt_server_mac_event(harness->server, &moved);
	reply = client_receive(harness, &one);
	text = json_dumps(reply, JSON_COMPACT);
	tap_ok(text && !strcmp(text, "{\"parameters\":{\"time\":\"2026-03-01T09:15:02.123Z\","
				     "\"event\":\"moved\",\"bridge\":\"lan\",\"vlan\":20,"
				     "\"macaddress\":\"02:00:00:00:00:10\",\"port\":\"enp2s0\","
				     "\"from_port\":\"enp3s0\"},\"continues\":true}"),
	       "an event: %s", text ? text : "none");
	free(text);
	json_decref(reply);
	client_close(&one);
	aged.kind = MGMT_MAC_EVENT_AGED;
	aged.port = NULL;
	harness_settle(harness);
	mgmt_server_mac_event(harness->server, &aged);
	json_decref(client_receive(harness, &two));
	reply = client_receive(harness, &two);
	tap_ok(json_is_null(parameter(reply, "port")), "the other goes on");
	json_decref(reply);
	tap_ok(harness->fake.n_watch_calls == 1, "... and the daemon is not bothered");
	client_close(&two);
	harness_settle(harness);
	tap_ok(harness->fake.watch == 0 && harness->fake.n_watch_calls == 2,
	       "the last watcher switches them off");
}

static void test_slow_watcher(struct harness *harness)
{
	struct client slow = client_connect(harness), fast = client_connect(harness);
	uint32_t n_slow = 0, n_fast = 0;
	json_t *reply = NULL;

	client_send(harness, &slow, MAC_WATCH);
	client_send(harness, &fast, MAC_WATCH);
	harness_settle(harness);
	for (uint32_t i = 0; i < 20000; i++) {
		mgmt_server_mac_event(harness->server, &moved);
		if (i % 100 == 99) {
			for (uint32_t j = 0; j < 100; j++) {
				reply = client_receive(harness, &fast);
				n_fast += reply != NULL;
				json_decref(reply);
			}
		}
	}
	tap_ok(n_fast == 20000, "a watcher that reads gets every event (%u)", n_fast);
	for (;;) {
		reply = client_receive(harness, &slow);
		if (!reply || *error_of(reply)) {
			break;
		}
		n_slow++;
		json_decref(reply);
	}
	tap_ok(reply && !strcmp(error_of(reply), "io.viaduct.TooMany") && n_slow < 20000,
	       "one that does not is told after %u", n_slow);
	json_decref(reply);
	client_send(harness, &slow, CONFIG_SHOW);
	reply = client_receive(harness, &slow);
	tap_ok(is_config(reply), "... and may ask on");
	json_decref(reply);
	client_close(&slow);
	client_close(&fast);
	harness_settle(harness);
	tap_ok(harness->fake.watch == 0, "nobody watches any more");
}

/* ---- rights and limits ---- */

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
		/* Who is turned away may find the socket closed already, the reason waiting in it. */
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
};

static void test_rights(struct harness *harness)
{
	const struct group *group = getgrnam("viaduct");
	struct stat st;

	tap_ok(stat(harness->path, &st) == 0 && (st.st_mode & 07777) == 0666,
	       "the socket's mode is 0666");
	if (geteuid()) {
		tap_skip(12, "needs root");
		return;
	}
	tap_ok(ask_as(harness, NOBODY, 0, CONFIG_SHOW) == 0, "nobody may read");
	tap_ok(ask_as(harness, NOBODY, 0, "{\"method\":\"io.viaduct.MacShow\"}") == 0,
	       "... the table too");
	for (size_t i = 0; i < 5; i++) {
		tap_ok(ask_as(harness, NOBODY, 0, changing[i]) == 1, "nobody may not: %s",
		       changing[i]);
	}
	for (size_t i = 0; i < 5; i++) {
		if (group) {
			tap_ok(ask_as(harness, NOBODY, group->gr_gid, changing[i]) == 0,
			       "group viaduct may: %s", changing[i]);
		} else {
			tap_skip(1, "there is no group viaduct");
		}
	}
}

static uint32_t n_ended(const struct pollfd *poll_fd, uint32_t n)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < n; i++) {
		count += (poll_fd[i].revents & POLLHUP) != 0;
	}
	return count;
}

/* 1000 connections that say nothing; 0 when all but 32 of them have been turned away. */
static int crowd(const struct harness *harness, int ready_fd)
{
	static struct pollfd poll_fd[1000];
	uint32_t n = 0;

	for (uint32_t i = 0; i < 1000; i++) {
		poll_fd[i].fd = client_connect(harness).fd;
	}
	for (int i = 0; i < 1000 && n < 968; i++) {
		poll(poll_fd, 1000, 10);
		n = n_ended(poll_fd, 1000);
	}
	/* From now on the others are tried; the end of the pipe says when that is over. */
	if (write(ready_fd, n == 968 ? "y" : "n", 1) != 1) {
		return 2;
	}
	pause();
	return 0;
}

static void test_crowd(struct harness *harness)
{
	struct rlimit limit = {4096, 4096};
	int ready[2];
	char word = 0;
	pid_t pid;

	if (geteuid() || setrlimit(RLIMIT_NOFILE, &limit) || pipe2(ready, O_NONBLOCK)) {
		tap_skip(4, "needs root");
		return;
	}
	pid = fork();
	if (pid == 0) {
		if (setresuid(NOBODY, NOBODY, NOBODY)) {
			_exit(9);
		}
		_exit(crowd(harness, ready[1]));
	}
	for (int i = 0; i < 20000 && read(ready[0], &word, 1) != 1; i++) {
		sd_event_run(harness->event, 1000);
	}
	tap_ok(word == 'y', "of 1000 connections of one user 968 are turned away");
	tap_ok(ask_as(harness, NOBODY, 0, CONFIG_SHOW) == 2, "a new one of that user too");
	tap_ok(ask_as(harness, NOBODY - 1, 0, CONFIG_SHOW) == 0, "another user is served");
	kill(pid, SIGKILL);
	harness_wait(harness, pid);
	harness_settle(harness);
	tap_ok(n_conns(harness) == 0 && ask_as(harness, NOBODY, 0, CONFIG_SHOW) == 0,
	       "and that user again when they are gone");
	close(ready[0]);
	close(ready[1]);
}

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
	tap_ok(is_config(reply), "and the client is served when there are some");
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

	harness_begin(&harness);
	test_pipeline(&harness);
	test_oneway(&harness);
	test_half_close(&harness);
	test_bytewise(&harness);
	test_garbage(&harness);
	test_huge(&harness);
	test_stream(&harness);
	test_slow_reader(&harness);
	test_never_reads(&harness);
	test_watch(&harness);
	test_slow_watcher(&harness);
	test_rights(&harness);
	test_crowd(&harness);
	test_no_descriptors(&harness);
	test_file(&harness);
	harness_settle(&harness);
	tap_ok(n_conns(&harness) == 0, "no connection is left");
	harness_end(&harness);
	return tap_done();
}
