/*
 * The reason of a refusal, in one line for people
 *
 * Owns: a text of bounded length. The loader uses neither Error nor glib: it
 * must be loadable into any process, which may have neither.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_REFUSAL_H
#define ATTACH_REFUSAL_H

#include <stdbool.h>

typedef struct Refusal {
    char text[512];
} Refusal;

/**
 * refuse: Store the reason of a failure
 * @why: set to the text, which is truncated if it is too long
 * @format: "what was found, what was expected", no newline
 *
 * Returns: false, always, so that a check can return it
 */
bool refuse(Refusal *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

#endif /* ATTACH_REFUSAL_H */
