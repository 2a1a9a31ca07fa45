/*
 * The main executable in memory
 *
 * Owns: its segments and its exported symbols. Symbols of libraries, including
 * preloaded ones, are ignored.
 * Locks: none; used while the process starts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_IMAGE_H
#define ATTACH_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* QEMU has 14 segments; an executable with more than this is not a QEMU */
enum { IMAGE_SEGMENTS_MAX = 16 };

typedef struct ImageSegment {
    uintptr_t start;
    uintptr_t end;
    bool executable;
} ImageSegment;

typedef struct Image {
    ImageSegment segments[IMAGE_SEGMENTS_MAX];
    size_t n_segments;
} Image;

/* A symbol that the executable exports */
typedef struct ImageSymbol {
    uint8_t *address;
    size_t size_bytes;
} ImageSymbol;

/**
 * image_find: Find the segments of the main executable
 *
 * Returns: false if there are none or too many
 */
bool image_find(Image *image);

/**
 * image_symbol: Look up a symbol that the main executable itself exports
 *
 * Returns: false if it exports no such symbol; @symbol is then empty
 */
bool image_symbol(const Image *image, const char *name, ImageSymbol *symbol);

/* Is all of [address, address + size_bytes) in one segment? */
bool image_has(const Image *image, const void *address, size_t size_bytes);

/* The same, in an executable segment */
bool image_has_code(const Image *image, const void *address,
                    size_t size_bytes);

/**
 * image_pointer: Read the pointer at @offset_bytes in an object
 *
 * Returns: the pointer; NULL also if its location is not in the executable
 */
const void *image_pointer(const Image *image, const void *object,
                          size_t offset_bytes);

/**
 * image_text: A string constant of the executable
 *
 * Returns: @text, or "" if it is not a terminated string in @image
 */
const char *image_text(const Image *image, const void *text);

#endif /* ATTACH_IMAGE_H */
