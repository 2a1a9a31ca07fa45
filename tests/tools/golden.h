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

/*
 * golden_fold: @text with the JSON in it in fewer lines; to be freed
 *
 * JSON is what stands between a line "{" and a line "}", one member a line.
 * Members of one depth share lines of 79 columns, and so does an object that
 * fits into a line as a whole. No character is lost but line breaks and the
 * blanks behind them.
 */
char *golden_fold(const char *text);

#endif /* TESTS_TOOLS_GOLDEN_H */
