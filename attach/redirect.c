/*
 * Redirecting functions of the running program
 *
 * Owns: the check of a function's entry, the jump, the protection of its
 * pages. Not here: which functions, and whether they are the ones expected
 * (checks.c). Locks: none, see redirect.h.
 * Source: Intel's manual for the encodings. Interposing the symbol instead
 * does not work, because QEMU calls these functions directly.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "redirect.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

/* A CPU with branch tracking requires this at the targets of indirect calls */
static const uint8_t endbr64[] = { 0xf3, 0x0f, 0x1e, 0xfa };

/* Length of the ModRM byte with its SIB byte and displacement */
static size_t modrm_length(const uint8_t *code)
{
    unsigned mod = code[0] >> 6, rm = code[0] & 7;
    size_t length = 1;

    if (mod != 3 && rm == 4) {
        length++;
    }
    if (mod == 1) {
        length += 1;
    } else if (mod == 2 || (mod == 0 && rm == 5)) {
        length += 4;
    }
    return length;
}

/* Length of the padding instruction at @code, 0 if it is something else */
static size_t padding_length(const uint8_t *code, const uint8_t *limit)
{
    const uint8_t *at = code;

    while (at < limit && (*at == 0x66 || *at == 0x2e)) {
        at++;
    }
    if (at < limit && (*at == 0x90 || (*at == 0xcc && at == code))) {
        return at + 1 - code;
    }
    if (limit - at >= 8 && at[0] == 0x0f && at[1] == 0x1f) {
        return at + 2 + modrm_length(at + 2) - code;
    }
    return 0;
}

/* A jump or a trap at the entry: it has already been redirected */
static bool entry_is_taken(const uint8_t *code)
{
    static const uint8_t absolute[] = { 0x48, 0xb8 };

    return code[0] == 0xe9 || code[0] == 0xeb || code[0] == 0xcc ||
           code[0] == 0x00 || code[0] == 0xf4 ||
           (code[0] == 0xff && (code[1] & 0x30) == 0x20) ||
           (code[0] == 0x0f && code[1] == 0x0b) ||
           !memcmp(code, absolute, sizeof(absolute));
}

bool redirect_check(Redirect *redirect, const uint8_t *limit, Refusal *why)
{
    uint8_t *jump = redirect->entry;
    const uint8_t *end = redirect->entry + redirect->size_bytes;

    if (!redirect->size_bytes || end > limit || limit - jump < 32) {
        return refuse(why, "%s: %zu bytes long at the end of the code",
                      redirect->name, redirect->size_bytes);
    }
    if (!memcmp(jump, endbr64, sizeof(endbr64))) {
        jump += sizeof(endbr64);
    }
    if (entry_is_taken(jump)) {
        return refuse(why, "%s: starts with %02x %02x, a jump or a trap; a "
                      "function's first instruction was expected",
                      redirect->name, jump[0], jump[1]);
    }
    while (end < jump + REDIRECT_JUMP_BYTES) {
        size_t length = padding_length(end, limit);

        if (!length) {
            return refuse(why, "%s: room for %td bytes, %d are needed",
                          redirect->name, end - jump, REDIRECT_JUMP_BYTES);
        }
        end += length;
    }
    redirect->jump = jump;
    return true;
}

/* Set the protection of the jump's pages to @protection */
static bool redirect_protect(const Redirect *redirect, int protection)
{
    uintptr_t page_bytes = sysconf(_SC_PAGESIZE);
    uintptr_t start = (uintptr_t)redirect->jump & -page_bytes;
    uintptr_t end = (uintptr_t)redirect->jump + REDIRECT_JUMP_BYTES;

    return mprotect((void *)start, end - start, protection) == 0;
}

/*
 * Write @bytes over the entry. If the pages cannot be made executable again,
 * the program has lost part of its code and cannot continue.
 */
static bool redirect_write(Redirect *redirect, const uint8_t *bytes,
                           Refusal *why)
{
    if (!redirect_protect(redirect, PROT_READ | PROT_WRITE)) {
        refuse(why, "%s: its code cannot be made writable: %s",
               redirect->name, strerror(errno));
        redirect_protect(redirect, PROT_READ | PROT_EXEC);
        return false;
    }
    memcpy(redirect->jump, bytes, REDIRECT_JUMP_BYTES);
    if (!redirect_protect(redirect, PROT_READ | PROT_EXEC)) {
        fprintf(stderr, "vfio-migration: %s: its code cannot be made "
                "executable again: %s\n", redirect->name, strerror(errno));
        abort();
    }
    return true;
}

static void redirect_encode(const void *target, uint8_t *bytes)
{
    bytes[0] = 0x48;
    bytes[1] = 0xb8;
    memcpy(bytes + 2, &target, sizeof(target));
    bytes[10] = 0xff;
    bytes[11] = 0xe0;
}

bool redirect_all(Redirect *redirects, size_t count, Refusal *why)
{
    uint8_t bytes[REDIRECT_JUMP_BYTES];

    for (size_t i = 0; i < count; i++) {
        Redirect *redirect = &redirects[i];

        memcpy(redirect->saved, redirect->jump, REDIRECT_JUMP_BYTES);
        redirect_encode(redirect->target, bytes);
        if (!redirect_write(redirect, bytes, why)) {
            redirect_undo(redirects, i);
            return false;
        }
        redirect->done = true;
    }
    return true;
}

void redirect_undo(Redirect *redirects, size_t count)
{
    Refusal ignored;

    for (size_t i = count; i-- > 0;) {
        if (redirects[i].done) {
            redirect_write(&redirects[i], redirects[i].saved, &ignored);
            redirects[i].done = false;
        }
    }
}
