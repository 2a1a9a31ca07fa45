/*
 * An executable as a file, to be changed: for tests
 *
 * Owns: finding a symbol, an address, a relocation in the file, and writing
 * the changed file. Only 64-bit, little-endian, as attach is.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#ifndef ATTACH_ELF_FILE_H
#define ATTACH_ELF_FILE_H

#include <elf.h>
#include <glib.h>

typedef struct ElfFile {
    uint8_t *data;
    gsize size_bytes;
} ElfFile;

/* elf_file_load: read @path; ends the test where that fails */
ElfFile *elf_file_load(const char *path);
void elf_file_free(ElfFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ElfFile, elf_file_free)

/* elf_file_save: write it to @path, executable */
void elf_file_save(const ElfFile *file, const char *path);

/* elf_file_symbol: the entry of @name in the dynamic symbol table */
Elf64_Sym *elf_file_symbol(const ElfFile *file, const char *name);

/* elf_file_name: the characters of a dynamic symbol's name */
char *elf_file_name(const ElfFile *file, const Elf64_Sym *symbol);

/* elf_file_at: what the file has for @address, which must be in it */
uint8_t *elf_file_at(const ElfFile *file, uint64_t address);

/* elf_file_address: the reverse; @place is in the file's data */
uint64_t elf_file_address(const ElfFile *file, const void *place);

/* elf_file_relocation: the relocation of the pointer at @address */
Elf64_Rela *elf_file_relocation(const ElfFile *file, uint64_t address);

/* elf_file_pointer_to: address of the first pointer to @address after
 * @after_address, 0 where there is none */
uint64_t elf_file_pointer_to(const ElfFile *file, uint64_t address,
                             uint64_t after_address);

/* elf_file_text: place of a whole string constant, NULL where absent */
char *elf_file_text(const ElfFile *file, const char *text);

#endif /* ATTACH_ELF_FILE_H */
