/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once
/*
 * command - the one table of what can be asked: words of the command line, method on the wire,
 * parameters with their types, who may ask.
 *
 * Fits:    method.c hangs the daemon's side on it by id, ctl_text.c the client's writers; both
 *          check parameters with command_args_parse(), so that they agree on what is valid.
 *          describe.c prints it as a Varlink interface, ctl_args.c as --help, and through
 *          packaging/documents/tables.c it becomes viaductctl(8) and the completions.
 * Threads: any; all is constant.
 */
#include <stdbool.h>
#include <stdint.h>

#include <jansson.h>

#include "base/err.h"

enum command_id {
	COMMAND_STATUS,
	COMMAND_BRIDGE_SHOW,
	COMMAND_PORT_SHOW,
	COMMAND_PORT_ENABLE,
	COMMAND_PORT_DISABLE,
	COMMAND_MAC_SHOW,
	COMMAND_MAC_GET,
	COMMAND_MAC_ADD,
	COMMAND_MAC_DEL,
	COMMAND_MAC_FLUSH,
	COMMAND_MAC_WATCH,
	COMMAND_VLAN_SHOW,
	COMMAND_QUEUE_SHOW,
	COMMAND_WORKER_SHOW,
	COMMAND_INTR_LIST,
	COMMAND_INTR_AFFINITY,
	COMMAND_INTR_NOINTR,
	COMMAND_INTR,
	COMMAND_CONFIG_CHECK,
	COMMAND_CONFIG_SHOW,
	COMMAND_STP_SHOW,
	COMMAND_MDB_SHOW,
	COMMAND_MONITOR,
	COMMAND_CAPTURE,
	COMMAND_CONFIG_DIFF,
	COMMAND_CONFIG_RELOAD,
	COMMAND_CONFIG_TRY,
	COMMAND_CONFIG_CONFIRM,
	COMMAND_DOCTOR,
	COMMAND_METRICS,
	COMMAND_TOP,
	COMMAND_N,
};

enum command_type {
	COMMAND_TYPE_NAME,              /* a port or bridge: a string, not empty */
	COMMAND_TYPE_MACADDRESS,
	COMMAND_TYPE_VLAN,              /* 0 to 4094; 0: a bridge without VLAN filtering */
	COMMAND_TYPE_MAC_TYPE,
	COMMAND_TYPE_INTRID,            /* an IRQ number, PORT/rx/QUEUE, PORT/tx/QUEUE: a string */
	COMMAND_TYPE_CPU,
	COMMAND_TYPE_FLAG,
	COMMAND_TYPE_TIMEOUT,           /* seconds; the client takes 120s, 2m */
	COMMAND_TYPE_TEXT,              /* of a file, which the client reads */
	COMMAND_TYPE_NUMBER,            /* of frames or octets */
	COMMAND_TYPE_SECONDS,           /* the client's own: repeat */
	COMMAND_TYPE_OUTPUT,            /* the client's own: a file to write, or "-" */
};

enum {
	COMMAND_PARAM_WORD = 1u << 0,           /* stands after the verb, not behind an option */
	COMMAND_PARAM_REQUIRED = 1u << 1,
	COMMAND_PARAM_LOCAL = 1u << 2,          /* how the client shows it: not sent */
};

struct command_param {
	const char *name;               /* JSON key; with '-' for '_' the long option */
	char letter;                    /* short option, or 0; LOCAL ones have no long form */
	uint8_t flags;
	enum command_type type;
	const char *shown;              /* "BRIDGE": what stands for the value in --help */
};

enum {
	COMMAND_CHANGES = 1u << 0,      /* needs uid 0, the daemon's uid or group viaduct */
	COMMAND_STREAMS = 1u << 1,      /* the client asks with `more` */
	COMMAND_NEEDS_MORE = 1u << 2,   /* ... and there is no answer without */
	COMMAND_CLIENT = 1u << 3,       /* made of others by the client: no method */
	COMMAND_SLOW = 1u << 4,         /* no answer for however long is no reason to give up */
	COMMAND_COSTLY = 1u << 5,       /* control works for it: one a turn of a connection */
	COMMAND_KEPT = 1u << 6,         /* its answer is given again for a while: kept.h */
};

#define COMMAND_PARAMS_MAX  6u
#define COMMAND_CPU_MAX     1023u
#define COMMAND_COUNT_MAX   INT64_C(1000000000000)
#define COMMAND_SNAPLEN_MIN 64
#define COMMAND_SNAPLEN_MAX 4096        /* more than any frame has */
#define COMMAND_TIMEOUT_MIN_S 1u
#define COMMAND_TIMEOUT_MAX_S 86400u
#define COMMAND_WORDS_BYTES 64u

struct command {
	const char *noun, *verb;        /* verb "": none */
	const char *method;             /* io.viaduct.X */
	uint32_t flags;
	struct command_param param[COMMAND_PARAMS_MAX];         /* ends with a NULL name */
	/*
	 * In the interface definition language of Varlink. NULL: known by name and refused with
	 * `not supported yet`.
	 */
	const char *reply;
	const char *help;
};
extern const struct command command_table[COMMAND_N];

/* What every command understands. */
struct command_option {
	const char *name;               /* long option; the table ends with NULL */
	char letter;                    /* short option, or 0 */
	const char *shown;              /* what stands for its value; NULL: it has none */
	const char *help;
};

enum {
	COMMAND_OPTION_JSON,
	COMMAND_OPTION_SOCKET,
	COMMAND_OPTION_HELP,
	COMMAND_OPTION_VERSION,
	COMMAND_OPTION_N,
};
extern const struct command_option command_options[COMMAND_OPTION_N + 1];

static inline enum command_id command_id(const struct command *command)
{
	return (enum command_id)(command - command_table);
}

static inline bool command_supported(const struct command *command)
{
	return command->reply;
}

/* Whether it is given the text of a file, which the client reads. */
bool command_takes_file(const struct command *command);

/* "intr list": noun and verb, as the user types them. Returns 'buf'. */
char *command_words(const struct command *command, char buf[static COMMAND_WORDS_BYTES]);

/* By method, without the interface's name. NULL: there is none. */
const struct command *command_find_method(const char *method);

/* What a call asked for. Text points into the JSON it was parsed from. */
struct command_args {
	const char *bridge, *port, *intrid, *text;      /* NULL: not given */
	bool has_macaddress, count, drop, drops;
	int64_t limit, snaplen;                 /* 0: not given */
	uint64_t macaddress;
	int32_t vlan, type, cpu;                /* -1: not given */
	double timeout_s;                       /* 120 where it is not given */
};

/*
 * Checks 'parameters' (NULL: none) against the table. 0; -EBADMSG: unknown, missing or of a wrong
 * JSON type, and '*ret_param' tells which; -EINVAL: a value that means nothing. null is an absent
 * parameter. '*ret_param' points into the table or into 'parameters'.
 */
int command_args_parse(const struct command *command, json_t *parameters, struct command_args *ret,
		       const char **ret_param, struct err *reterr);
