/*
 * The reason of a refusal, in one line for people
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "refusal.h"

#include <stdarg.h>
#include <stdio.h>

bool refuse(Refusal *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
    return false;
}
