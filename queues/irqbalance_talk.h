/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irqbalance_talk - finding a running irqbalance and speaking with it: a connection per command, an
 * answer to `setup` alone, then it closes. Private to queues/. Control only.
 *
 * It writes its answer without MSG_NOSIGNAL and minds no SIGPIPE: whoever asks and does not wait
 * kills it. It serves its socket from its main loop, and not for the ten seconds that it sleeps
 * after a change of settings. So a knock goes first, which needs no answer; only when that was
 * heard a question follows. What is not heard or answered in time stays open until it is.
 * It also reads what it was not sent when a connection closes without a command: none does here.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

struct irqbalance_peer {
	struct sockaddr_un address;
	socklen_t address_bytes;
	int pid;                        /* as this process sees it; 0: not at all */
};

/*
 * Finds one that listens just now. 0; -ENOENT: none runs; -EPERM; -EAGAIN: it does not listen now;
 * '*ret' is who.
 */
int irqbalance_peer_find(const char *root, struct irqbalance_peer *ret);

/* Asks for its settings; '*ret' is for free(). 0, -EAGAIN, -EPERM, -errno. */
int irqbalance_peer_ask(const struct irqbalance_peer *peer, char **ret);

/* Gives a command that has no answer, whether or not it listens now. */
int irqbalance_peer_tell(const struct irqbalance_peer *peer, const char *command);
