/*
 * Machine code from which the offset of a structure's member is known
 *
 * Owns: the language of the patterns, the search, the table of patterns for
 * QEMU 7.2. Pure: works on any bytes, which the tests make use of.
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
 * Bytes of instructions in one function of QEMU
 *
 * @bytes consists of words: "8b" is that byte, "40/c0" a byte whose bits under
 * the mask 0xc0 are 0x40 (the rest are registers, which the compiler is free
 * to choose), "?" any byte, "@1" and "@4" the offset of the member in that
 * many bytes, and "=" the four bytes of a call of @calls. They must be enough
 * for no instruction with another offset to look the same.
 */
typedef struct CodePattern {
    const char *function;       /* exported function to search in */
    const char *until;          /* end the search at this function, or NULL */
    const char *member;
    uint32_t offset_bytes;      /* the expected offset of the member */
    const char *bytes;
    const char *calls;          /* exported function that "=" calls, or NULL */
} CodePattern;

/* A pattern prepared for the search */
typedef struct CodeBytes {
    uint8_t value[CODE_PATTERN_BYTES_MAX];
    uint8_t mask[CODE_PATTERN_BYTES_MAX];
    size_t length;
    uint32_t offset;            /* expected offset of the member */
    size_t offset_at;           /* index of the offset in the bytes */
    size_t offset_width_bytes;  /* 0: the pattern has no offset */
    size_t call_end;            /* index after the bytes of "="; 0: none */
    const uint8_t *callee;      /* target of the call, set by the caller */
} CodeBytes;

extern const CodePattern code_patterns[];
extern const size_t code_patterns_count;

/**
 * code_compile: Prepare a pattern for the search
 *
 * Returns: false if @pattern is not valid in the language above
 */
bool code_compile(const CodePattern *pattern, CodeBytes *bytes);

/**
 * code_offset_at: The offset in the instructions found at @code
 */
uint32_t code_offset_at(const CodeBytes *bytes, const uint8_t *code);

/**
 * code_take_any_offset: Make @bytes match any offset
 */
void code_take_any_offset(CodeBytes *bytes);

/**
 * code_find: Search for @bytes in @code
 *
 * Returns: the first match, or NULL
 */
const uint8_t *code_find(const CodeBytes *bytes, const uint8_t *code,
                         size_t size_bytes);

#endif /* ATTACH_CODE_PATTERNS_H */
