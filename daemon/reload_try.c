/* SPDX-License-Identifier: BSD-2-Clause */
/* reload_try - who asks for another configuration, and `config try`: see reload.h. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-daemon.h>

#include "base/clock.h"
#include "base/log.h"
#include "daemon/inspect.h"
#include "daemon/reload.h"

/* The configuration before, until somebody confirms the one in force or the time is over. */
struct config_try {
	struct reload_target before;
	sd_event_source *timer;
	uint64_t until_ns;
};

/* ---- errors ---- */

/* Every mistake that finds room, each on a line of its own, as --check writes them. */
static void file_errors(const char *path, struct conf_errors *errors, struct err *reterr)
{
	size_t used = 0;

	conf_errors_sort(errors);
	for (uint32_t i = 0; i < errors->n; i++) {
		const struct conf_error *error = &errors->error[i];
		int n = snprintf(reterr->text + used, sizeof(reterr->text) - used,
				 "%s%s:%u:%u: %s", i ? "\n" : "", path, error->loc.line,
				 error->loc.column, error->text);

		if (n < 0 || (size_t)n >= sizeof(reterr->text) - used) {
			reterr->text[used] = i ? '\0' : reterr->text[used];
			return;
		}
		used += (size_t)n;
	}
}

static enum mgmt_error error_of(int r)
{
	switch (r) {
	case 0:
		return MGMT_OK;
	case -EINVAL:
		return MGMT_INVALID_CONFIGURATION;
	case -EBUSY:
	case -ENOMEM:
	case -ETIMEDOUT:
		return MGMT_BUSY;
	default:
		return MGMT_INVALID;
	}
}

static enum mgmt_error make_target(struct vswitch *vswitch, const char *path, const char *text,
				   size_t text_bytes, struct reload_target *ret,
				   struct err *reterr) REQUIRES(role_control)
{
	struct conf_errors errors = {0};
	int r = reload_target_make(vswitch, text, text_bytes, ret, &errors, reterr);

	if (r == -EINVAL) {
		file_errors(path, &errors, reterr);
	}
	conf_errors_done(&errors);
	return error_of(r);
}

/* A pipe or a terminal cannot be read again, and would stop the control loop. */
static enum mgmt_error read_own(struct vswitch *vswitch, char **ret_text, size_t *ret_bytes,
				struct err *reterr)
{
	struct stat st;

	if (stat(vswitch->config_real, &st) == 0 && !S_ISREG(st.st_mode)) {
		err_set(reterr, EINVAL, "%s: this is no file that can be read again; start with a "
			"file, or use 'viaductctl config try FILE'", vswitch->config_real);
		return MGMT_INVALID_CONFIGURATION;
	}
	return conf_read_file(vswitch->config_real, ret_text, ret_bytes, reterr) < 0
		       ? MGMT_INVALID_CONFIGURATION
		       : MGMT_OK;
}

/* ---- applying ---- */

static void log_plan(const struct mgmt_config_plan *plan)
{
	for (uint32_t i = 0; i < plan->n_actions; i++) {
		log_info("reload: %s %s", plan->action[i].subject, plan->action[i].text);
	}
}

static void tell_manager(bool begins)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	if (begins) {
		sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%llu",
			   (unsigned long long)ts.tv_sec * 1000000ull +
				   (unsigned long long)ts.tv_nsec / 1000);
	} else {
		sd_notify(0, "READY=1");
	}
}

/* On success '*target' holds what was in force before. */
static enum mgmt_error apply(struct vswitch *vswitch, struct reload_target *target,
			     struct mgmt_config_plan *ret, struct err *reterr)
	REQUIRES(role_control)
{
	struct mgmt_config_plan plan = {0};
	int r;

	if (reload_target_plan(vswitch, target, &plan) < 0) {
		return inspect_out_of_memory(reterr);
	}
	log_plan(&plan);
	tell_manager(true);
	r = reload_apply(vswitch, target, reterr);
	tell_manager(false);
	if (r < 0) {
		mgmt_config_plan_done(&plan);
		return r == -EINVAL ? MGMT_INVALID_CONFIGURATION : error_of(r);
	}
	log_event(LOG_LEVEL_INFO, LOG_EVENT_RELOADED, "reload: done, %u change%s", plan.n_changes,
		  plan.n_changes == 1 ? "" : "s");
	*ret = plan;
	return MGMT_OK;
}

static enum mgmt_error refuse_trying(struct err *reterr)
{
	err_set(reterr, EBUSY,
		"a configuration is being tried: confirm it ('viaductctl config confirm') or wait "
		"until it is taken back");
	return MGMT_BUSY;
}

/* ---- the ops ---- */

enum mgmt_error inspect_config_diff(void *ctx, const char *text, size_t text_bytes,
				    struct mgmt_config_plan *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct reload_target target;
	char *own = NULL;
	enum mgmt_error error = MGMT_OK;

	role_assert_control();
	if (!text) {
		error = read_own(vswitch, &own, &text_bytes, reterr);
		text = own;
	}
	if (error == MGMT_OK) {
		error = make_target(vswitch, vswitch->config_path, text, text_bytes, &target,
				    reterr);
	}
	if (error == MGMT_OK) {
		error = reload_target_plan(vswitch, &target, ret) < 0
				? inspect_out_of_memory(reterr)
				: MGMT_OK;
		reload_target_done(&target);
	}
	free(own);
	return error;
}

