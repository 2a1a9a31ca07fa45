/*
 * Modifying an executable file, for tests
 *
 * Owns: see elf-file.h. The file is the tests' own copy of a QEMU that runs
 * on this machine, so an invalid file ends the test with an assertion.
 * Locks: none.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "elf-file.h"

#include <string.h>
#include <sys/stat.h>

ElfFile *elf_file_load(const char *path)
{
    g_autoptr(GError) error = NULL;
    ElfFile *file = g_new0(ElfFile, 1);

    g_file_get_contents(path, (char **)&file->data, &file->size_bytes, &error);
    g_assert_no_error(error);
    g_assert_cmpuint(file->size_bytes, >, sizeof(Elf64_Ehdr));
    g_assert_cmpmem(file->data, SELFMAG, ELFMAG, SELFMAG);
    g_assert_cmpint(file->data[EI_CLASS], ==, ELFCLASS64);
    return file;
}

void elf_file_free(ElfFile *file)
{
    g_free(file->data);
    g_free(file);
}

void elf_file_save(const ElfFile *file, const char *path)
{
    g_autoptr(GError) error = NULL;

    g_file_set_contents_full(path, (char *)file->data, file->size_bytes,
                             G_FILE_SET_CONTENTS_NONE, 0755, &error);
    g_assert_no_error(error);
}

static const Elf64_Ehdr *elf_header(const ElfFile *file)
{
    return (const Elf64_Ehdr *)file->data;
}

static Elf64_Shdr *elf_section(const ElfFile *file, unsigned i)
{
    g_assert_cmpuint(i, <, elf_header(file)->e_shnum);
    return (Elf64_Shdr *)(file->data + elf_header(file)->e_shoff) + i;
}

static Elf64_Shdr *elf_section_of_type(const ElfFile *file, uint32_t type)
{
    for (unsigned i = 0; i < elf_header(file)->e_shnum; i++) {
        if (elf_section(file, i)->sh_type == type) {
            return elf_section(file, i);
        }
    }
    g_assert_not_reached();
}

char *elf_file_name(const ElfFile *file, const Elf64_Sym *symbol)
{
    Elf64_Shdr *symbols = elf_section_of_type(file, SHT_DYNSYM);

    return (char *)file->data + elf_section(file, symbols->sh_link)->sh_offset
           + symbol->st_name;
}

Elf64_Sym *elf_file_symbol(const ElfFile *file, const char *name)
{
    Elf64_Shdr *section = elf_section_of_type(file, SHT_DYNSYM);
    Elf64_Sym *symbols = (Elf64_Sym *)(file->data + section->sh_offset);

    for (size_t i = 0; i < section->sh_size / sizeof(symbols[0]); i++) {
        if (!strcmp(elf_file_name(file, &symbols[i]), name)) {
            return &symbols[i];
        }
    }
    g_error("the file exports no %s", name);
}

uint8_t *elf_file_at(const ElfFile *file, uint64_t address)
{
    const Elf64_Phdr *segments =
        (const Elf64_Phdr *)(file->data + elf_header(file)->e_phoff);

    for (unsigned i = 0; i < elf_header(file)->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD && address >= segments[i].p_vaddr &&
            address - segments[i].p_vaddr < segments[i].p_filesz) {
            return file->data + segments[i].p_offset +
                   (address - segments[i].p_vaddr);
        }
    }
    g_error("the file has nothing for address 0x%" G_GINT64_MODIFIER "x",
            address);
}

uint64_t elf_file_address(const ElfFile *file, const void *place)
{
    const Elf64_Phdr *segments =
        (const Elf64_Phdr *)(file->data + elf_header(file)->e_phoff);
    uint64_t offset = (const uint8_t *)place - file->data;

    for (unsigned i = 0; i < elf_header(file)->e_phnum; i++) {
        if (segments[i].p_type == PT_LOAD && offset >= segments[i].p_offset &&
            offset - segments[i].p_offset < segments[i].p_filesz) {
            return segments[i].p_vaddr + (offset - segments[i].p_offset);
        }
    }
    g_assert_not_reached();
}

static Elf64_Rela *elf_relocations(const ElfFile *file, size_t *count)
{
    Elf64_Shdr *section = elf_section_of_type(file, SHT_RELA);

    *count = section->sh_size / sizeof(Elf64_Rela);
    return (Elf64_Rela *)(file->data + section->sh_offset);
}

Elf64_Rela *elf_file_relocation(const ElfFile *file, uint64_t address)
{
    size_t count;
    Elf64_Rela *relocations = elf_relocations(file, &count);

    for (size_t i = 0; i < count; i++) {
        if (relocations[i].r_offset == address) {
            return &relocations[i];
        }
    }
    g_error("the file has no relocation at 0x%" G_GINT64_MODIFIER "x",
            address);
}

uint64_t elf_file_pointer_to(const ElfFile *file, uint64_t address,
                             uint64_t after_address)
{
    size_t count;
    Elf64_Rela *relocations = elf_relocations(file, &count);

    for (size_t i = 0; i < count; i++) {
        if (ELF64_R_TYPE(relocations[i].r_info) == R_X86_64_RELATIVE &&
            (uint64_t)relocations[i].r_addend == address &&
            relocations[i].r_offset > after_address) {
            return relocations[i].r_offset;
        }
    }
    return 0;
}

char *elf_file_text(const ElfFile *file, const char *text)
{
    gsize length = strlen(text) + 1;

    for (uint8_t *at = file->data + 1;
         (at = memchr(at, text[0], file->data + file->size_bytes - at));
         at++) {
        if (at + length <= file->data + file->size_bytes && !at[-1] &&
            !memcmp(at, text, length)) {
            return (char *)at;
        }
    }
    return NULL;
}
