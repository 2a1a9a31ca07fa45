/*
 * A QEMU process of ours: start, talk to over QMP, end
 *
 * Owns: the process, its QMP connection (a socket pair, so that no path can
 * be too long or taken; what is said over it is qmp.c's), its log and the
 * mapping of its RAM. Does not know what is being measured or shown. One
 * thread, no locks.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

#define VM_START_TIMEOUT_MS     30000
#define VM_BIOS_BYTES           65536
/* Descriptor that QEMU finds its QMP socket at. */
#define VM_QMP_FD                   3

struct Vm {
    char *name;
    char *log_path;
    char *ram_path;
    uint64_t ram_bytes;
    uint8_t *ram;
    GPid pid;
    Qmp *qmp;
    bool ended;
};

/* --- the guest ---------------------------------------------------------- */

bool vm_write_bios(const char *path, bool busy, GError **error)
{
    /*
     * Each round flips CR4.PSE, which empties the TLB: QEMU 7.2's TCG does
     * not see writes through entries that are older than its last look at
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

static void vm_child_setup(void *opaque)
{
    pid_t parent = GPOINTER_TO_INT(opaque);

    /* Ctrl-C is for us: we end QEMU ourselves, after looking at it. */
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) {
        _exit(1);
    }
}

/* With times, for report/trace-log.h. */
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

