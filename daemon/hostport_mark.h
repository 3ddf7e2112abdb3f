/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * hostport_mark - what marks a host port's pair, and pairs that the journal does not know any more.
 *
 * Fits:    hostport.c marks; start.c and aftermath.c have lost pairs listed again.
 * Threads: control only.
 * The mark is the far end's alias: HOSTPORT_ALIAS, and the runtime directory of whoever made it.
 *          Several viaductd may run, each with a directory and host ports of its own; who holds the
 *          lock of a directory knows that nobody else uses what bears its name. So a pair outlives
 *          the loss of restore.json. One with the bare alias is somebody's, unknown whose.
 */
#include <stdbool.h>

#include "daemon/link.h"
#include "queues/journal.h"
#include "queues/note.h"

#define HOSTPORT_ALIAS       "viaduct"
#define HOSTPORT_PEER_PREFIX "vd-"

/* The bare alias where the directory's path is too long for one. */
void hostport_mark(const char *runtime_dir, char ret[static LINK_ALIAS_BYTES]);

/* Called as the far end of a pair is. */
bool hostport_is_peer_name(const char *ifname);

/* Some viaductd's: as hostport_mark() writes it, with a directory or bare, and nothing else. */
bool hostport_is_marked(const char *alias);

/*
 * Of a pair that the journal lists: not another directory's. With the bare alias, as earlier
 * versions set it, the journal is all that says so.
 */
bool hostport_is_ours(const struct journal *journal, const char *alias);

/*
 * Lists the pairs again that bear the mark of the journal's directory and are not listed, telling
 * each. Of what may be a viaductd's, but nobody knows whose, only tells how to remove it.
 */
void hostport_relist(struct journal *journal, note_fn *relisted, note_fn *unknown);
