/* SPDX-License-Identifier: BSD-2-Clause */
/* The fake daemon's `config ...`: see fake_ops.h. */
#include "fake_ops.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum mgmt_error fake_config_check(void *ctx, const char *text, size_t text_bytes,
					 struct mgmt_config_check *ret, struct err *reterr)
{
	struct fake *fake = ctx;
	bool valid = !strstr(text, "ageing-tme");

	(void)reterr;
	fake->n_config_bytes = (uint32_t)text_bytes;
	fake->n_config_checks++;
	*ret = (struct mgmt_config_check){.valid = valid};
	if (!valid) {
		ret->n_errors = 1;
		ret->error = calloc(1, sizeof(*ret->error));
		ret->error[0] = (struct mgmt_config_error){
			12, 7, strdup("unknown key 'ageing-tme' (did you mean 'ageing-time'?)")};
	}
	return MGMT_OK;
}

enum mgmt_error fake_config_show(void *ctx, char **ret_text, struct err *reterr)
{
	(void)ctx;
	(void)reterr;
	*ret_text = strdup("version: 1\n");
	return MGMT_OK;
}

/* A text with a mistake is refused; `same` in it: no change; else one of each kind. */
static enum mgmt_error fake_plan(const char *text, struct mgmt_config_plan *ret,
				 struct err *reterr)
{
	struct mgmt_config_plan plan = {0};

	if (text && strstr(text, "ageing-tme")) {
		err_set(reterr, EINVAL, "FILE:12:7: unknown key 'ageing-tme'");
		return MGMT_INVALID_CONFIGURATION;
	}
	if (!text || !strstr(text, "same")) {
		plan.change = calloc(2, sizeof(*plan.change));
		plan.change[plan.n_changes++] = (struct mgmt_config_change){
			strdup("bridges.lan.ageing-time"), strdup("300s"), strdup("60s")};
		plan.change[plan.n_changes++] = (struct mgmt_config_change){
			strdup("bridges.lan.vlans.20"), NULL, strdup("name: iot")};
		plan.action = calloc(1, sizeof(*plan.action));
		plan.action[plan.n_actions++] = (struct mgmt_config_action){
			"reopen", "port enp3s0", "is closed and opened again"};
	}
	*ret = plan;
	return MGMT_OK;
}

enum mgmt_error fake_config_diff(void *ctx, const char *text, size_t text_bytes,
					struct mgmt_config_plan *ret, struct err *reterr)
{
	(void)ctx;
	(void)text_bytes;
	return fake_plan(text, ret, reterr);
}

enum mgmt_error fake_config_reload(void *ctx, struct mgmt_config_plan *ret,
					  struct err *reterr)
{
	(void)ctx;
	return fake_plan(NULL, ret, reterr);
}

enum mgmt_error fake_config_try(void *ctx, const char *text, size_t text_bytes,
				       uint64_t timeout_ns, struct mgmt_config_plan *ret,
				       struct err *reterr)
{
	struct fake *fake = ctx;

	(void)text_bytes;
	fake->try_ns = timeout_ns;
	return fake_plan(text, ret, reterr);
}

enum mgmt_error fake_config_confirm(void *ctx, struct err *reterr)
{
	struct fake *fake = ctx;

	if (!fake->try_ns) {
		err_set(reterr, ENOENT, "no configuration is being tried");
		return MGMT_NOT_FOUND;
	}
	fake->try_ns = 0;
	return MGMT_OK;
}
