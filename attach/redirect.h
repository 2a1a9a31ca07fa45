/*
 * Functions of the running program, replaced by others
 *
 * Owns: what a function's entry must look like, the jump that is put there,
 * and putting the old bytes back. x86-64 only.
 * Locks: none. Call it while no other thread can be in the functions or on
 * their pages: a page is not executable for the moment of the write.
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
    uint8_t *jump;              /* where the jump goes, set by the check */
    uint8_t saved[REDIRECT_JUMP_BYTES];
    bool done;
} Redirect;

/**
 * redirect_check: Can a jump be put at this function's entry?
 * @redirect: name, entry and size_bytes are read; jump is set
 * @limit: end of the segment that the function is in
 * @why: what was found where it cannot
 *
 * The function itself and the padding behind it have to have the room, and
 * the entry must not have been redirected by somebody else.
 */
bool redirect_check(Redirect *redirect, const uint8_t *limit, Refusal *why);

/**
 * redirect_all: Put all the jumps in place, or none
 * @redirects: each passed redirect_check() and has a target
 * @why: which one failed and how; the others have their old bytes again
 *
 * Never has a page writable and executable at once.
 */
bool redirect_all(Redirect *redirects, size_t count, Refusal *why);

/* Put the old bytes back wherever a jump stands */
void redirect_undo(Redirect *redirects, size_t count);

#endif /* ATTACH_REDIRECT_H */
