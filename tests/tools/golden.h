/*
 * Texts that are held against files
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_TOOLS_GOLDEN_H
#define TESTS_TOOLS_GOLDEN_H

/*
 * golden_compare: fail the case unless @text is what @path holds
 *
 * Both are printed side by side from the first line that differs. With
 * GOLDEN_UPDATE=1 in the environment the file is written instead; look at
 * the difference before it is committed.
 */
void golden_compare(const char *path, const char *text);

#endif /* TESTS_TOOLS_GOLDEN_H */
