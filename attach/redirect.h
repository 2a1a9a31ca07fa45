/*
 * Redirecting functions of the running program
 *
 * Owns: the requirements on a function's entry, the jump that is put there,
 * and restoring the original bytes. x86-64 only.
 * Locks: none. Call it while no other thread can be in the functions or on
 * their pages: a page is not executable while it is being written.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_REDIRECT_H
#define ATTACH_REDIRECT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "refusal.h"

/* movabs $target, %rax; jmp *%rax */
enum { REDIRECT_JUMP_BYTES = 12 };

typedef struct Redirect {
    const char *name;           /* for messages */
    uint8_t *entry;
    size_t size_bytes;          /* of the function, without its padding */
    const void *target;
    uint8_t *jump;              /* address for the jump, set by the check */
    uint8_t saved[REDIRECT_JUMP_BYTES];
    bool done;
} Redirect;

/**
 * redirect_check: Can a jump be put at this function's entry?
 * @redirect: name, entry and size_bytes are read; jump is set
 * @limit: end of the segment that contains the function
 * @why: set to the reason if it cannot
 *
 * There must be room in the function and the padding after it, and nobody
 * else may have redirected the entry.
 */
bool redirect_check(Redirect *redirect, const uint8_t *limit, Refusal *why);

/**
 * redirect_all: Put all jumps in place, or none
 * @redirects: each has passed redirect_check() and has a target
 * @why: set to the reason of a failure; the others are restored then
 *
 * No page is ever writable and executable at the same time.
 */
bool redirect_all(Redirect *redirects, size_t count, Refusal *why);

/* redirect_undo: Restore the original bytes wherever a jump is in place */
void redirect_undo(Redirect *redirects, size_t count);

#endif /* ATTACH_REDIRECT_H */
