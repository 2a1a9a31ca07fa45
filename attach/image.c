/*
 * The main executable in memory
 *
 * Owns: the walk over the loaded segments, looking up exported symbols with
 * their sizes. Not here: what is expected of a symbol (checks.c).
 * Locks: none; used while the process starts.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "image.h"

#include <dlfcn.h>
#include <link.h>
#include <string.h>

/* dl_iterate_phdr() reports the main executable first: stop after it */
static int image_add(struct dl_phdr_info *info, size_t size, void *opaque)
{
    Image *image = opaque;

    for (size_t i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *phdr = &info->dlpi_phdr[i];

        if (phdr->p_type != PT_LOAD) {
            continue;
        }
        if (image->n_segments == IMAGE_SEGMENTS_MAX) {
            image->n_segments = 0;
            return 1;
        }
        image->segments[image->n_segments++] = (ImageSegment) {
            .start = info->dlpi_addr + phdr->p_vaddr,
            .end = info->dlpi_addr + phdr->p_vaddr + phdr->p_memsz,
            .executable = phdr->p_flags & PF_X,
        };
    }
    return 1;
}

bool image_find(Image *image)
{
    image->n_segments = 0;
    dl_iterate_phdr(image_add, image);
    return image->n_segments > 0;
}

static const ImageSegment *image_segment(const Image *image,
                                         const void *address)
{
    uintptr_t at = (uintptr_t)address;

    for (size_t i = 0; i < image->n_segments; i++) {
        if (at >= image->segments[i].start && at < image->segments[i].end) {
            return &image->segments[i];
        }
    }
    return NULL;
}

bool image_has(const Image *image, const void *address, size_t size_bytes)
{
    const ImageSegment *segment = image_segment(image, address);

    return segment && size_bytes <= segment->end - (uintptr_t)address;
}

bool image_has_code(const Image *image, const void *address, size_t size_bytes)
{
    const ImageSegment *segment = image_segment(image, address);

    return segment && segment->executable &&
           size_bytes <= segment->end - (uintptr_t)address;
}

bool image_symbol(const Image *image, const char *name, ImageSymbol *symbol)
{
    void *address = dlsym(RTLD_DEFAULT, name);
    const ElfW(Sym) *entry = NULL;
    Dl_info info;

    *symbol = (ImageSymbol) { 0 };
    if (!address || !image_has(image, address, 1) ||
        !dladdr1(address, &info, (void **)&entry, RTLD_DL_SYMENT) || !entry) {
        return false;
    }
    symbol->address = address;
    symbol->size_bytes = entry->st_size;
    return image_has(image, address, symbol->size_bytes);
}

const void *image_pointer(const Image *image, const void *object,
                          size_t offset_bytes)
{
    const void *place = (const uint8_t *)object + offset_bytes;
    const void *pointer;

    if (!image_has(image, place, sizeof(pointer))) {
        return NULL;
    }
    memcpy(&pointer, place, sizeof(pointer));
    return pointer;
}

const char *image_text(const Image *image, const void *text)
{
    const ImageSegment *segment = image_segment(image, text);

    if (!segment || !memchr(text, '\0', segment->end - (uintptr_t)text)) {
        return "";
    }
    return text;
}
