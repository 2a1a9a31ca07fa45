/*
 * vfio-migrate why: the results of its checks
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "checks.h"
#include "json.h"

static const char *const words[] = {
    [CHECK_OK] = "ok",
    [CHECK_UNKNOWN] = "unknown",
    [CHECK_WARN] = "warn",
    [CHECK_NO] = "no",
};

const char *check_result_word(CheckResult result)
{
    return words[result];
}

void checks_add(Checks *checks, const char *check, CheckResult result,
                const char *hint, const char *format, ...)
{
    JsonObject *object = json_object_new();
    g_autofree char *text = NULL;
    va_list ap;

    va_start(ap, format);
    text = g_strdup_vprintf(format, ap);
    va_end(ap);
    json_object_set_string_member(object, "subject", checks->subject);
    json_object_set_string_member(object, "check", check);
    json_object_set_string_member(object, "result", words[result]);
    json_object_set_string_member(object, "text", text);
    json_set_text(object, "hint", hint);
    json_array_add_object_element(checks->list, object);
}

CheckResult checks_worst(const Checks *checks)
{
    CheckResult worst = CHECK_OK;
    JsonObject *check;

    for (unsigned i = 0; (check = json_list_object(checks->list, i)); i++) {
        for (CheckResult r = CHECK_OK; r <= CHECK_NO; r++) {
            if (!g_strcmp0(json_text(check, "result"), words[r])) {
                worst = MAX(worst, r);
            }
        }
    }
    return worst;
}
