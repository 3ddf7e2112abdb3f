/* SPDX-License-Identifier: BSD-2-Clause */
#include "queues/journal.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tests/unit/faults.h"
#include "tests/unit/tap.h"

static char dir[64];

static const char *path_of(const char *file)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", dir, file);
	return path;
}

static bool file_exists(const char *file)
{
	struct stat st;

	return lstat(path_of(file), &st) == 0;
}

static void file_write(const char *file, const char *text)
{
	FILE *f = fopen(path_of(file), "we");

	if (!f || fputs(text, f) < 0 || fclose(f) != 0) {
		perror(file);
		exit(1);
	}
}

static struct journal *open_good(void)
{
	struct journal *journal = NULL;
	struct err err = { "" };

	if (journal_open(dir, &journal, &err) != 0) {
		printf("Bail out! %s\n", err.text);
		exit(1);
	}
	return journal;
}

static const struct journal_entry feature = {
	.kind = JOURNAL_FEATURE, .ifname = "eth7", .ifindex = 7, .key = "rx-lro", .was = "on",
	.set = "off",
};
static const struct journal_entry mtu = {
	.kind = JOURNAL_MTU, .ifname = "eth7", .ifindex = 7, .was = "1500", .set = "9000",
};

static void test_round_trip(void)
{
	struct journal *journal = open_good();
	const struct journal_entry *e;

	tap_ok(journal_count(journal) == 0 && !file_exists("restore.json"),
	       "a new journal is empty and writes nothing");
	tap_ok(journal_add(journal, &feature, NULL) == 0 && journal_add(journal, &mtu, NULL) == 0,
	       "two entries are noted");
	journal_close(journal);
	tap_ok(file_exists("restore.json") && !file_exists("lock"),
	       "closing keeps what is listed and lets the directory go");

	journal = open_good();
	e = journal_get(journal, 0);
	tap_ok(journal_count(journal) == 2 && e->kind == JOURNAL_FEATURE && e->ifindex == 7 &&
		       strcmp(e->ifname, "eth7") == 0 && strcmp(e->key, "rx-lro") == 0 &&
		       strcmp(e->was, "on") == 0 && strcmp(e->set, "off") == 0,
	       "read back, in order");
	tap_ok(!journal_get(journal, 2), "there is nothing behind the last entry");
	e = journal_find(journal, JOURNAL_MTU, 7, "");
	tap_ok(e && strcmp(e->was, "1500") == 0, "found by kind, ifindex and key");
	tap_ok(!journal_find(journal, JOURNAL_MTU, 8, ""), "not found under another ifindex");
	tap_ok(!journal_find(journal, JOURNAL_LINK, 7, ""), "not found under another kind");
	tap_ok(!journal_find(journal, JOURNAL_FEATURE, 7, "rx-gro"), "not found by another key");

	tap_ok(journal_forget(journal, JOURNAL_FEATURE, 7, "rx-lro", NULL) == 0 &&
		       journal_forget(journal, JOURNAL_FEATURE, 7, "rx-lro", NULL) == 0,
	       "forgetting twice is harmless");
	tap_ok(journal_count(journal) == 1 && journal_get(journal, 0)->kind == JOURNAL_MTU,
	       "the other entry stays");
	journal_forget(journal, JOURNAL_MTU, 7, "", NULL);
	journal_close(journal);
	tap_ok(!file_exists("restore.json") && !file_exists("lock") &&
		       !file_exists("restore.json.new"),
	       "closing an empty journal leaves no file");
	journal_close(NULL);
}

static void test_first_was(void)
{
	struct journal *journal = open_good();
	struct journal_entry again = mtu;

	journal_add(journal, &mtu, NULL);
	strcpy(again.was, "9000");
	strcpy(again.set, "4000");
	journal_add(journal, &again, NULL);
	tap_ok(journal_count(journal) == 1 && strcmp(journal_get(journal, 0)->was, "1500") == 0 &&
		       strcmp(journal_get(journal, 0)->set, "4000") == 0,
	       "a setting changed twice keeps what it was at first, and what was set last");
	journal_forget(journal, JOURNAL_MTU, 7, "", NULL);
	journal_close(journal);
}

static void test_one_owner(void)
{
	struct journal *journal = open_good(), *other = NULL;
	struct err err = { "" };
	char pid[16];

	snprintf(pid, sizeof(pid), "pid %d)", getpid());
	tap_ok(journal_open(dir, &other, &err) == -EBUSY && !other && strstr(err.text, pid),
	       "a second owner is refused, the first one named: %s", err.text);
	journal_close(journal);
	journal = open_good();
	tap_ok(journal != NULL, "the directory is free again after closing");
	journal_close(journal);
}

