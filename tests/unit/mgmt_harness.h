/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * mgmt_harness - the real server on a real socket in a directory of its own, with the fake daemon
 * behind it, and clients that speak Varlink by hand. One thread: waiting for a client turns the
 * event loop.
 */
#include <jansson.h>
#include <sys/types.h>

#include "fake_ops.h"
#include "mgmt/bytes.h"
#include "mgmt/server.h"

struct harness {
	char dir[64], path[96];
	sd_event *event;
	struct mgmt_server *server;
	struct fake fake;
};

struct client {
	int fd;
	struct bytes in;
};

void harness_begin(struct harness *harness);
void harness_end(struct harness *harness);

/* Turns the loop until it has nothing to do for a moment. */
void harness_settle(struct harness *harness);

/* Turns the loop until 'pid' has ended; its exit status, -1 if it does not within 20 s. */
int harness_wait(struct harness *harness, pid_t pid);

struct client client_connect(const struct harness *harness);
void client_close(struct client *client);

/* Sends 'text' and its NUL; blocks (turning the loop) while the socket is full. */
bool client_send(struct harness *harness, struct client *client, const char *text);

/* The next message; NULL: none within 10 s, or the connection has ended. */
json_t *client_receive(struct harness *harness, struct client *client);

/* Whether the server closes the connection within 10 s (messages on the way are dropped). */
bool client_ended(struct harness *harness, struct client *client);

/* Sends on a fresh connection, the one reply as compact text, to be freed. "": none. */
char *harness_ask(struct harness *harness, const char *text);

/* Connections that the server has. */
uint32_t harness_n_conns(const struct harness *harness);

/* What a message is: its error ("": none), one of its parameters, the reply to CONFIG_SHOW. */
const char *message_error(json_t *message);
json_t *message_parameter(json_t *message, const char *key);
bool message_is_config(json_t *message);

#define CONFIG_SHOW "{\"method\":\"io.viaduct.ConfigShow\"}"
