/* SPDX-License-Identifier: BSD-2-Clause */
/* method_config - `config check`, `show`, `diff`, `reload`, `try`, `confirm`. */
#include <stdlib.h>
#include <string.h>

#include "mgmt/json.h"
#include "mgmt/json_value.h"
#include "mgmt/method_handlers.h"

enum mgmt_error method_config_check(const struct method_env *env, const struct command_args *args,
				    json_t **ret, struct err *reterr)
{
	struct mgmt_config_check check = {0};
	enum mgmt_error error;

	error = env->ops->config_check(env->ctx, args->text, strlen(args->text), &check, reterr);
	if (!error) {
		*ret = json_config_check(&check);
		mgmt_config_check_done(&check);
	}
	return error;
}

enum mgmt_error method_config_show(const struct method_env *env, const struct command_args *args,
				    json_t **ret, struct err *reterr)
{
	char *text = NULL;
	enum mgmt_error error = env->ops->config_show(env->ctx, &text, reterr);

	(void)args;
	if (!error) {
		*ret = json_wrap("text", json_text(text));
		free(text);
	}
	return error;
}

static enum mgmt_error reply_plan(enum mgmt_error error, struct mgmt_config_plan *plan,
				  json_t **ret)
{
	if (!error) {
		*ret = json_config_plan(plan);
		mgmt_config_plan_done(plan);
	}
	return error;
}

enum mgmt_error method_config_diff(const struct method_env *env, const struct command_args *args,
				   json_t **ret, struct err *reterr)
{
	struct mgmt_config_plan plan = {0};

	return reply_plan(env->ops->config_diff(env->ctx, args->text,
						args->text ? strlen(args->text) : 0, &plan,
						reterr),
			  &plan, ret);
}

enum mgmt_error method_config_reload(const struct method_env *env, const struct command_args *args,
				     json_t **ret, struct err *reterr)
{
	struct mgmt_config_plan plan = {0};

	(void)args;
	return reply_plan(env->ops->config_reload(env->ctx, &plan, reterr), &plan, ret);
}

enum mgmt_error method_config_try(const struct method_env *env, const struct command_args *args,
				  json_t **ret, struct err *reterr)
{
	struct mgmt_config_plan plan = {0};

	return reply_plan(env->ops->config_try(env->ctx, args->text, strlen(args->text),
					       (uint64_t)(args->timeout_s * 1e9), &plan, reterr),
			  &plan, ret);
}

enum mgmt_error method_config_confirm(const struct method_env *env,
				      const struct command_args *args, json_t **ret,
				      struct err *reterr)
{
	(void)args;
	*ret = json_object();
	return env->ops->config_confirm(env->ctx, reterr);
}
