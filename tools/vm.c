/*
 * A QEMU process: starting it, connecting to its monitor, ending it
 *
 * Owns: QEMU's command line, the whole guest, and the mapping of its RAM. Does
 * not own: the process (child.c), QMP (qmp.c). Independent of the program that
 * measures or demonstrates something. One thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

#define VM_START_TIMEOUT_MS     30000
#define VM_BIOS_BYTES           65536

/* --- the guest ---------------------------------------------------------- */

bool vm_write_bios(const char *path, bool busy, GError **error)
{
    /*
     * Each round toggles CR4.PSE, which flushes the TLB: QEMU 7.2's TCG does
     * not notice writes through entries that are older than the last sync of
     * the dirty pages, and a migration would lose them.
     */
    static const uint8_t counting[] = {
        0xfa,                               /*      cli                    */
        0x31, 0xc0, 0x8e, 0xd8,             /*      ds = 0                 */
        0x0f, 0x20, 0xe0,                   /* round: eax = cr4            */
        0x66, 0x83, 0xf0, 0x10,             /*      xor eax, PSE           */
        0x0f, 0x22, 0xe0,                   /*      cr4 = eax              */
        0xbb, 0x00, 0x10,                   /*      bx = 0x1000            */
        0x8e, 0xc3, 0x31, 0xff,             /* bank: es = bx, di = 0       */
        0x26, 0xff, 0x05,                   /* word: inc word es:[di]      */
        0x81, 0xc7, 0x00, 0x01,             /*      add di, 256            */
        0x75, 0xf7,                         /*      jnz word               */
        0x81, 0xc3, 0x00, 0x10,             /*      add bx, 0x1000         */
        0x81, 0xfb, 0x00, 0x90,             /*      cmp bx, 0x9000         */
        0x72, 0xe9,                         /*      jb bank                */
        0x66, 0xff, 0x06, 0x00, 0x05,       /*      inc dword [0x500]      */
        0xeb, 0xd5,                         /*      jmp round              */
    };
    static const uint8_t sleeping[] = {
        0xfa, 0xf4, 0xeb, 0xfd,             /* cli; sleep: hlt; jmp sleep  */
    };
    g_autofree uint8_t *image = g_malloc0(VM_BIOS_BYTES);
    /* The processor starts 16 bytes before the end: jmp to the beginning. */
    uint8_t *reset = image + VM_BIOS_BYTES - 16;

    if (busy) {
        memcpy(image, counting, sizeof(counting));
    } else {
        memcpy(image, sleeping, sizeof(sleeping));
    }
    reset[0] = 0xe9;
    reset[1] = 0x0d;
    reset[2] = 0x00;
    return g_file_set_contents(path, (char *)image, VM_BIOS_BYTES, error);
}

/* --- the process -------------------------------------------------------- */

static char *vm_file(const VmConfig *config, const char *suffix)
{
    g_autofree char *name = g_strdup_printf("%s.%s", config->name, suffix);

    return g_build_filename(config->directory, name, NULL);
}

/* With timestamps, as report/trace-log.h requires. */
static void vm_add_traces(GStrvBuilder *argv, const VmConfig *config)
{
    g_autofree char *file = g_strdup_printf("%s.trace", config->name);

    if (!config->traces) {
        return;
    }
    g_strv_builder_add_many(argv, "-msg", "timestamp=on", "-D", file, NULL);
    for (int i = 0; config->traces[i]; i++) {
        g_strv_builder_add_many(argv, "-trace", config->traces[i], NULL);
    }
}

static char **vm_arguments(const VmConfig *config)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *ram =
        g_strdup_printf("memory-backend-file,id=ram0,mem-path=%s.ram,share=on,"
                        "size=%" G_GUINT64_FORMAT, config->name,
                        config->ram_bytes);
    g_autofree char *memory = g_strdup_printf("%" G_GUINT64_FORMAT "B",
                                              config->ram_bytes);
    g_autofree char *qmp = g_strdup_printf("socket,id=qmp0,fd=%d",
                                           CHILD_SOCKET_FD);

    g_strv_builder_add_many(argv, config->program,
                            "-machine", "pc,memory-backend=ram0",
                            "-accel", "tcg", "-object", ram, "-m", memory,
                            "-bios", config->bios,
                            "-nodefaults", "-display", "none", "-vga", "none",
                            "-chardev", qmp,
                            "-mon", "chardev=qmp0,mode=control", NULL);
    if (config->incoming) {
        g_strv_builder_add_many(argv, "-incoming", "defer", NULL);
    }
    if (config->paused) {
        g_strv_builder_add(argv, "-S");
    }
    for (int i = 0; config->devices && config->devices[i]; i++) {
        g_strv_builder_add_many(argv, "-device", config->devices[i], NULL);
    }
    for (int i = 0; config->more && config->more[i]; i++) {
        g_strv_builder_add(argv, config->more[i]);
    }
    vm_add_traces(argv, config);
    return g_strv_builder_end(argv);
}

static bool vm_spawn(Vm *vm, const VmConfig *config, GError **error)
{
    g_auto(GStrv) argv = vm_arguments(config);
    g_autofree char *who = g_strdup_printf("the %s QEMU", config->name);
    g_autofree char *log = vm_file(config, "log");
    ChildConfig child = {
        .name = who, .argv = (const char *const *)argv,
        .envp = config->environment, .directory = config->directory,
        .output = log, .sockets = 1,
    };
    int qmp_fd;

    vm->child = child_start(&child, &qmp_fd, error);
    if (!vm->child) {
        return false;
    }
    vm->qmp = qmp_new(qmp_fd, who, vm->child);
    return true;
}

void vm_end(Vm *vm)
{
    if (!vm) {
        return;
    }
    qmp_free(vm->qmp);
    child_free(vm->child);
    if (vm->ram) {
        munmap(vm->ram, vm->ram_bytes);
    }
    g_free(vm->ram_path);
    g_free(vm);
}

const uint8_t *vm_ram(Vm *vm, GError **error)
{
    int fd;
    void *map;

    if (vm->ram) {
        return vm->ram;
    }
    fd = open(vm->ram_path, O_RDONLY | O_CLOEXEC);
    map = fd < 0 ? MAP_FAILED
                 : mmap(NULL, vm->ram_bytes, PROT_READ, MAP_SHARED, fd, 0);
    if (map == MAP_FAILED) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", vm->ram_path, g_strerror(errno));
    } else {
        vm->ram = map;
    }
    if (fd >= 0) {
        close(fd);
    }
    return vm->ram;
}

Vm *vm_start(const VmConfig *config, GError **error)
{
    g_autoptr(Vm) vm = g_new0(Vm, 1);

    vm->ram_path = vm_file(config, "ram");
    vm->ram_bytes = config->ram_bytes;
    return vm_spawn(vm, config, error) &&
           qmp_begin(vm->qmp, VM_START_TIMEOUT_MS, error)
        ? g_steal_pointer(&vm) : NULL;
}
