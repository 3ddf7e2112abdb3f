/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * The log: what a line is about, which repeats are left out, and its three forms: lines, lines with
 * priorities, and entries of a journal, which a socket in a mount namespace of our own plays.
 */
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/log_repeat.h"
#include "daemon/log_journal.h"
#include "tap.h"

#define JOURNAL "/run/systemd/journal/socket"

/* ---- subjects ---- */

static void test_subjects(void)
{
	static const struct {
		const char *line, *fields;
		uint32_t bytes;
	} table[] = {
		{"port 'eth3': forwarding", "VIADUCT_PORT=eth3 ", 13},
		{"port 'eth3': queue 2: refused", "VIADUCT_PORT=eth3 VIADUCT_QUEUE=2 ", 22},
		{"host port 'lan': gone", "VIADUCT_PORT=lan ", 17},
		{"bridge 'a': port 'b': x", "VIADUCT_BRIDGE=a VIADUCT_PORT=b ", 22},
		{"worker 12 on CPU 3: no turn", "VIADUCT_WORKER=12 ", 20},
		{"interrupt 31 (eth3-rx-0): kept", "VIADUCT_INTERRUPT=31 ", 26},
		{"port 'a': interface 'b' is called 'c'", "VIADUCT_PORT=a ", 10},
		{"port 'it's': x", "VIADUCT_PORT=it's ", 13},
		{"port '': x", "", 0},
		{"port 'a", "", 0},
		{"port eth3: x", "", 0},
		{"queue 5", "", 0},
		{"queue : x", "", 0},
		{"worker 1 on CPU x: y", "", 0},
		{"interrupt 1 (x: y", "", 0},
		{"report 'a': x", "", 0},
		{"", "", 0},
		{"queue 1: queue 2: queue 3: queue 4: queue 5: x",
		 "VIADUCT_QUEUE=1 VIADUCT_QUEUE=2 VIADUCT_QUEUE=3 VIADUCT_QUEUE=4 ", 36},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct log_subject subject[LOG_SUBJECTS_MAX];
		char fields[256] = "";
		uint32_t bytes, n = log_subject_parse(table[i].line, subject, &bytes);

		for (uint32_t k = 0; k < n; k++) {
			size_t used = strlen(fields);

			snprintf(fields + used, sizeof(fields) - used, "%s=%.*s ", subject[k].field,
				 (int)subject[k].value_bytes, subject[k].value);
		}
		tap_ok(!strcmp(fields, table[i].fields) && bytes == table[i].bytes,
		       "subject of \"%s\": %s(%u)", table[i].line, fields, bytes);
	}
}

/* ---- repeats ---- */

static uint32_t n_passing(uint64_t key, uint32_t n, uint64_t now_ns, uint32_t *left_out)
{
	uint32_t count = 0, told;

	*left_out = 0;
	for (uint32_t i = 0; i < n; i++) {
		count += log_repeat_pass(key, "a line", now_ns, &told);
		*left_out += told;
	}
	return count;
}

static void test_repeats(void)
{
	uint64_t now_ns = clock_now_ns();
	char text[LOG_REPEAT_TEXT];
	uint32_t told, n = 0;

	tap_ok(n_passing(1, 100, now_ns, &told) == LOG_REPEAT_BURST && told == 0,
	       "of 100 lines alike 10 pass");
	tap_ok(n_passing(2, 1, now_ns, &told) == 1, "one of another subject passes");
	now_ns += LOG_REPEAT_S * NS_PER_S - 1;
	tap_ok(n_passing(1, 1, now_ns, &told) == 0, "for a minute no more");
	tap_ok(n_passing(1, 1, now_ns + 1, &told) == 1 && told == 91,
	       "then the next one, which tells of 91");
	tap_ok(n_passing(1, 1, now_ns + 1, &told) == 1 && told == 0, "once");
	for (uint64_t key = 100; key < 100 + 3 * LOG_REPEAT_KEYS; key++) {
		n += n_passing(key, LOG_REPEAT_BURST + 5, now_ns, &told);
	}
	tap_ok(n == LOG_REPEAT_KEYS * LOG_REPEAT_BURST +
				2 * LOG_REPEAT_KEYS * (LOG_REPEAT_BURST + 5),
	       "where the table is full, the rest passes (%u)", n);
	for (n = 0; (told = log_repeat_next(text)); n += told) {
	}
	tap_ok(n == 5 * LOG_REPEAT_KEYS && !strcmp(text, "a line"), "what was left out is known");
}

/* ---- lines ---- */

/* Puts a pipe or a file in the place of standard error; what was there can be had back. */
static int swap_stderr(int fd)
{
	int was = dup(STDERR_FILENO);

	dup2(fd, STDERR_FILENO);
	return was;
}

static void set_stream(int fd, uint64_t more)
{
	char stream[64];
	struct stat st;

	fstat(fd, &st);
	snprintf(stream, sizeof(stream), "%ju:%ju", (uintmax_t)st.st_dev,
		 (uintmax_t)(st.st_ino + more));
	setenv("JOURNAL_STREAM", stream, 1);
}

static void say_all(void)
{
	log_err("port 'a': %s", "one");
	log_warn("port 'a': two");
	log_event(LOG_LEVEL_INFO, LOG_EVENT_PORT_STATE, "port 'a': queue 7: three");
	log_warn("%s", "F:1:2: five\n  F:3:4: six\n");
	log_debug("port 'a': four");
}

