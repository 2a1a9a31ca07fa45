/*
 * Terminal output: colours, numbers with units, a progress line
 *
 * Owns: the tools' standard output. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <locale.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "screen.h"

#define SCREEN_BAR_COLUMNS      12
#define SCREEN_PLAIN_PERIOD_US  G_USEC_PER_SEC

static struct {
    bool terminal;
    bool colours;
    bool moving;              /* the cursor is in a progress line */
    char *phase;
    int64_t printed_us;
} screen;

void screen_init(void)
{
    const char *no_color = g_getenv("NO_COLOR");
    const char *term = g_getenv("TERM");

    /* Without a locale GLib's help would print its ellipsis as '?'. */
    setlocale(LC_CTYPE, "");
    screen.terminal = isatty(STDOUT_FILENO) && g_strcmp0(term, "dumb");
    screen.colours = screen.terminal && !(no_color && *no_color);
}

char *screen_style(ScreenStyle style, int width, const char *text)
{
    static const char *const codes[] = {
        [SCREEN_BOLD] = "1", [SCREEN_DIM] = "2", [SCREEN_GOOD] = "32",
        [SCREEN_BAD] = "31", [SCREEN_BUSY] = "36",
    };

    if (!screen.colours || style == SCREEN_PLAIN) {
        return g_strdup_printf("%-*s", width, text);
    }
    return g_strdup_printf("\033[%sm%-*s\033[0m", codes[style], width, text);
}

void screen_progress_end(void)
{
    if (screen.moving) {
        fputs("\r\033[K", stdout);
        fflush(stdout);
        screen.moving = false;
    }
    g_clear_pointer(&screen.phase, g_free);
}

static void screen_vprint(const char *prefix, const char *format,
                          va_list arguments)
{
    screen_progress_end();
    fputs(prefix, stdout);
    vprintf(format, arguments);
    putchar('\n');
    fflush(stdout);
}

void screen_print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    screen_vprint("", format, arguments);
    va_end(arguments);
}

void screen_heading(const char *text)
{
    g_autofree char *bold = screen_style(SCREEN_BOLD, 0, text);

    screen_print("\n%s", bold);
}

void screen_field(const char *name, const char *format, ...)
{
    g_autofree char *dim = screen_style(SCREEN_DIM, 14, name);
    g_autofree char *prefix = g_strdup_printf("  %s", dim);
    va_list arguments;

    va_start(arguments, format);
    screen_vprint(prefix, format, arguments);
    va_end(arguments);
}

static int screen_columns(void)
{
    struct winsize size;

    if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col) {
        return size.ws_col;
    }
    return 80;
}

static char *screen_bar(double part)
{
    char bar[SCREEN_BAR_COLUMNS + 1];
    int full = CLAMP(part, 0, 1) * SCREEN_BAR_COLUMNS;

    memset(bar, '.', SCREEN_BAR_COLUMNS);
    memset(bar, '#', full);
    bar[SCREEN_BAR_COLUMNS] = '\0';
    return g_strdup_printf("[%s] %3.0f%%", bar, CLAMP(part, 0, 1) * 100);
}

void screen_progress(const char *what, double part, const char *text)
{
    int64_t now_us = g_get_monotonic_time();
    g_autofree char *bar = part < 0 ? g_strdup("") : screen_bar(part);
    /* Longer text would wrap, and its rest would not be overwritten. */
    int room = MAX(screen_columns() - 19 - (int)strlen(bar), 0);
    bool narrow = room < g_utf8_strlen(text, -1);
    g_autofree char *name = NULL;

    if (!screen.terminal) {
        if (g_strcmp0(what, screen.phase) == 0 &&
            now_us - screen.printed_us < SCREEN_PLAIN_PERIOD_US) {
            return;
        }
        printf("  %-13s %s%s%s\n", what, bar, *bar ? "  " : "", text);
        g_free(screen.phase);
        screen.phase = g_strdup(what);
        screen.printed_us = now_us;
    } else {
        /* The text is worth more than the bar. */
        if (narrow) {
            room += strlen(bar);
            *bar = '\0';
        }
        name = screen_style(SCREEN_BUSY, 13, what);
        printf("\r\033[K  %s %s%s%.*s", name, bar, *bar ? "  " : "", room,
               text);
        screen.moving = true;
    }
    fflush(stdout);
}

char *screen_size(uint64_t bytes)
{
    static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB" };
    double value = bytes;
    unsigned i = 0;

    while (value >= 1024 && i < G_N_ELEMENTS(units) - 1) {
        value /= 1024;
        i++;
    }
    return g_strdup_printf("%.*f %s",
                           value == (uint64_t)value || value >= 100 ? 0 : 1,
                           value, units[i]);
}

char *screen_rate(uint64_t bytes, int64_t time_us)
{
    g_autofree char *size = NULL;

    if (time_us <= 0) {
        return g_strdup("-");
    }
    size = screen_size(bytes * (double)G_USEC_PER_SEC / time_us);
    return g_strdup_printf("%s/s", size);
}

char *screen_time(int64_t time_us)
{
    if (time_us < 1000) {
        return g_strdup_printf("%d us", (int)time_us);
    }
    if (time_us < G_USEC_PER_SEC) {
        return g_strdup_printf("%.*f ms", time_us < 10000 ? 1 : 0,
                               time_us / 1e3);
    }
    return g_strdup_printf("%.2f s", time_us / 1e6);
}

bool screen_parse_size(const char *text, uint64_t *bytes)
{
    static const char letters[] = "KMGT";
    const char *letter;
    char *end;
    uint64_t value;
    unsigned shift = 0;

    errno = 0;
    value = g_ascii_strtoull(text, &end, 10);
    if (!g_ascii_isdigit(*text) || errno) {
        return false;
    }
    if (*end) {
        letter = strchr(letters, g_ascii_toupper(*end));
        if (!letter || end[1]) {
            return false;
        }
        shift = 10 * (letter - letters + 1);
    }
    if (value > UINT64_MAX >> shift) {
        return false;
    }
    *bytes = value << shift;
    return true;
}
