/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * irqbalance - a process that speaks irqbalance(1)'s protocol as the real one does, its faults
 * included: it answers without MSG_NOSIGNAL, cuts commands at 500 bytes before version 1.9.5, and
 * does not serve its socket while it works.
 */
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum fake_balance_socket {
	FAKE_BALANCE_FILE,              /* ROOT/run/irqbalance/irqbalancePID.sock */
	FAKE_BALANCE_ABSTRACT,          /* until version 1.4 */
	FAKE_BALANCE_ZEROS,             /* where there is no /run/irqbalance */
};

struct fake_balance {
	enum fake_balance_socket socket;
	uint32_t command_bytes;         /* 500; 16384 since 1.9.5 */
	const char *banned;             /* "25 26": by its own command line */
	bool refuses;                   /* takes nobody for root */
	bool garbage;                   /* answers what is no answer */
	bool sleeps_when_asked;         /* once, over `setup`; answers after SIGUSR1 */
	bool dies_when_asked;
	bool forgetful;                 /* ignores what it is told */
};

/* Starts one below 'root'; what it listens to is there when this returns. */
pid_t fake_balance_start(const char *root, const struct fake_balance *fake);

/* "25 26" as it has them now. */
const char *fake_balance_banned(const char *root, pid_t pid);
/* How many commands to ban it has had. */
int fake_balance_commands(const char *root, pid_t pid);

/* Ends it, and says whether it was alive until then. */
bool fake_balance_stop(const char *root, pid_t pid);
