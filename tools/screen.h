/*
 * What a person sees: colours, numbers with units, a line that moves
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
 * screen_init: look at what standard output is.
 *
 * Colours and the moving line are for terminals only; NO_COLOR and
 * TERM=dumb turn colours off.
 */
void screen_init(void);

/** screen_style: text in a colour, to be freed; padded to @width columns. */
char *screen_style(ScreenStyle style, int width, const char *text);

/** screen_print: a finished line; a moving line above it is removed first. */
void screen_print(const char *format, ...) G_GNUC_PRINTF(1, 2);

/** screen_heading: an empty line and a bold one. */
void screen_heading(const char *text);

/** screen_field: "  name        text" with the name dimmed. */
void screen_field(const char *name, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/**
 * screen_progress: show how far something is.
 * @what: name of the phase
 * @part: 0 to 1; negative if unknown
 * @text: what else there is to say
 *
 * On a terminal the line replaces the last one. Elsewhere it is printed when
 * the phase changes, and once a second.
 */
void screen_progress(const char *what, double part, const char *text);

/** screen_progress_end: take the moving line away. */
void screen_progress_end(void);

/** "64 KiB", "1.50 GiB"; to be freed. */
char *screen_size(uint64_t bytes);

/** "213 MiB/s"; "-" where no time passed; to be freed. */
char *screen_rate(uint64_t bytes, int64_t time_us);

/** "870 us", "3.2 ms", "1.25 s"; to be freed. */
char *screen_time(int64_t time_us);

/**
 * screen_parse_size: read "4096", "64K", "256M" or "1G".
 * Returns false if @text is none of these, or too large.
 */
bool screen_parse_size(const char *text, uint64_t *bytes);

#endif /* TOOLS_SCREEN_H */
