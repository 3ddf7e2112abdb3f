/* SPDX-License-Identifier: BSD-2-Clause */
#include "tests/unit/irqbalance_rig.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cpulist.h"
#include "tests/unit/netns.h"

char rig_root[64], rig_said[1024];
const struct fake_balance rig_usual = { .command_bytes = 500, .banned = "25 26" };

void rig_note(const char *line)
{
	snprintf(rig_said, sizeof(rig_said), "%s", line);
}

struct journal *rig_journal(void)
{
	struct journal *journal = NULL;
	struct err err = { "" };
	char dir[80];

	snprintf(dir, sizeof(dir), "%s/journal", rig_root);
	rig_said[0] = '\0';
	if (journal_open(dir, &journal, &err) != 0) {
		printf("Bail out! %s\n", err.text);
		_exit(1);
	}
	return journal;
}

int rig_ban(const char *list, struct journal *journal, struct err *err)
{
	struct numset set;
	uint32_t irq[NUMSET_MAX], n = 0;

	if (!numset_parse(list, 0, NUMSET_MAX - 1, &set)) {
		return -EINVAL;
	}
	/* backwards: the order is the caller's */
	for (uint32_t i = NUMSET_MAX; i-- > 0;) {
		if (numset_has(&set, i)) {
			irq[n++] = i;
		}
	}
	return irqbalance_ban(rig_root, irq, n, journal, err);
}

bool rig_banned_is(pid_t pid, const char *text)
{
	return strcmp(fake_balance_banned(rig_root, pid), text) == 0;
}

bool rig_entry_is(const struct journal *journal, pid_t pid, const char *was, const char *set)
{
	char key[16];
	const struct journal_entry *e;

	snprintf(key, sizeof(key), "%d", pid);
	e = journal_find(journal, JOURNAL_IRQBALANCE, 0, key);
	return e && strcmp(e->was, was) == 0 && strcmp(e->set, set) == 0;
}

const char *rig_open(void)
{
	static const char *const folder[] = { "run", "run/irqbalance", "proc", "proc/net" };
	const char *why = netns_enter();
	char path[96];

	if (why) {
		return why;             /* irqbalance listens to root alone */
	}
	snprintf(rig_root, sizeof(rig_root), "/tmp/vt-queues-irqb.XXXXXX");
	if (!mkdtemp(rig_root) || chmod(rig_root, 0755) < 0) {
		printf("Bail out! %s\n", rig_root);
		exit(1);
	}
	for (size_t i = 0; i < sizeof(folder) / sizeof(folder[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", rig_root, folder[i]);
		mkdir(path, 0755);
	}
	return NULL;
}

bool rig_close(void)
{
	return netns_run("rm -r %s", rig_root);
}
