/* SPDX-License-Identifier: BSD-2-Clause */
/* doctor_list - findings, and how bad each warning of `status` is. See doctor.h. */
#include "daemon/doctor.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mgmt_finding *add_row(struct doctor *doctor)
{
	struct mgmt_finding *more =
		realloc(doctor->finding, (doctor->n + 1) * sizeof(*doctor->finding));

	if (!more) {
		doctor->failed = true;
		return NULL;
	}
	doctor->finding = more;
	more[doctor->n] = (struct mgmt_finding){0};
	return &more[doctor->n++];
}

void doctor_add(struct doctor *doctor, enum mgmt_severity severity, const char *code,
		const char *subject, const char *fmt, ...)
{
	struct mgmt_finding *finding = add_row(doctor);
	char both[512], *newline;
	va_list ap;

	if (!finding) {
		return;
	}
	va_start(ap, fmt);
	vsnprintf(both, sizeof(both), fmt, ap);
	va_end(ap);
	newline = strchr(both, '\n');
	finding->severity = severity;
	snprintf(finding->what.code, sizeof(finding->what.code), "%s", code);
	snprintf(finding->what.subject, sizeof(finding->what.subject), "%s", subject);
	if (newline) {
		*newline = '\0';
		snprintf(finding->what.mend, sizeof(finding->what.mend), "%.255s", newline + 1);
	}
	snprintf(finding->what.text, sizeof(finding->what.text), "%.255s", both);
}

/* Frames are lost, or what the file asks for does not hold. All others are warnings. */
static bool is_fault(const char *code)
{
	static const char *const fault[] = {
		"port-failed",  "checksum-undone", "interrupt-not-placed", "irqbalance",
		"worker-late",  "worker-stands",   "no-dac-override",
	};

	for (size_t i = 0; i < sizeof(fault) / sizeof(fault[0]); i++) {
		if (strcmp(fault[i], code) == 0) {
			return true;
		}
	}
	return false;
}

void doctor_add_warning(struct doctor *doctor, const struct mgmt_warning *warning)
{
	struct mgmt_finding *finding = add_row(doctor);

	if (finding) {
		finding->severity = is_fault(warning->code) ? MGMT_SEVERITY_FAULT
							    : MGMT_SEVERITY_WARNING;
		finding->what = *warning;
	}
}

bool doctor_take(struct doctor *doctor, struct mgmt_findings *ret)
{
	struct mgmt_finding *sorted = calloc(doctor->n ? doctor->n : 1, sizeof(*sorted));
	bool whole = sorted && !doctor->failed;
	uint32_t n = 0;

	for (uint32_t s = 0; whole && s < MGMT_SEVERITY_N; s++) {
		for (uint32_t i = 0; i < doctor->n; i++) {
			if (doctor->finding[i].severity == s) {
				sorted[n++] = doctor->finding[i];
			}
		}
	}
	free(doctor->finding);
	*doctor = (struct doctor){0};
	if (!whole) {
		free(sorted);
		return false;
	}
	*ret = (struct mgmt_findings){sorted, n};
	return true;
}
