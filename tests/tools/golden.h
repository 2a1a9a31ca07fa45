/*
 * Texts that are held against files
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_TOOLS_GOLDEN_H
#define TESTS_TOOLS_GOLDEN_H

#include <json-glib/json-glib.h>

/*
 * golden_compare: fail the case unless @text is what @path holds
 *
 * Both are printed side by side from the first line that differs. With
 * GOLDEN_UPDATE=1 in the environment the file is written instead; look at
 * the difference before it is committed.
 */
void golden_compare(const char *path, const char *text);

/*
 * golden_json: @object, which is freed, as text; to be freed
 *
 * Members share lines of 79 columns; one that does not fit into a line as a
 * whole begins on one of its own.
 */
char *golden_json(JsonObject *object);

/*
 * golden_fold: @text with the JSON in it as golden_json() has it; to be freed
 *
 * JSON is what stands between a line "{" and a line "}".
 */
char *golden_fold(const char *text);

#endif /* TESTS_TOOLS_GOLDEN_H */
