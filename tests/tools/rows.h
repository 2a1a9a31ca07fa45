/*
 * Test cases that are rows of a table
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TESTS_TOOLS_ROWS_H
#define TESTS_TOOLS_ROWS_H

#include <glib.h>

/*
 * ADD_ROWS: a case @prefix + NAME for each row of the array @rows, whose first
 * member is its name, a const char *; @func is called with the row.
 */
#define ADD_ROWS(prefix, rows, func) \
    add_rows(prefix, rows, G_N_ELEMENTS(rows), sizeof((rows)[0]), func)

/* add_rows: of @nr_rows rows of @row_bytes each; see ADD_ROWS(). */
static inline void add_rows(const char *prefix, const void *rows,
                            size_t nr_rows, size_t row_bytes,
                            GTestDataFunc func)
{
    for (size_t i = 0; i < nr_rows; i++) {
        const char *row = (const char *)rows + i * row_bytes;
        g_autofree char *path =
            g_strconcat(prefix, *(const char *const *)row, NULL);

        g_test_add_data_func(path, row, func);
    }
}

#endif /* TESTS_TOOLS_ROWS_H */
