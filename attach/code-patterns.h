/*
 * Machine code that shows where a member of a structure lies
 *
 * Owns: the language of the patterns, the search, the table of patterns for
 * QEMU 7.2. Pure: works on any bytes, which the tests use.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_CODE_PATTERNS_H
#define ATTACH_CODE_PATTERNS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { CODE_PATTERN_BYTES_MAX = 40 };

/*
 * Bytes of instructions as they stand in one function of QEMU.
 *
 * @bytes is made of words: "8b" is that byte, "40/c0" a byte whose bits under
 * mask 0xc0 are 0x40 (the rest names registers, which a compiler chooses as
 * it likes), "?" any byte, "@1" and "@4" the offset of the member in that
 * many bytes, and "=" the four bytes of a call that lead to @calls. Enough of
 * them that no instruction with another offset looks the same.
 */
typedef struct CodePattern {
    const char *function;       /* exported function to search in */
    const char *until;          /* search on up to this one, or NULL */
    const char *member;
    uint32_t offset_bytes;      /* where the member has to be */
    const char *bytes;
    const char *calls;          /* exported function that "=" calls, or NULL */
} CodePattern;

/* A pattern made ready for the search */
typedef struct CodeBytes {
    uint8_t value[CODE_PATTERN_BYTES_MAX];
    uint8_t mask[CODE_PATTERN_BYTES_MAX];
    size_t length;
    uint32_t offset;            /* of the member, as it has to be */
    size_t offset_at;           /* where that stands in the bytes */
    size_t offset_width_bytes;  /* 0: not at all */
    size_t call_end;            /* index behind what "=" stands for; 0: none */
    const uint8_t *callee;      /* where it has to lead; whoever searches */
} CodeBytes;                    /* sets it */

extern const CodePattern code_patterns[];
extern const size_t code_patterns_count;

/**
 * code_compile: Make a pattern ready for the search
 *
 * Returns: false where @pattern is not written in the language above
 */
bool code_compile(const CodePattern *pattern, CodeBytes *bytes);

/**
 * code_offset_at: The offset in the instructions that were found at @code
 */
uint32_t code_offset_at(const CodeBytes *bytes, const uint8_t *code);

/**
 * code_take_any_offset: Let @bytes match whatever the offset is
 */
void code_take_any_offset(CodeBytes *bytes);

/**
 * code_find: Search for @bytes in @code
 *
 * Returns: the first place where they stand, or NULL
 */
const uint8_t *code_find(const CodeBytes *bytes, const uint8_t *code,
                         size_t size_bytes);

#endif /* ATTACH_CODE_PATTERNS_H */