/* An owner that was killed lets go a moment later: the next one waits for that. */
static void test_owner_ends(void)
{
	struct journal *journal = NULL;
	struct err err = { "" };
	int held[2], status;
	char byte;
	pid_t pid;

	if (pipe(held) < 0 || (pid = fork()) < 0) {
		tap_ok(false, "a process to hold the lock");
		return;
	}
	if (pid == 0) {
		const struct timespec moment = { .tv_nsec = 60000000 };

		journal = open_good();
		_exit(write(held[1], "x", 1) == 1 && nanosleep(&moment, NULL) == 0 ? 0 : 1);
	}
	tap_ok(read(held[0], &byte, 1) == 1 && journal_open(dir, &journal, &err) == 0,
	       "the lock of an owner that is about to end is waited for: %s", err.text);
	journal_close(journal);
	waitpid(pid, &status, 0);
	close(held[0]);
	close(held[1]);
}

#define ENTRY "{\"kind\":\"feature\",\"ifname\":\"a\",\"ifindex\":1,\"key\":\"k\",\"was\":\"on\"," \
	      "\"set\":\"off\"}"
#define DOC(entries) "{\"version\":1,\"entries\":[" entries "]}"

static void test_garbage(void)
{
	static const struct {
		const char *what, *text;
	} docs[] = {
		{ "an empty file", "" },
		{ "half a document", "{\"version\":1,\"entries\":[" },
		{ "no object", "[]" },
		{ "another version", "{\"version\":2,\"entries\":[]}" },
		{ "no entries", "{\"version\":1}" },
		{ "entries that are no list", "{\"version\":1,\"entries\":{}}" },
		{ "an unknown member", "{\"version\":1,\"entries\":[],\"more\":1}" },
		{ "a member twice", "{\"version\":1,\"version\":1,\"entries\":[]}" },
		{ "an entry that is no object", DOC("7") },
		{ "an entry cut short", DOC(ENTRY ",{\"kind\":\"mtu\"}") },
		{ "an unknown kind", DOC("{\"kind\":\"x\",\"ifname\":\"a\",\"ifindex\":1,"
					 "\"key\":\"\",\"was\":\"\",\"set\":\"\"}") },
		{ "a negative ifindex", DOC("{\"kind\":\"mtu\",\"ifname\":\"a\",\"ifindex\":-1,"
					    "\"key\":\"\",\"was\":\"\",\"set\":\"\"}") },
		{ "a name too long",
		  DOC("{\"kind\":\"mtu\",\"ifname\":\"aaaaaaaaaaaaaaaa\",\"ifindex\":1,"
		      "\"key\":\"\",\"was\":\"\",\"set\":\"\"}") },
		{ "no name", DOC("{\"kind\":\"mtu\",\"ifname\":\"\",\"ifindex\":1,"
				 "\"key\":\"\",\"was\":\"\",\"set\":\"\"}") },
	};

	for (size_t i = 0; i < sizeof(docs) / sizeof(docs[0]); i++) {
		struct journal *journal = NULL;
		struct err err = { "" };
		int r;

		file_write("restore.json", docs[i].text);
		r = journal_open(dir, &journal, &err);
		tap_ok(r == 1 && journal && journal_count(journal) == 0 && err.text[0] &&
			       file_exists("restore.json.bad") && !file_exists("restore.json"),
		       "%s is kept aside: %s", docs[i].what, err.text);
		tap_ok(journal && journal_add(journal, &mtu, NULL) == 0, "and the journal works");
		if (journal) {
			journal_forget(journal, JOURNAL_MTU, 7, "", NULL);
		}
		journal_close(journal);
		unlink(path_of("restore.json.bad"));
	}
	file_write("restore.json", DOC(ENTRY));
	{
		struct journal *journal = open_good();

		tap_ok(journal_count(journal) == 1, "the same without the mistake is taken");
		journal_forget(journal, JOURNAL_FEATURE, 1, "k", NULL);
		journal_close(journal);
	}
}

