/*
 * Terminal output: colours, numbers with units, a progress line
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef TOOLS_SCREEN_H
#define TOOLS_SCREEN_H

#include <stdbool.h>
#include <stdint.h>
#include <glib.h>

typedef enum ScreenStyle {
    SCREEN_PLAIN,
    SCREEN_BOLD,
    SCREEN_DIM,
    SCREEN_GOOD,
    SCREEN_BAD,
    SCREEN_BUSY,
} ScreenStyle;

/**
 * screen_init: find out the kind of standard output.
 *
 * Colours and the progress line are for terminals only; NO_COLOR and
 * TERM=dumb turn colours off.
 */
void screen_init(void);

/** screen_style: text in a colour, padded to @width columns; to be freed. */
char *screen_style(ScreenStyle style, int width, const char *text);

/** screen_print: print a line, removing a progress line first. */
void screen_print(const char *format, ...) G_GNUC_PRINTF(1, 2);

/** screen_heading: print an empty line, and @text in bold. */
void screen_heading(const char *text);

/** screen_field: print "  name        text", with the name dimmed. */
void screen_field(const char *name, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/**
 * screen_progress: show the progress of something.
 * @what: name of the phase
 * @part: 0 to 1; negative if unknown
 * @text: additional text
 *
 * On a terminal it replaces the previous progress line. Otherwise a line is
 * printed when the phase changes, and once per second.
 */
void screen_progress(const char *what, double part, const char *text);

/** screen_progress_end: remove the progress line. */
void screen_progress_end(void);

/** screen_size: "64 KiB", "1.5 GiB"; to be freed. */
char *screen_size(uint64_t bytes);

/** screen_rate: "213 MiB/s"; "-" if @time_us is not positive; to be freed. */
char *screen_rate(uint64_t bytes, int64_t time_us);

/** screen_time: "870 us", "3.2 ms", "1.25 s"; to be freed. */
char *screen_time(int64_t time_us);

/**
 * screen_parse_size: read "4096", "64K", "256M" or "1G".
 * Returns false if @text is none of these, or too large.
 */
bool screen_parse_size(const char *text, uint64_t *bytes);

#endif /* TOOLS_SCREEN_H */