enum mgmt_error inspect_config_reload(void *ctx, struct mgmt_config_plan *ret, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct reload_target target;
	enum mgmt_error error;
	char *text = NULL;
	size_t bytes;

	role_assert_control();
	if (vswitch->trying) {
		return refuse_trying(reterr);
	}
	error = read_own(vswitch, &text, &bytes, reterr);
	if (error == MGMT_OK) {
		error = make_target(vswitch, vswitch->config_path, text, bytes, &target, reterr);
	}
	free(text);
	if (error == MGMT_OK) {
		error = apply(vswitch, &target, ret, reterr);
		reload_target_done(&target);
	}
	return error;
}

/* Every mistake on a line of its own. */
static void log_refusal(const char *text)
{
	while (*text) {
		size_t n = strcspn(text, "\n");

		log_err("reload: %.*s", (int)n, text);
		text += n + (text[n] == '\n');
	}
	log_err("reload: refused; the configuration stays as it is");
}

void reload_from_signal(struct vswitch *vswitch)
{
	struct mgmt_config_plan plan = {0};
	struct err err = {""};

	if (inspect_config_reload(vswitch, &plan, &err) == MGMT_OK) {
		mgmt_config_plan_done(&plan);
	} else {
		log_refusal(err.text);
	}
}

/* ---- config try ---- */

static void try_free(struct vswitch *vswitch)
{
	struct config_try *trying = vswitch->trying;

	vswitch->trying = NULL;
	sd_event_source_disable_unref(trying->timer);
	reload_target_done(&trying->before);
	free(trying);
}

static int on_try_over(sd_event_source *source, uint64_t usec, void *arg)
{
	struct vswitch *vswitch = arg;

	(void)source;
	(void)usec;
	role_assert_control();
	log_warn("config try: nobody confirmed it; going back to the configuration before");
	tell_manager(true);
	reload_undo(vswitch, &vswitch->trying->before);
	tell_manager(false);
	try_free(vswitch);
	return 0;
}

enum mgmt_error inspect_config_try(void *ctx, const char *text, size_t text_bytes,
				   uint64_t timeout_ns, struct mgmt_config_plan *ret,
				   struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	struct config_try *trying;
	enum mgmt_error error;

	role_assert_control();
	if (vswitch->trying) {
		return refuse_trying(reterr);
	}
	trying = calloc(1, sizeof(*trying));
	/* Before anything is changed: what could not be taken back is not tried. */
	if (!trying || sd_event_add_time_relative(vswitch->event, &trying->timer, CLOCK_MONOTONIC,
						  timeout_ns / NS_PER_US, 0, on_try_over,
						  vswitch) < 0) {
		free(trying);
		return inspect_out_of_memory(reterr);
	}
	error = make_target(vswitch, "FILE", text, text_bytes, &trying->before, reterr);
	if (error == MGMT_OK) {
		error = apply(vswitch, &trying->before, ret, reterr);
	}
	if (error != MGMT_OK) {
		sd_event_source_disable_unref(trying->timer);
		reload_target_done(&trying->before);
		free(trying);
		return error;
	}
	/* The time begins when it is in force. */
	sd_event_source_set_time_relative(trying->timer, timeout_ns / NS_PER_US);
	trying->until_ns = clock_now_ns() + timeout_ns;
	vswitch->trying = trying;
	log_info("config try: in force for %llu s unless it is confirmed",
		 (unsigned long long)(timeout_ns / NS_PER_S));
	return MGMT_OK;
}

enum mgmt_error inspect_config_confirm(void *ctx, struct err *reterr)
{
	struct vswitch *vswitch = ctx;

	role_assert_control();
	if (!vswitch->trying) {
		err_set(reterr, ENOENT, "no configuration is being tried");
		return MGMT_NOT_FOUND;
	}
	try_free(vswitch);
	log_info("config try: confirmed");
	return MGMT_OK;
}

int64_t reload_try_remaining(const struct vswitch *vswitch)
{
	uint64_t now = clock_now_ns();

	if (!vswitch->trying) {
		return MGMT_NULL;
	}
	return now < vswitch->trying->until_ns
		       ? (int64_t)((vswitch->trying->until_ns - now + NS_PER_S - 1) / NS_PER_S)
		       : 0;
}

void reload_close(struct vswitch *vswitch)
{
	if (vswitch->trying) {
		try_free(vswitch);
	}
}

/* ---- check and show ---- */

enum mgmt_error inspect_config_check(void *ctx, const char *text, size_t text_bytes,
				     struct mgmt_config_check *ret, struct err *reterr)
{
	struct mgmt_config_check check = {0};
	struct conf_errors errors = {0};
	struct reload_target target;
	int r;

	role_assert_control();
	r = reload_target_make(ctx, text, text_bytes, &target, &errors, reterr);
	if (r == 0) {
		reload_target_done(&target);
	} else if (r != -EINVAL) {
		conf_errors_done(&errors);
		return MGMT_BUSY;
	}
	conf_errors_sort(&errors);
	check.error = calloc(errors.n ? errors.n : 1, sizeof(*check.error));
	if (!check.error) {
		conf_errors_done(&errors);
		return inspect_out_of_memory(reterr);
	}
	for (uint32_t i = 0; i < errors.n; i++) {
		check.error[i] = (struct mgmt_config_error){errors.error[i].loc.line,
							    errors.error[i].loc.column,
							    strdup(errors.error[i].text)};
	}
	check.n_errors = errors.n;
	check.valid = errors.n == 0;
	conf_errors_done(&errors);
	*ret = check;
	return MGMT_OK;
}

enum mgmt_error inspect_config_show(void *ctx, char **ret_text, struct err *reterr)
{
	struct vswitch *vswitch = ctx;
	char *text = conf_print(vswitch->conf);

	if (!text) {
		return inspect_out_of_memory(reterr);
	}
	*ret_text = text;
	return MGMT_OK;
}