/* In memory until the commit; then all of it, or, where it cannot be written, none. */
static void test_batch(void)
{
	struct journal *journal = open_good();
	struct err err = { "" };

	tap_ok(journal_begin(journal) == 0 && journal_add(journal, &mtu, NULL) == 0 &&
		       journal_add(journal, &feature, NULL) == 0 && journal_count(journal) == 2 &&
		       !file_exists("restore.json"),
	       "what is noted between the two is not on disk yet");
	tap_ok(journal_commit(journal, &err) == 0 && file_exists("restore.json"), "then it is");
	journal_close(journal);
	journal = open_good();
	tap_ok(journal_count(journal) == 2, "both of it");
	mkdir(path_of("restore.json.new"), 0755);
	journal_begin(journal);
	journal_forget(journal, JOURNAL_MTU, 7, "", NULL);
	journal_forget(journal, JOURNAL_FEATURE, 7, "rx-lro", NULL);
	tap_ok(journal_count(journal) == 0 && journal_commit(journal, &err) < 0 && err.text[0] &&
		       journal_count(journal) == 2 &&
		       journal_find(journal, JOURNAL_FEATURE, 7, "rx-lro"),
	       "one that cannot be written is not done: %s", err.text);
	tap_ok(journal_begin(journal) == 0 && journal_commit(journal, NULL) == 0,
	       "nothing to write is not written");
	rmdir(path_of("restore.json.new"));
	journal_begin(journal);
	for (uint32_t i = 0; i < 40; i++) {
		struct journal_entry e = mtu;

		e.ifindex = 100 + i;
		journal_add(journal, &e, NULL);
	}
	tap_ok(journal_commit(journal, NULL) == 0 && journal_count(journal) == 42, "many");
	journal_begin(journal);
	while (journal_count(journal)) {
		struct journal_entry e = *journal_get(journal, 0);

		journal_forget(journal, e.kind, e.ifindex, e.key, NULL);
	}
	tap_ok(journal_commit(journal, NULL) == 0, "and none");
	journal_close(journal);
}

static void test_unwritable(void)
{
	struct journal *journal = open_good();
	struct err err = { "" };

	mkdir(path_of("restore.json.new"), 0755);
	tap_ok(journal_add(journal, &mtu, &err) < 0 && err.text[0] && journal_count(journal) == 0,
	       "what cannot be written is not noted: %s", err.text);
	rmdir(path_of("restore.json.new"));
	tap_ok(journal_add(journal, &mtu, NULL) == 0, "and can be once the cause is gone");
	mkdir(path_of("restore.json.new"), 0755);
	tap_ok(journal_forget(journal, JOURNAL_MTU, 7, "", NULL) < 0 && journal_count(journal) == 1,
	       "nor is anything forgotten that still stands in the file");
	rmdir(path_of("restore.json.new"));
	journal_forget(journal, JOURNAL_MTU, 7, "", NULL);
	journal_close(journal);
}

/* Notes two, forgets one; every step of it is a fault point. */
static void work(void)
{
	struct journal *journal = open_good();

	journal_add(journal, &feature, NULL);
	journal_add(journal, &mtu, NULL);
	journal_forget(journal, JOURNAL_FEATURE, 7, "rx-lro", NULL);
	journal_close(journal);
}

static void work_clean(void)
{
	unlink(path_of("restore.json"));
	unlink(path_of("restore.json.new"));
	unlink(path_of("lock"));
}

static void test_faults(void)
{
	unsigned long n_points;
	char count_file[128];

	strcpy(count_file, path_of("points"));
	tap_ok(faults_run(work, 0, count_file) == 0, "no fault asked for: none comes");
	n_points = faults_passed(count_file);
	tap_ok(n_points >= 12, "%lu fault points", n_points);
	work_clean();
	for (unsigned long fault = 1; fault <= n_points; fault++) {
		struct journal *journal = NULL;
		int sig = faults_run(work, fault, count_file), r;
		struct err err = { "" };

		r = journal_open(dir, &journal, &err);
		tap_ok(sig == SIGKILL && r == 0 && journal_count(journal) <= 2,
		       "killed at point %lu, the file is whole (%u entries) %s", fault,
		       journal ? journal_count(journal) : 0, err.text);
		journal_close(journal);
		work_clean();
	}
	unlink(count_file);
}

int main(void)
{
	strcpy(dir, "/tmp/vt-queues-journal.XXXXXX");
	if (!mkdtemp(dir)) {
		perror("mkdtemp");
		return 1;
	}
	test_round_trip();
	test_first_was();
	test_one_owner();
	test_owner_ends();
	test_garbage();
	test_batch();
	test_unwritable();
	test_faults();
	tap_ok(rmdir(dir) == 0, "nothing is left behind");
	return tap_done();
}
