/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * log_journal - where standard error is the journal, lines become entries with fields: what a line
 * is about (VIADUCT_PORT, VIADUCT_QUEUE, ...), where it comes from, and for events of the life
 * cycle VIADUCT_CODE and MESSAGE_ID. Where that does not work they are lines again.
 */

/* After log_init(), before threads. */
void log_journal_init(void);
