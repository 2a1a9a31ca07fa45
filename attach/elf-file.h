/*
 * Modifying an executable file, for tests
 *
 * Owns: finding a symbol, an address or a relocation in the file, and writing
 * the modified file. Only 64-bit little-endian, like attach.
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

/* elf_file_load: read @path; ends the test if that fails */
ElfFile *elf_file_load(const char *path);
/* elf_file_free: free it, without saving */
void elf_file_free(ElfFile *file);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(ElfFile, elf_file_free)

/* elf_file_save: write it to @path, executable */
void elf_file_save(const ElfFile *file, const char *path);

/* elf_file_symbol: the entry of @name in the dynamic symbol table */
Elf64_Sym *elf_file_symbol(const ElfFile *file, const char *name);

/* elf_file_name: the name of a dynamic symbol, in the file's data */
char *elf_file_name(const ElfFile *file, const Elf64_Sym *symbol);

/* elf_file_at: the file's data for @address, which must be in the file */
uint8_t *elf_file_at(const ElfFile *file, uint64_t address);

/* elf_file_address: the reverse of elf_file_at() */
uint64_t elf_file_address(const ElfFile *file, const void *place);

/* elf_file_relocation: the relocation of the pointer at @address */
Elf64_Rela *elf_file_relocation(const ElfFile *file, uint64_t address);

/* elf_file_pointer_to: address of the first pointer to @address after
 * @after_address, 0 if there is none */
uint64_t elf_file_pointer_to(const ElfFile *file, uint64_t address,
                             uint64_t after_address);

/* elf_file_text: a string constant equal to @text, NULL if there is none */
char *elf_file_text(const ElfFile *file, const char *text);

#endif /* ATTACH_ELF_FILE_H */
