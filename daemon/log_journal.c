/* SPDX-License-Identifier: BSD-2-Clause */
#include "daemon/log_journal.h"

#include <stdio.h>
#include <string.h>
#include <sys/uio.h>

/* The place is the caller's, not this file's. */
#define SD_JOURNAL_SUPPRESS_LOCATION
#include <systemd/sd-journal.h>

#include "base/log.h"

#define FIELDS_MAX  (8u + LOG_SUBJECTS_MAX)
#define BUFFER_SIZE 2048u

/* The fields of one entry, one after the other in a buffer. */
struct entry {
	struct iovec field[FIELDS_MAX];
	int n_fields;
	char buffer[BUFFER_SIZE];
	size_t used;
};

/* What does not fit is left out. */
static void add(struct entry *entry, const char *name, const char *value, size_t value_bytes)
{
	size_t name_bytes = strlen(name), bytes = name_bytes + 1 + value_bytes;
	char *to = entry->buffer + entry->used;

	if (entry->n_fields == FIELDS_MAX || bytes > BUFFER_SIZE - entry->used) {
		return;
	}
	memcpy(to, name, name_bytes);
	to[name_bytes] = '=';
	memcpy(to + name_bytes + 1, value, value_bytes);
	entry->field[entry->n_fields++] = (struct iovec){to, bytes};
	entry->used += bytes;
}

static void add_text(struct entry *entry, const char *name, const char *text)
{
	add(entry, name, text, strlen(text));
}

static const char *priority(enum log_level level)
{
	switch (level) {
	case LOG_LEVEL_ERR:
		return "3";
	case LOG_LEVEL_WARN:
		return "4";
	case LOG_LEVEL_INFO:
		return "6";
	case LOG_LEVEL_DEBUG:
		return "7";
	}
	return "6";
}

/* As it is called from the root of the project, wherever the build was. */
static const char *short_path(const char *file)
{
	while (strncmp(file, "../", 3) == 0) {
		file += 3;
	}
	return file;
}

static bool send_entry(const struct log_site *site, const char *text)
{
	struct log_subject subject[LOG_SUBJECTS_MAX];
	struct entry entry = {.n_fields = 0};
	uint32_t n, unused;
	char line[12];

	add_text(&entry, "PRIORITY", priority(site->level));
	add_text(&entry, "MESSAGE", text);
	add_text(&entry, "SYSLOG_IDENTIFIER", "viaductd");
	add_text(&entry, "CODE_FILE", short_path(site->file));
	snprintf(line, sizeof(line), "%d", site->line);
	add_text(&entry, "CODE_LINE", line);
	add_text(&entry, "CODE_FUNC", site->func);
	if (site->event != LOG_EVENT_NONE) {
		add_text(&entry, "VIADUCT_CODE", log_event_word[site->event]);
		add_text(&entry, "MESSAGE_ID", log_event_id[site->event]);
	}
	n = log_subject_parse(text, subject, &unused);
	for (uint32_t i = 0; i < n; i++) {
		add(&entry, subject[i].field, subject[i].value, subject[i].value_bytes);
	}
	return sd_journal_sendv(entry.field, entry.n_fields) == 0;
}

void log_journal_init(void)
{
	log_set_sink(log_to_journal() ? send_entry : NULL);
}
