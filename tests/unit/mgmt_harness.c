/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt_harness.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "mgmt/conn.h"
#include "mgmt/json.h"

#define DEADLINE_NS (10 * NS_PER_S)

static void die(const char *what)
{
	printf("Bail out! %s: %s\n", what, strerror(errno));
	exit(1);
}

void harness_begin(struct harness *harness)
{
	struct err err = {""};

	memset(harness, 0, sizeof(*harness));
	strcpy(harness->dir, "/tmp/vt-mgmt-XXXXXX");
	if (!mkdtemp(harness->dir) || chmod(harness->dir, 0755)) {
		die("mkdtemp");
	}
	snprintf(harness->path, sizeof(harness->path), "%s/control.sock", harness->dir);
	if (sd_event_new(&harness->event) < 0) {
		die("sd_event_new");
	}
	if (mgmt_server_open(harness->event, harness->path, &fake_ops, &harness->fake,
			     &harness->server, &err)) {
		die(err.text);
	}
}

void harness_end(struct harness *harness)
{
	mgmt_server_close(harness->server);
	sd_event_unref(harness->event);
	rmdir(harness->dir);
}

void harness_settle(struct harness *harness)
{
	while (sd_event_run(harness->event, 20000) > 0) {
	}
}

int harness_wait(struct harness *harness, pid_t pid)
{
	uint64_t end = clock_now_ns() + 2 * DEADLINE_NS;

	while (clock_now_ns() < end) {
		int status;

		if (waitpid(pid, &status, WNOHANG) == pid) {
			return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
		}
		sd_event_run(harness->event, 1000);
	}
	return -1;
}

struct client client_connect(const struct harness *harness)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	struct client client = {.fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};

	snprintf(address.sun_path, sizeof(address.sun_path), "%s", harness->path);
	if (client.fd < 0 ||
	    connect(client.fd, (const struct sockaddr *)&address, sizeof(address))) {
		die("connect");
	}
	return client;
}

void client_close(struct client *client)
{
	close(client->fd);
	bytes_done(&client->in);
}

bool client_send(struct harness *harness, struct client *client, const char *text)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;
	size_t left = strlen(text) + 1;

	while (left && clock_now_ns() < end) {
		ssize_t n = send(client->fd, text, left, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n > 0) {
			text += n;
			left -= (size_t)n;
		} else if (n < 0 && errno != EAGAIN) {
			return false;
		} else {
			sd_event_run(harness->event, 1000);
		}
	}
	return left == 0;
}

static json_t *cut_message(struct client *client)
{
	char *nul = bytes_n(&client->in) ? memchr(bytes_at(&client->in), '\0', bytes_n(&client->in))
					 : NULL;
	json_t *message;

	if (!nul) {
		return NULL;
	}
	message = json_loads(bytes_at(&client->in), 0, NULL);
	bytes_consume(&client->in, (size_t)(nul + 1 - bytes_at(&client->in)));
	return message;
}

/* Reads what is there: > 0; 0: the end; -1: nothing at the moment. */
static ssize_t read_some(struct client *client)
{
	ssize_t n;

	bytes_reserve(&client->in, 65536);
	n = recv(client->fd, client->in.data + client->in.end, 65536, MSG_DONTWAIT);
	if (n > 0) {
		client->in.end += (size_t)n;
	}
	return n < 0 && errno == ECONNRESET ? 0 : n;
}

json_t *client_receive(struct harness *harness, struct client *client)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (clock_now_ns() < end) {
		json_t *message = cut_message(client);
		ssize_t n;

		if (message) {
			return message;
		}
		n = read_some(client);
		if (n == 0) {
			return NULL;
		}
		if (n < 0) {
			sd_event_run(harness->event, 1000);
		}
	}
	return NULL;
}

bool client_ended(struct harness *harness, struct client *client)
{
	uint64_t end = clock_now_ns() + DEADLINE_NS;

	while (clock_now_ns() < end) {
		ssize_t n = read_some(client);

		if (n == 0) {
			return true;
		}
		bytes_consume(&client->in, bytes_n(&client->in));
		if (n < 0) {
			sd_event_run(harness->event, 1000);
		}
	}
	return false;
}

char *harness_ask(struct harness *harness, const char *text)
{
	struct client client = client_connect(harness);
	json_t *message = NULL;
	char *reply;

	if (client_send(harness, &client, text)) {
		message = client_receive(harness, &client);
	}
	reply = message ? json_dumps(message, JSON_STYLE) : strdup("");
	json_decref(message);
	client_close(&client);
	return reply;
}

const char *message_error(json_t *message)
{
	const char *error = json_string_value(json_object_get(message, "error"));

	return error ? error : "";
}

json_t *message_parameter(json_t *message, const char *key)
{
	return json_object_get(json_object_get(message, "parameters"), key);
}

bool message_is_config(json_t *message)
{
	const char *text = json_string_value(message_parameter(message, "text"));

	return text && !strcmp(text, "version: 1\n");
}

uint32_t harness_n_conns(const struct harness *harness)
{
	/* The connections are the server's own matter: its home is its first member. */
	return ((const struct conn_home *)harness->server)->quota.n_conns;
}
