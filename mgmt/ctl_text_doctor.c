/* SPDX-License-Identifier: BSD-2-Clause */
/* ctl_text_doctor - `doctor`: a finding, and below it the line that mends it. */
#include <stdio.h>
#include <string.h>

#include "mgmt/ctl_doc.h"
#include "mgmt/ctl_text.h"

static bool is_fault(const json_t *finding)
{
	return strcmp(doc_text(finding, "severity"), "fault") == 0;
}

static enum table_colour colour_of(const json_t *finding)
{
	return is_fault(finding) ? TABLE_BAD
	       : strcmp(doc_text(finding, "severity"), "warning") == 0 ? TABLE_WARN
								       : TABLE_PLAIN;
}

void ctl_text_doctor(const struct ctl_text *text)
{
	const json_t *findings = json_object_get(text->document, "findings");
	json_t *finding;
	size_t i;

	if (json_array_size(findings) == 0) {
		printf("nothing to mend\n");
	}
	json_array_foreach(findings, i, finding) {
		enum table_colour colour = colour_of(finding);

		printf("%s%s%s: %s: %s [%s]\n", table_colour_on(colour),
		       doc_text(finding, "severity"), table_colour_off(colour),
		       doc_text(finding, "subject"), doc_text(finding, "text"),
		       doc_text(finding, "code"));
		if (!doc_is_null(finding, "mend")) {
			printf("    %s\n", doc_text(finding, "mend"));
		}
	}
}

bool ctl_text_has_fault(const json_t *document)
{
	json_t *finding;
	size_t i;

	json_array_foreach(json_object_get(document, "findings"), i, finding) {
		if (is_fault(finding)) {
			return true;
		}
	}
	return false;
}
