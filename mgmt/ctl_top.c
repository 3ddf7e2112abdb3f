/* SPDX-License-Identifier: BSD-2-Clause */
#include "mgmt/ctl_top.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/clock.h"
#include "mgmt/ctl_end.h"
#include "mgmt/top_screen.h"

#define REFRESH_NS NS_PER_S
#define SILENCE_NS (3 * NS_PER_S)       /* then it is said that the daemon does not answer */

struct top {
	struct ctl_link *link;
	const char *path;               /* of the socket */
	bool connected;
	struct top_documents documents;
	uint64_t at_ns[TOP_DOCUMENT_N]; /* when each came */
	enum top_document asked;        /* TOP_DOCUMENT_N: nothing is under way */
	uint64_t next_ns, heard_ns;
	enum top_view view;
	uint32_t sort[TOP_VIEW_N], first_row;
	char trouble[256];
	bool ended;
};

/* ---- documents ---- */

static void forget(struct top *top)
{
	for (uint32_t d = 0; d < TOP_DOCUMENT_N; d++) {
		json_decref(top->documents.now[d]);
		json_decref(top->documents.before[d]);
	}
	top->documents = (struct top_documents){0};
}

/* What was shown last stays; what comes after another start has no rate with it. */
static void lose_daemon(struct top *top, const char *why)
{
	ctl_link_close(top->link);
	top->connected = false;
	top->asked = TOP_DOCUMENT_N;
	for (uint32_t d = 0; d < TOP_DOCUMENT_N; d++) {
		json_decref(top->documents.before[d]);
		top->documents.before[d] = NULL;
		top->at_ns[d] = 0;
	}
	snprintf(top->trouble, sizeof(top->trouble), "%s", why);
}

static bool is_wanted(const struct top *top, enum top_document document)
{
	switch (document) {
	case TOP_DOCUMENT_STATUS:
	case TOP_DOCUMENT_PORTS:
	case TOP_DOCUMENT_N:
		break;
	case TOP_DOCUMENT_WORKERS:
	case TOP_DOCUMENT_QUEUES:
		return top->view == TOP_VIEW_WORKERS;
	case TOP_DOCUMENT_INTERRUPTS:
		return top->view == TOP_VIEW_INTERRUPTS;
	}
	return true;
}

/* Asks for the next document that is wanted, from 'document' on. */
static void ask(struct top *top, enum top_document document)
{
	static const enum command_id command[TOP_DOCUMENT_N] = {
		[TOP_DOCUMENT_STATUS] = COMMAND_STATUS,
		[TOP_DOCUMENT_PORTS] = COMMAND_PORT_SHOW,
		[TOP_DOCUMENT_WORKERS] = COMMAND_WORKER_SHOW,
		[TOP_DOCUMENT_QUEUES] = COMMAND_QUEUE_SHOW,
		[TOP_DOCUMENT_INTERRUPTS] = COMMAND_INTR_LIST,
	};
	json_t *none;
	struct err err;

	while (document < TOP_DOCUMENT_N && !is_wanted(top, document)) {
		document++;
	}
	top->asked = document;
	if (document == TOP_DOCUMENT_N) {
		return;
	}
	none = json_object();
	if (ctl_link_call(top->link, command_table[command[document]].method, none, false, false,
			  &err)) {
		lose_daemon(top, err.text);
	}
	json_decref(none);
}

static void keep(struct top *top, json_t *document)
{
	struct top_documents *documents = &top->documents;
	enum top_document d = top->asked;
	uint64_t now_ns = clock_now_ns();

	json_decref(documents->before[d]);
	documents->before[d] = top->at_ns[d] ? documents->now[d] : NULL;
	if (!top->at_ns[d]) {
		json_decref(documents->now[d]);
	}
	documents->now[d] = json_incref(document);
	documents->elapsed_seconds[d] = (double)(now_ns - top->at_ns[d]) / (double)NS_PER_S;
	top->at_ns[d] = now_ns;
}

static void take_message(struct top *top)
{
	json_t *message = NULL;
	struct err err;
	int error = ctl_link_poll(top->link, &message, &err);

	if (error == -EAGAIN) {
		return;
	}
	if (error) {
		lose_daemon(top, err.text);
		return;
	}
	if (top->asked < TOP_DOCUMENT_N && !json_object_get(message, "error")) {
		keep(top, json_object_get(message, "parameters"));
	}
	json_decref(message);
	top->heard_ns = clock_now_ns();
	*top->trouble = '\0';
	ask(top, top->asked < TOP_DOCUMENT_N ? top->asked + 1 : TOP_DOCUMENT_N);
}

/* Once a second: the documents anew, or another try to reach the daemon. */
static void tick(struct top *top)
{
	uint64_t now_ns = clock_now_ns();
	struct err err;

	top->next_ns = now_ns + REFRESH_NS;
	if (!top->connected) {
		if (ctl_link_open(top->link, top->path, &err)) {
			snprintf(top->trouble, sizeof(top->trouble), "%.255s", err.text);
			return;
		}
		top->connected = true;
		top->heard_ns = now_ns;
	}
	if (top->asked == TOP_DOCUMENT_N) {
		ask(top, TOP_DOCUMENT_STATUS);
	} else if (now_ns - top->heard_ns > SILENCE_NS) {
		snprintf(top->trouble, sizeof(top->trouble),
			 "the daemon has not answered for %llu s",
			 (unsigned long long)((now_ns - top->heard_ns) / NS_PER_S));
	}
}

