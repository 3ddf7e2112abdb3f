/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/hostport_mark.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

/*
 * With the number of its file system: containers may share a network, and each call its directory
 * /run/viaduct.
 */
void hostport_mark(const char *runtime_dir, char ret[static LINK_ALIAS_BYTES])
{
	char *path = realpath(runtime_dir, NULL);
	struct stat st;
	int n = LINK_ALIAS_BYTES;

	if (path && stat(path, &st) == 0) {
		n = snprintf(ret, LINK_ALIAS_BYTES, HOSTPORT_ALIAS " %s %llx", path,
			     (unsigned long long)st.st_dev);
	}
	if (n < 0 || n >= LINK_ALIAS_BYTES) {
		snprintf(ret, LINK_ALIAS_BYTES, "%s", HOSTPORT_ALIAS);
	}
	free(path);
}

bool hostport_is_peer_name(const char *ifname)
{
	return strncmp(ifname, HOSTPORT_PEER_PREFIX, strlen(HOSTPORT_PEER_PREFIX)) == 0;
}

bool hostport_is_marked(const char *alias)
{
	static const char begin[] = HOSTPORT_ALIAS " /";
	const char *number = strrchr(alias, ' ');

	if (strcmp(alias, HOSTPORT_ALIAS) == 0) {
		return true;
	}
	return strncmp(alias, begin, strlen(begin)) == 0 && number > alias + strlen(begin) &&
	       number[1] && !number[1 + strspn(number + 1, "0123456789abcdef")];
}

bool hostport_is_ours(const struct journal *journal, const char *alias)
{
	char mark[LINK_ALIAS_BYTES];

	hostport_mark(journal_dir(journal), mark);
	return strcmp(alias, mark) == 0 || strcmp(alias, HOSTPORT_ALIAS) == 0;
}

static bool is_listed(const struct journal *journal, const struct link_info *peer)
{
	for (uint32_t i = 0; i < journal_count(journal); i++) {
		const struct journal_entry *entry = journal_get(journal, i);

		if (entry->kind == JOURNAL_HOST_PORT &&
		    (entry->ifindex ? entry->ifindex == peer->peer_ifindex
				    : strcmp(entry->key, peer->ifname) == 0)) {
			return true;
		}
	}
	return false;
}

static void list_again(struct journal *journal, const struct link_info *peer, note_fn *note)
{
	struct journal_entry entry = {.kind = JOURNAL_HOST_PORT, .ifindex = peer->peer_ifindex};
	struct link_info link;
	struct err err = {""};
	int r = link_get(NULL, peer->peer_ifindex, &link, &err);

	if (r == 0) {
		memcpy(entry.ifname, link.ifname, sizeof(link.ifname));
		memcpy(entry.key, peer->ifname, sizeof(peer->ifname));
		r = journal_add(journal, &entry, &err);
	}
	if (r < 0) {
		note_line(note, "interface '%s': made by an earlier run, and cannot be listed: %s",
			  peer->ifname, err.text);
		return;
	}
	note_line(note, "host port '%s': made by an earlier run whose restore.json was lost; known "
		  "again by its mark", link.ifname);
}

/* An end that is in another network, or of a mark without a directory. */
static void tell_unknown(const struct link_info *peer, note_fn *note)
{
	note_line(note, "interface '%s': may be an earlier run's, but its other end or its "
		  "directory is not known; left. If no viaductd uses it: ip link del %s",
		  peer->ifname, peer->ifname);
}

void hostport_relist(struct journal *journal, note_fn *relisted, note_fn *unknown)
{
	struct link_info *link = NULL;
	char mark[LINK_ALIAS_BYTES];
	struct err err = {""};
	uint32_t n = 0;

	hostport_mark(journal_dir(journal), mark);
	if (link_list(&link, &n, &err) < 0) {
		note_line(relisted, "%s", err.text);
		return;
	}
	for (uint32_t i = 0; i < n; i++) {
		const struct link_info *peer = &link[i];
		bool ours = strcmp(peer->alias, mark) == 0;

		if (strcmp(peer->kind, "veth") != 0 || is_listed(journal, peer) ||
		    !hostport_is_peer_name(peer->ifname)) {
			continue;
		}
		if (ours && strcmp(mark, HOSTPORT_ALIAS) != 0 && peer->peer_ifindex) {
			list_again(journal, peer, relisted);
		} else if (ours || strcmp(peer->alias, HOSTPORT_ALIAS) == 0) {
			tell_unknown(peer, unknown);
		}
	}
	free(link);
}
