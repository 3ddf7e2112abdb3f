/* SPDX-License-Identifier: BSD-2-Clause */
#include "conf/conf.h"

#include <string.h>

/* '*set' stands behind the bracket. Moves it behind the closing one; false: there is none. */
static bool match_set(const char **set, unsigned char letter, bool *ret)
{
	const char *s = *set;
	bool negated = *s == '!' || *s == '^', found = false;

	s += negated;
	/* A bracket that comes first is a member. */
	for (bool first = true; *s && (first || *s != ']'); first = false) {
		unsigned char low = (unsigned char)*s, high = low;

		if (s[1] == '-' && s[2] && s[2] != ']') {
			high = (unsigned char)s[2];
			s += 2;
		}
		found = found || (letter >= low && letter <= high);
		s++;
	}
	if (*s != ']') {
		return false;
	}
	*set = s + 1;
	*ret = found != negated;
	return true;
}

/* One letter of the name against one of the glob; '*glob' moves behind that. */
static bool match_letter(const char **glob, char letter)
{
	const char *set = *glob + 1;
	bool found;

	if (**glob == '[' && match_set(&set, (unsigned char)letter, &found)) {
		*glob = set;
		return found;
	}
	/* An open bracket that nothing closes is a letter. */
	return *(*glob)++ == letter || (*glob)[-1] == '?';
}

/* Where a letter does not match, the last star takes one more; the earlier ones took enough. */
static bool match_glob(const char *glob, const char *name)
{
	const char *behind_star = NULL, *taken = NULL;

	while (*name) {
		if (*glob == '*') {
			behind_star = ++glob;
			taken = name;
		} else if (*glob && match_letter(&glob, *name)) {
			name++;
		} else if (behind_star) {
			glob = behind_star;
			name = ++taken;
		} else {
			return false;
		}
	}
	while (*glob == '*') {
		glob++;
	}
	return *glob == '\0';
}

bool conf_member_matches(const struct conf_member *member, const char *name)
{
	return member->glob ? match_glob(member->name, name) : strcmp(member->name, name) == 0;
}