/* ---- the screen ---- */

static void scroll_by(struct top *top, const struct table *table, uint32_t n_shown, int rows)
{
	uint32_t n_rows = table->n_cells / table->n_columns;
	uint32_t most = n_rows > n_shown ? n_rows - n_shown : 0;
	int64_t first = (int64_t)top->first_row + rows;

	top->first_row = first < 0 ? 0 : first > most ? most : (uint32_t)first;
}

/* Draws all anew, 'rows' further down than before. */
static void draw(struct top *top, int pages, int rows)
{
	struct top_head head;
	struct table table;
	struct top_picture picture = {
		.head = &head,
		.table = &table,
		.sort = top_sort_name(top->view, top->sort[top->view]),
		.trouble = top->trouble,
	};
	uint32_t n_shown;

	top_make_head(&top->documents, &head);
	top_make_table(&top->documents, top->view, top->sort[top->view], &table);
	n_shown = top_screen_rows(&head);
	if (!top->documents.now[TOP_DOCUMENT_STATUS]) {
		picture.table = NULL;
	}
	scroll_by(top, &table, n_shown, rows + pages * (int)n_shown);
	picture.first_row = top->first_row;
	top_screen_draw(&picture);
	table_done(&table);
}

static void change_view(struct top *top, enum top_view view)
{
	top->view = view;
	top->first_row = 0;
	top->next_ns = 0;               /* what it needs may never have been asked for */
}

static void take_keys(struct top *top)
{
	enum top_key key;

	while ((key = top_screen_key()) != TOP_KEY_NONE) {
		switch (key) {
		case TOP_KEY_NONE:
		case TOP_KEY_REDRAW:
			break;
		case TOP_KEY_QUIT:
			top->ended = true;
			break;
		case TOP_KEY_PORTS:
			change_view(top, TOP_VIEW_PORTS);
			break;
		case TOP_KEY_WORKERS:
			change_view(top, TOP_VIEW_WORKERS);
			break;
		case TOP_KEY_INTERRUPTS:
			change_view(top, TOP_VIEW_INTERRUPTS);
			break;
		case TOP_KEY_SORT:
			top->sort[top->view]++;
			if (!top_sort_name(top->view, top->sort[top->view])) {
				top->sort[top->view] = 0;
			}
			break;
		case TOP_KEY_UP:
		case TOP_KEY_DOWN:
			draw(top, 0, key == TOP_KEY_UP ? -1 : 1);
			break;
		case TOP_KEY_PAGE_UP:
		case TOP_KEY_PAGE_DOWN:
			draw(top, key == TOP_KEY_PAGE_UP ? -1 : 1, 0);
			break;
		}
	}
}

/* ---- the loop ---- */

static void take_signal(struct top *top, int fd)
{
	struct signalfd_siginfo info;

	if (read(fd, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGWINCH) {
		top_screen_resize();
	} else {
		top->ended = true;
	}
}

static void loop(struct top *top, int signals)
{
	while (!top->ended) {
		uint64_t now_ns = clock_now_ns();
		struct pollfd pollfd[] = {
			{.fd = STDIN_FILENO, .events = POLLIN},
			{.fd = signals, .events = POLLIN},
			{.fd = top->connected ? top->link->fd : -1, .events = POLLIN},
		};
		int left_ms = now_ns < top->next_ns
				      ? (int)((top->next_ns - now_ns) / NS_PER_MS) + 1 : 0;

		if (poll(pollfd, sizeof(pollfd) / sizeof(pollfd[0]), left_ms) < 0 &&
		    errno != EINTR) {
			return;
		}
		if (pollfd[1].revents) {
			take_signal(top, signals);
		}
		if (pollfd[0].revents & (POLLHUP | POLLERR)) {
			return;
		}
		take_keys(top);
		if (pollfd[2].revents) {
			take_message(top);
		}
		if (clock_now_ns() >= top->next_ns) {
			tick(top);
		}
		draw(top, 0, 0);
	}
}

static int block_signals(void)
{
	static const int number[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGWINCH};
	sigset_t set;

	sigemptyset(&set);
	for (size_t i = 0; i < sizeof(number) / sizeof(number[0]); i++) {
		sigaddset(&set, number[i]);
	}
	sigprocmask(SIG_BLOCK, &set, NULL);
	return signalfd(-1, &set, SFD_CLOEXEC);
}

int ctl_top(struct ctl_link *link, const struct ctl_request *request)
{
	struct top top = {
		.link = link,
		.path = request->socket,
		.connected = true,
		.asked = TOP_DOCUMENT_N,
		.heard_ns = clock_now_ns(),
	};
	int signals;

	if (request->json || !isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO)) {
		return ctl_complain(CTL_STATUS_USAGE,
				    "top: this is for a terminal; `viaductctl port show -w 1` and "
				    "`worker show -w 1` print the same, again and again");
	}
	signals = block_signals();
	if (!top_screen_open()) {
		close(signals);
		return ctl_complain(CTL_STATUS_USAGE,
				    "top: this terminal cannot be drawn on (see TERM); use "
				    "`viaductctl port show -w 1`");
	}
	loop(&top, signals);
	top_screen_close();
	close(signals);
	forget(&top);
	return CTL_STATUS_DONE;
}