static void check_lines(const char *what, const char *wanted, uint64_t more, bool has_stream)
{
	char text[512] = "";
	int fds[2], was;

	if (pipe2(fds, O_NONBLOCK)) {
		tap_ok(false, "pipe");
		return;
	}
	unsetenv("JOURNAL_STREAM");
	if (has_stream) {
		set_stream(fds[1], more);
	}
	was = swap_stderr(fds[1]);
	log_init(LOG_LEVEL_INFO);
	log_journal_init();
	say_all();
	dup2(was, STDERR_FILENO);
	close(was);
	(void)!read(fds[0], text, sizeof(text) - 1);
	tap_ok(!strcmp(text, wanted), "%s", what);
	close(fds[0]);
	close(fds[1]);
}

#define PLAIN    "error: port 'a': one\nwarning: port 'a': two\nport 'a': queue 7: three\n" \
		 "warning: F:1:2: five\nwarning:   F:3:4: six\n"
#define PREFIXED "<3>port 'a': one\n<4>port 'a': two\n<6>port 'a': queue 7: three\n" \
		 "<4>F:1:2: five\n<4>  F:3:4: six\n"

static void test_lines(void)
{
	check_lines("lines for people", PLAIN, 0, false);
	check_lines("the journal is another file", PLAIN, 1, true);
}

static void test_flood(void)
{
	char text[8192] = "";
	uint32_t n_lines = 0;
	int fds[2], was;

	if (pipe(fds)) {
		tap_ok(false, "pipe");
		return;
	}
	was = swap_stderr(fds[1]);
	for (uint32_t i = 0; i < 50; i++) {
		log_info("port 'flaps': state %u", i);
		log_info("reload: change %u", i);
		log_info("port 'p%u': state", i % 5);
		log_debug("port 'flaps': not shown");
	}
	log_close();
	log_close();
	dup2(was, STDERR_FILENO);
	close(was);
	close(fds[1]);
	(void)!read(fds[0], text, sizeof(text) - 1);
	close(fds[0]);
	for (const char *c = text; *c; c++) {
		n_lines += *c == '\n';
	}
	tap_ok(n_lines == 50 + 10 + 50 + 1 && strstr(text, "port 'flaps': state 9\n") &&
		       strstr(text, "'flaps': state 49 (the last of 40 that were not shown)\n"),
	       "a flapping port is told of 10 times, 40 at the end (%u lines)", n_lines);
}

/* ---- entries ---- */

static int open_journal(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX, .sun_path = JOURNAL};
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK, 0);

	if (unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("tmpfs", "/run", "tmpfs", 0, NULL) || mkdir("/run/systemd", 0755) ||
	    mkdir("/run/systemd/journal", 0755) ||
	    bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		close(fd);
		return -1;
	}
	return fd;
}

/* And the place, whose path depends on where the build is. */
static bool has_line(const char *entry, const char *line)
{
	const char *at = strstr(entry, line);

	return at && (at == entry || at[-1] == '\n') && at[strlen(line)] == '\n' &&
	       strstr(entry, "\nCODE_FILE=") && strstr(entry, "tests/unit/test_log.c\n");
}

static void check_entry(int journal, const char *const *lines)
{
	char entry[2048] = "";

	if (recv(journal, entry, sizeof(entry) - 1, 0) <= 0) {
		tap_ok(false, "an entry: %s", strerror(errno));
		return;
	}
	for (; *lines; lines++) {
		tap_ok(has_line(entry, *lines), "an entry has %s", *lines);
	}
}

static void test_journal(void)
{
	static const char *const err[] = {"PRIORITY=3", "MESSAGE=port 'a': one",
					  "SYSLOG_IDENTIFIER=viaductd", "VIADUCT_PORT=a",
					  "CODE_FUNC=say_all",
					  NULL};
	static const char *const warn[] = {"PRIORITY=4", "MESSAGE=port 'a': two", NULL};
	static const char *const info[] = {
		"PRIORITY=6", "MESSAGE=port 'a': queue 7: three", "VIADUCT_PORT=a",
		"VIADUCT_QUEUE=7", "VIADUCT_CODE=port-state",
		"MESSAGE_ID=24128c0cfebd49d0ae1c2640abad75ea", NULL};
	static const char *const first[] = {"PRIORITY=4", "MESSAGE=F:1:2: five", NULL};
	static const char *const second[] = {"PRIORITY=4", "MESSAGE=  F:3:4: six", NULL};
	int journal = geteuid() == 0 ? open_journal() : -1;
	char byte;

	if (journal < 0) {
		tap_skip(1, "a journal of our own needs root");
		return;
	}
	check_lines("entries of a journal are no lines", "", 0, true);
	check_entry(journal, err);
	check_entry(journal, warn);
	check_entry(journal, info);
	check_entry(journal, first);
	check_entry(journal, second);
	tap_ok(recv(journal, &byte, 1, 0) < 0, "there are no others");
	check_lines("another file is not the journal, though one is there", PLAIN, 1, true);
	close(journal);
	check_lines("where nobody takes entries, they are lines with priorities", PREFIXED, 0,
		    true);
}

int main(void)
{
	test_subjects();
	test_lines();
	test_flood();
	test_journal();
	test_repeats();
	return tap_done();
}