static char **vm_arguments(const VmConfig *config, const char *ram_file)
{
    g_autoptr(GStrvBuilder) argv = g_strv_builder_new();
    g_autofree char *ram =
        g_strdup_printf("memory-backend-file,id=ram0,mem-path=%s,share=on,"
                        "size=%" G_GUINT64_FORMAT, ram_file,
                        config->ram_bytes);
    g_autofree char *memory = g_strdup_printf("%" G_GUINT64_FORMAT "B",
                                              config->ram_bytes);
    g_autofree char *qmp = g_strdup_printf("socket,id=qmp0,fd=%d", VM_QMP_FD);

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

static char **vm_environment(const VmConfig *config)
{
    char **envp = g_get_environ();

    for (int i = 0; config->environment && config->environment[i]; i++) {
        g_auto(GStrv) pair = g_strsplit(config->environment[i], "=", 2);

        envp = g_environ_setenv(envp, pair[0], pair[1], true);
    }
    return envp;
}

static bool vm_spawn(Vm *vm, const VmConfig *config, GError **error)
{
    g_autofree char *ram_file = g_strdup_printf("%s.ram", config->name);
    g_auto(GStrv) argv = vm_arguments(config, ram_file);
    g_auto(GStrv) envp = vm_environment(config);
    g_autofree char *qmp_name = g_strdup_printf("the %s QEMU", vm->name);
    int sockets[2], target_fd = VM_QMP_FD, log_fd;
    bool done;

    log_fd = open(vm->log_path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (log_fd < 0 ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets)) {
        g_set_error(error, G_FILE_ERROR, g_file_error_from_errno(errno),
                    "%s: %s", vm->log_path, g_strerror(errno));
        if (log_fd >= 0) {
            close(log_fd);
        }
        return false;
    }
    vm->qmp = qmp_new(sockets[0], qmp_name);
    done = g_spawn_async_with_pipes_and_fds(
        config->directory, (const char *const *)argv,
        (const char *const *)envp, G_SPAWN_DO_NOT_REAP_CHILD,
        vm_child_setup, GINT_TO_POINTER(getpid()), -1, log_fd, log_fd,
        &sockets[1], &target_fd, 1, &vm->pid, NULL, NULL, NULL, error);
    close(sockets[1]);
    close(log_fd);
    if (!done) {
        vm->pid = 0;
    }
    return done;
}

char *vm_log(const Vm *vm)
{
    char *text = NULL;

    if (!g_file_get_contents(vm->log_path, &text, NULL, NULL)) {
        return g_strdup("");
    }
    return g_strstrip(text);
}

/* Names the way a process ended, with what it said last. */
static void vm_set_ended(Vm *vm, GError **error)
{
    g_autofree char *log = vm_log(vm);
    g_autofree char *how = NULL;
    int status = 0;
    pid_t reaped = 0;

    /* The socket closes a moment before the process is gone. */
    for (int i = 0; i < 100 && reaped == 0 && !vm->ended; i++) {
        reaped = waitpid(vm->pid, &status, WNOHANG);
        if (reaped == 0) {
            g_usleep(10000);
        }
    }
    if (reaped > 0) {
        vm->ended = true;
        how = WIFSIGNALED(status)
            ? g_strdup_printf("was ended by signal %d (%s)", WTERMSIG(status),
                              g_strsignal(WTERMSIG(status)))
            : g_strdup_printf("ended with exit status %d",
                              WEXITSTATUS(status));
    }
    g_set_error(error, QMP_ERROR, QMP_ERROR_ENDED, "the %s QEMU %s%s%s",
                vm->name, how ? how : "closed its QMP connection",
                *log ? ". It said:\n" : " without a word", log);
}

void vm_end(Vm *vm)
{
    if (!vm) {
        return;
    }
    if (vm->pid && !vm->ended) {
        kill(vm->pid, SIGKILL);
        while (waitpid(vm->pid, NULL, 0) < 0 && errno == EINTR) {
            continue;
        }
    }
    if (vm->ram) {
        munmap(vm->ram, vm->ram_bytes);
    }
    qmp_free(vm->qmp);
    g_free(vm->name);
    g_free(vm->log_path);
    g_free(vm->ram_path);
    g_free(vm);
}

GPid vm_pid(const Vm *vm)
{
    return vm->pid;
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

/* --- QMP ---------------------------------------------------------------- */

/* Who closes the connection has mostly ended, and has said why. */
static bool vm_explain(Vm *vm, GError *cause, GError **error)
{
    if (g_error_matches(cause, QMP_ERROR, QMP_ERROR_ENDED)) {
        g_error_free(cause);
        vm_set_ended(vm, error);
    } else {
        g_propagate_error(error, cause);
    }
    return false;
}

JsonNode *vm_execute(Vm *vm, const char *command, GVariant *arguments,
                     GError **error)
{
    GError *cause = NULL;
    JsonNode *reply = qmp_execute(vm->qmp, command, arguments, &cause);

    if (!reply) {
        vm_explain(vm, cause, error);
    }
    return reply;
}

bool vm_run(Vm *vm, const char *command, GVariant *arguments, GError **error)
{
    g_autoptr(JsonNode) reply = vm_execute(vm, command, arguments, error);

    return reply != NULL;
}

bool vm_query(Vm *vm, const char *command, GError **error)
{
    GError *cause = NULL;

    return qmp_query(vm->qmp, command, NULL, &cause) ||
           vm_explain(vm, cause, error);
}

bool vm_query_is_open(const Vm *vm)
{
    return qmp_query_is_open(vm->qmp);
}

JsonNode *vm_take_reply(Vm *vm)
{
    return qmp_take_reply(vm->qmp, NULL);
}

bool vm_pump(Vm *vm, int timeout_ms, GError **error)
{
    GError *cause = NULL;

    return qmp_pump(vm->qmp, timeout_ms, &cause) ||
           vm_explain(vm, cause, error);
}

int64_t vm_event_us(const Vm *vm, const char *event, const char *status)
{
    return qmp_event_us(vm->qmp, event, status);
}

bool vm_wait_event(Vm *vm, const char *event, const char *status,
                   int timeout_ms, GError **error)
{
    GError *cause = NULL;

    return qmp_wait_event(vm->qmp, event, status, timeout_ms, &cause) ||
           vm_explain(vm, cause, error);
}

Vm *vm_start(const VmConfig *config, GError **error)
{
    g_autoptr(Vm) vm = g_new0(Vm, 1);
    g_autofree char *log_file = g_strdup_printf("%s.log", config->name);
    g_autofree char *ram_file = g_strdup_printf("%s.ram", config->name);
    GError *cause = NULL;

    vm->name = g_strdup(config->name);
    vm->log_path = g_build_filename(config->directory, log_file, NULL);
    vm->ram_path = g_build_filename(config->directory, ram_file, NULL);
    vm->ram_bytes = config->ram_bytes;
    if (!vm_spawn(vm, config, error)) {
        return NULL;
    }
    if (!qmp_begin(vm->qmp, VM_START_TIMEOUT_MS, &cause)) {
        vm_explain(vm, cause, error);
        return NULL;
    }
    return g_steal_pointer(&vm);
}
