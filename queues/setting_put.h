/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * setting_put - several settings of one device put to what they were, for the roll-back of
 * device_settings_apply() and for device_restore(). Private to queues/.
 */
#include <stdint.h>

#include "queues/journal.h"
#include "queues/note.h"
#include "queues/setting.h"

/*
 * Makes each setting of the set 'ids' (bits) what 'want' says, channels first, since they may reset
 * the others. A table that names queues which are about to go is reset before. 'error' has 0 or
 * -errno for each; -EPROTO: the driver took it and it is something else afterwards; -ENODATA: it
 * cannot be read now.
 */
void setting_put_all(const char *ifname, const struct setting_state *want, uint32_t ids,
		     int error[static SETTING_N]);

/*
 * What one setting is to be: of each word what it was, if it still is ours or was set while we were
 * killed; if it is neither, what it is, and that is said.
 */
void setting_decide(const char *ifname, const struct journal_entry *e,
		    const char now[static SETTING_TEXT_BYTES],
		    char want[static SETTING_TEXT_BYTES], note_fn *note);

/*
 * Puts back every JOURNAL_SETTING of this device at once, whatever the order of their entries,
 * under device_restore()'s rule of three values, which holds for each word of a setting. Entries
 * that are done are forgotten. Returns how many could not be put back.
 */
uint32_t setting_restore(struct journal *journal, uint32_t ifindex, const char *ifname,
			 note_fn *note);
