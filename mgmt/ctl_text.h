/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * ctl_text - the daemon's documents as text for people, by command. Only `--json` is a promise:
 * columns may change.
 */
#include <jansson.h>

#include "mgmt/command.h"
#include "mgmt/ctl_table.h"

struct ctl_text {
	const struct command *command;
	json_t *parameters;             /* what was asked */
	json_t *document;               /* what came */
	json_t *before;                 /* with -w: what came the last time; NULL: the first time */
	double elapsed_seconds;         /* since then */
	bool compact, skip_zero;        /* `intr list` */
	const char *file;               /* `config check`: as the user named it */
	struct table *macs;             /* `mac show`: the table that its replies continue */
};

void ctl_text_print(const struct ctl_text *text);

/* The mistakes of `config check` on standard error, FILE:LINE:COLUMN: TEXT. */
void ctl_text_config_errors(const char *file, const json_t *document);

/* What a reload changes and does, for people: the document of `config diff`. */
void ctl_text_config_plan(const json_t *document);

/* Begins the table of `mac show`. */
void ctl_text_macs_init(struct table *table);

/* In ctl_text_doctor.c. */
void ctl_text_doctor(const struct ctl_text *text);
/* Whether there is a fault among the findings of `doctor`. */
bool ctl_text_has_fault(const json_t *document);

/* In ctl_text_intr.c. */
void ctl_text_intr_list(const struct ctl_text *text);

/* In ctl_text_ports.c. */
void ctl_text_port_show(const struct ctl_text *text);
void ctl_text_queue_show(const struct ctl_text *text);
void ctl_text_worker_show(const struct ctl_text *text);
