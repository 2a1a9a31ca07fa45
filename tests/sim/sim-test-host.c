/*
 * Tests of the simulated device: everything around the migration region
 *
 * Owns: containers and groups with the kernel's errors, PCI config space and
 * interrupts, status, transcript, the directories that replace sysfs, forked
 * children. Does not own: guest memory (sim-test-memory.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <linux/pci_regs.h>
#include <linux/vfio.h>
#include <glib/gstdio.h>

#include "sim-test.h"

/* ------------------------------------------------------------------------ */
/* Containers and groups                                                    */

static void test_order(void)
{
    struct vfio_group_status status = { .argsz = sizeof(status) };
    struct vfio_iommu_type1_info info = { .argsz = sizeof(info) };
    int container, group, fd = -1;

    sim_test_configure("[device dev]\ngroup=1\n[device two]\ngroup=1\n"
                       "[device far]\ngroup=2\n");
    g_assert_cmpint(result(open("/dev/vfio/3", O_RDWR)), ==, -ENOENT);
    g_assert_cmpint(result(open("/dev/vfio/x", O_RDWR)), ==, -ENOENT);
    container = open("/dev/vfio/vfio", O_RDWR);
    group = open("/dev/vfio/1", O_RDWR);
    g_assert_cmpint(result(open("/dev/vfio/1", O_RDWR)), ==, -EBUSY);
    g_assert_cmpint(ioctl(container, VFIO_CHECK_EXTENSION, VFIO_TYPE1_IOMMU),
                    ==, 1);
    g_assert_cmpint(ioctl(container, VFIO_CHECK_EXTENSION, 99), ==, 0);
    g_assert_cmpint(result(ioctl(container, VFIO_SET_IOMMU,
                                 VFIO_TYPE1v2_IOMMU)), ==, -EINVAL);
    g_assert_cmpint(result(ioctl(container, VFIO_IOMMU_GET_INFO, &info)), ==,
                    -EINVAL);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "dev")),
                    ==, -EINVAL);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_UNSET_CONTAINER)), ==,
                    -EINVAL);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_SET_CONTAINER, &fd)), ==,
                    -EINVAL);
    g_assert_cmpint(ioctl(group, VFIO_GROUP_SET_CONTAINER, &container), ==,
                    0);
    g_assert_cmpint(ioctl(group, VFIO_GROUP_GET_STATUS, &status), ==, 0);
    g_assert_cmpuint(status.flags, ==, VFIO_GROUP_FLAGS_VIABLE |
                     VFIO_GROUP_FLAGS_CONTAINER_SET);
    g_assert_cmpint(ioctl(container, VFIO_SET_IOMMU, VFIO_TYPE1v2_IOMMU), ==,
                    0);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "far")),
                    ==, -ENODEV);
    fd = ioctl(group, VFIO_GROUP_GET_DEVICE_FD, "two");
    g_assert_cmpint(fd, >=, 0);
    g_assert_cmpint(result(ioctl(group, VFIO_GROUP_UNSET_CONTAINER)), ==,
                    -EBUSY);
    close(fd);
    g_assert_cmpint(ioctl(group, VFIO_GROUP_UNSET_CONTAINER), ==, 0);
    close(group);
    group = open("/dev/vfio/1", O_RDWR);
    g_assert_cmpint(group, >=, 0);
    close(group);
    close(container);
}

/* Each kind of file rejects the requests of the others. */
static void test_kinds(void)
{
    struct vfio_region_info info = { .argsz = sizeof(info) };
    SimClient *c = sim_test_open("", "");

    g_assert_cmpint(result(ioctl(c->container, VFIO_DEVICE_GET_REGION_INFO,
                                 &info)), ==, -ENOTTY);
    g_assert_cmpint(result(ioctl(c->group, VFIO_DEVICE_RESET)), ==, -ENOTTY);
    g_assert_cmpint(result(ioctl(c->device, VFIO_IOMMU_GET_INFO, &info)), ==,
                    -ENOTTY);
    g_assert_cmpint(result(pread(c->group, &info, 4, 0)), ==, -EINVAL);
    g_assert_true(mmap(NULL, PAGE, PROT_READ, MAP_SHARED, c->group, 0) ==
                  MAP_FAILED);
    client_close(c);
}

static void test_two_devices(void)
{
    SimClient *a, *b;
    int second;
    uint32_t state;

    sim_test_configure("[device a]\ngroup=1\n[device a2]\ngroup=1\n"
                       "[device b]\ngroup=2\n");
    a = client_open("a", 1);
    b = client_open("b", 2);
    second = ioctl(a->group, VFIO_GROUP_GET_DEVICE_FD, "a2");
    g_assert_cmpint(second, >=, 0);
    g_assert_cmpint(client_set_state(a, PRE_COPY), ==, 0);
    g_assert_cmpint(client_read_state(b, &state), ==, 0);
    g_assert_cmpuint(state, ==, RUNNING);
    g_assert_cmpuint(client_status("a2").device_state, ==, RUNNING);
    g_assert_cmpuint(client_status("a").device_state, ==, PRE_COPY);
    close(second);
    client_close(a);
    client_close(b);
    /* After it is opened again, it is in its initial state. */
    a = client_open("a", 1);
    g_assert_cmpuint(client_status("a").device_state, ==, RUNNING);
    client_close(a);
}

static void test_fork(void)
{
    SimClient *c = sim_test_open("", "");
    uint32_t state;
    pid_t child;
    int wstatus;

    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    child = fork();
    if (child == 0) {
        _exit(close(c->device) == 0 && close(c->container) == 0 ? 0 : 1);
    }
    g_assert_cmpint(waitpid(child, &wstatus, 0), ==, child);
    g_assert_cmpint(wstatus, ==, 0);
    g_assert_cmpint(client_read_state(c, &state), ==, 0);
    g_assert_cmpuint(state, ==, PRE_COPY);
    client_close(c);
}

/* A container accepts only groups behind one IOMMU: 1 and 2, not 3 and 4. */
static void test_iommus(void)
{
    SimClient *c = sim_test_open("", "[device b]\ngroup=2\n"
        "[device c]\ngroup=3\niommu=1\n[device d]\ngroup=4\ndirty-tracking=no");

    for (unsigned number = 2; number <= 4; number++) {
        g_autofree char *path = g_strdup_printf("/dev/vfio/%u", number);
        int group = open(path, O_RDWR);
        int ret = ioctl(group, VFIO_GROUP_SET_CONTAINER, &c->container);

        g_assert_cmpint(result(ret), ==, number == 2 ? 0 : -EINVAL);
        close(group);
    }
    client_close(c);
}

static void test_switches(void)
{
    struct vfio_device_info dev = { .argsz = sizeof(dev) };
    struct vfio_region_info info = { .argsz = sizeof(info), .index = 9 };
    SimClient *c = sim_test_open("dirty-tracking=no", "migration=no\nreset=no");
    struct vfio_iommu_type1_dirty_bitmap start = {
        .argsz = sizeof(start), .flags = VFIO_IOMMU_DIRTY_PAGES_FLAG_START
    };

    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_GET_INFO, &dev), ==, 0);
    g_assert_cmpuint(dev.num_regions, ==, VFIO_PCI_NUM_REGIONS);
    g_assert_cmpuint(dev.flags, ==, VFIO_DEVICE_FLAGS_PCI);
    g_assert_cmpint(result(ioctl(c->device, VFIO_DEVICE_RESET)), ==, -EINVAL);
    g_assert_cmpint(result(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO,
                                 &info)), ==, -EINVAL);
    g_assert_cmpint(result(ioctl(c->container, VFIO_IOMMU_DIRTY_PAGES,
                                 &start)), ==, -ENOTTY);
    client_close(c);
    c = sim_test_open("", "migration=zero-size");
    g_assert_cmpuint(c->region_size, ==, 0);
    g_assert_cmpuint(c->region, !=, 0);
    client_close(c);
    c = sim_test_open("", "migration=info-error");
    g_assert_cmpuint(c->region, ==, 0);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* PCI                                                                      */

/* Read @len bytes; must succeed. */
static void config_read(SimClient *c, unsigned at, void *buf, size_t len)
{
    g_assert_cmpint(client_config(c, false, at, buf, len), ==, len);
}

static void config_write(SimClient *c, unsigned at, const void *buf,
                         size_t len)
{
    g_assert_cmpint(client_config(c, true, at, (void *)buf, len), ==, len);
}

static void test_config_space(void)
{
    uint32_t ones = UINT32_MAX, value = 0;
    uint8_t all[256], next;
    unsigned caps = 0;
    SimClient *c = sim_test_open("", "vendor-id=0x1234\nbar0-size=128K");

    config_read(c, 0, all, sizeof(all));
    g_assert_cmpuint(all[0] | all[1] << 8, ==, 0x1234);
    g_assert_cmpint(client_config(c, false, 256, all, 1), ==, -1);
    config_write(c, PCI_BASE_ADDRESS_0, &ones, 4);
    config_read(c, PCI_BASE_ADDRESS_0, &value, 4);
    g_assert_cmphex(value, ==, 0xfffe0004);
    config_write(c, PCI_VENDOR_ID, &ones, 4);
    config_read(c, 0, &value, 2);
    g_assert_cmphex(value & 0xffff, ==, 0x1234);
    for (next = all[PCI_CAPABILITY_LIST]; next; next = all[next + 1]) {
        caps |= 1u << all[next];
    }
    g_assert_cmphex(caps, ==, 1u << PCI_CAP_ID_PM | 1u << PCI_CAP_ID_MSIX);
    client_close(c);
}

/* A reset restores the bytes given in the configuration. */
static void test_config_given(void)
{
    uint8_t all[256];
    SimClient *c = sim_test_open("", "config=0x08:02 000a03;0xc0:09 00 04 77");
    uint16_t command = PCI_COMMAND_MASTER;

    for (unsigned i = 0; i < 2; i++) {
        config_read(c, 0, all, sizeof(all));
        g_assert_cmphex(all[PCI_REVISION_ID], ==, 0x02);
        g_assert_cmphex(all[PCI_CLASS_DEVICE + 1], ==, 0x03);
        g_assert_cmphex(all[PCI_CLASS_DEVICE], ==, 0x0a);
        g_assert_cmphex(all[PCI_COMMAND], ==, 0);
        g_assert_cmphex(all[0xc0], ==, PCI_CAP_ID_VNDR);
        g_assert_cmphex(all[0xc3], ==, 0x77);
        g_assert_cmphex(all[0xc4], ==, 0);
        config_write(c, PCI_COMMAND, &command, 2);
        g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    }
    client_close(c);
}

/* One byte beyond 256 makes it the config space of a PCI Express device. */
static void test_config_extended(void)
{
    uint8_t all[4096];
    SimClient *c = sim_test_open("", "config=0x103:77");

    config_read(c, 0, all, sizeof(all));
    g_assert_cmphex(all[0x102], ==, 0);
    g_assert_cmphex(all[0x103], ==, 0x77);
    g_assert_cmpint(client_config(c, false, 4096, all, 1), ==, -1);
    client_close(c);
}

/* Function level reset by the guest, if the device has it */
static void test_flr(void)
{
    SimClient *c = sim_test_open("", "msix-vectors=0\nflr=yes");
    uint8_t at, none = 0, flr = PCI_AF_CTRL_FLR;
    uint16_t command = PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER;

    config_read(c, PCI_CAPABILITY_LIST, &at, 1);
    config_read(c, at + 1, &at, 1);
    config_write(c, PCI_COMMAND, &command, 2);
    g_assert_cmpuint(client_status("dev").command, ==, command);
    config_write(c, at + PCI_AF_CTRL, &none, 1);
    g_assert_cmpuint(client_status("dev").resets, ==, 0);
    config_write(c, at + PCI_AF_CTRL, &flr, 1);
    g_assert_cmpuint(client_status("dev").resets, ==, 1);
    g_assert_cmpuint(client_status("dev").command, ==, 0);
    client_close(c);
}

static void test_bars(void)
{
    struct vfio_region_info info = { .argsz = sizeof(info), .index = 0 };
    SimClient *c = sim_test_open("", "");
    uint32_t word = 0x12345678;
    uint8_t *bar;

    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO, &info), ==,
                    0);
    bar = mmap(NULL, info.size, PROT_READ | PROT_WRITE, MAP_SHARED,
               c->device, info.offset);
    g_assert_true(bar != MAP_FAILED);
    g_assert_cmpint(pwrite(c->device, &word, 4, info.offset + 8), ==, 4);
    g_assert_cmpint(memcmp(bar + 8, &word, 4), ==, 0);
    munmap(bar, info.size);
    g_assert_true(mmap(NULL, 2 * info.size, PROT_READ, MAP_SHARED, c->device,
                       info.offset) == MAP_FAILED);
    g_assert_cmpint(result(pread(c->device, &word, 4, info.offset +
                                 info.size)), ==, -EINVAL);
    info.index = VFIO_PCI_VGA_REGION_INDEX;
    g_assert_cmpint(result(ioctl(c->device, VFIO_DEVICE_GET_REGION_INFO,
                                 &info)), ==, -EINVAL);
    client_close(c);
}

static int set_irqs(SimClient *c, uint32_t flags, uint32_t start,
                    uint32_t count, int32_t fd)
{
    SimIrqRequest arg = {
        .argsz = sizeof(struct vfio_irq_set) +
                 (flags & VFIO_IRQ_SET_DATA_EVENTFD ? 8 * sizeof(fd) : 0),
        .flags = flags,
        .index = VFIO_PCI_MSIX_IRQ_INDEX,
        .start = start,
        .count = count,
    };

    for (size_t i = 0; i < G_N_ELEMENTS(arg.fds); i++) {
        arg.fds[i] = fd;
    }
    return result(ioctl(c->device, VFIO_DEVICE_SET_IRQS, &arg));
}

static void test_irqs(void)
{
    const uint32_t trigger = VFIO_IRQ_SET_ACTION_TRIGGER;
    const uint32_t eventfds = VFIO_IRQ_SET_DATA_EVENTFD | trigger;
    SimClient *c = sim_test_open("", "");
    int fd = eventfd(0, EFD_CLOEXEC);

    g_assert_cmpint(set_irqs(c, eventfds, 0, 4, fd), ==, 0);
    close(fd);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 4);
    g_assert_cmpint(set_irqs(c, eventfds, 0, 2, -1), ==, 0);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 2);
    g_assert_cmpint(set_irqs(c, eventfds, 0, 9, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds, 8, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds, 7, 2, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, trigger, 0, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, 7 | trigger, 0, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds | 0x100, 0, 1, -1), ==, -EINVAL);
    g_assert_cmpint(set_irqs(c, eventfds, 0, 1, 99999), ==, -EBADF);
    g_assert_cmpint(set_irqs(c, VFIO_IRQ_SET_DATA_NONE | trigger, 0, 0, -1),
                    ==, 0);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 0);
    client_close(c);
}

/* After a reset PCI_COMMAND and MSI-X must be set up again. */
static void test_reset(void)
{
    uint16_t command = PCI_COMMAND_MASTER | PCI_COMMAND_MEMORY;
    SimClient *c = sim_test_open("", "");
    int fd = eventfd(0, EFD_CLOEXEC);

    config_write(c, PCI_COMMAND, &command, 2);
    g_assert_cmpint(set_irqs(c, VFIO_IRQ_SET_DATA_EVENTFD |
                             VFIO_IRQ_SET_ACTION_TRIGGER, 0, 1, fd), ==, 0);
    g_assert_cmpuint(client_status("dev").command, ==, command);
    g_assert_cmpint(client_set_state(c, PRE_COPY), ==, 0);
    g_assert_cmpint(ioctl(c->device, VFIO_DEVICE_RESET), ==, 0);
    g_assert_cmpuint(client_status("dev").command, ==, 0);
    g_assert_cmpuint(client_status("dev").msix_armed, ==, 0);
    g_assert_cmpuint(client_status("dev").device_state, ==, RUNNING);
    g_assert_cmpuint(client_status("dev").resets, ==, 1);
    g_assert_true(client_status("dev").state_lost);
    close(fd);
    client_close(c);
}

/* ------------------------------------------------------------------------ */
/* Status, transcript, directories                                          */

static uint64_t status_number(const char *device, const char *key)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autofree char *text = vfio_sim_status_json();
    JsonObject *object = sim_test_status_device(parser, text, device);

    g_assert_true(json_object_has_member(object, key));
    return json_object_get_int_member(object, key);
}

static void test_files(void)
{
    g_autofree char *dir = g_dir_make_tmp("vfio-sim-XXXXXX", NULL);
    g_autofree char *status = g_build_filename(dir, "status.json", NULL);
    g_autofree char *text = NULL, *log = NULL, *transcript = NULL;
    g_autofree char *config_text = NULL;
    g_autoptr(GPtrArray) chunks = client_chunks_new();
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonObject *dev;
    SimClient *c;

    config_text = g_strdup_printf("[sim]\nstatus=%s\ntranscript=%s/t-%%p\n"
                                  "status-interval-ms=5\n"
                                  "[device dev]\ngroup=1\nareas=none\n"
                                  "[fault a \"b\\c]\n"
                                  "event=reset\nerrno=EIO\n",
                                  status, dir);
    sim_test_configure(config_text);
    c = client_open("dev", 1);
    g_assert_cmpint(client_save(c, chunks, true, 1), ==, 0);
    g_assert_true(g_file_get_contents(status, &text, NULL, NULL));
    dev = sim_test_status_device(parser, text, "dev");
    g_assert_cmpstr(json_object_get_string_member(dev, "state"), ==, "stop");
    g_assert_cmpint(json_object_get_int_member(dev, "trapped-bytes"), ==,
                    1024 * 1024);
    g_assert_cmpuint(status_number("dev", "saved-chunks"), ==, 1);
    transcript = g_strdup_printf("%s/t-%d", dir, (int)getpid());
    g_assert_true(g_file_get_contents(transcript, &log, NULL, NULL));
    g_assert_nonnull(strstr(log, "dev state-write from=running to=pre-copy "
                            "ret=0 now=pre-copy\n"));
    g_assert_nonnull(strstr(log, "dev chunk-done phase=stop-copy seq=0 "
                            "offset=0x1000 size=1048576 trapped=1048576 "
                            "calls=1\n"));
    /* It is also written at the configured interval. */
    g_unlink(status);
    for (unsigned i = 0; i < 1000 && !g_file_test(status, G_FILE_TEST_EXISTS);
         i++) {
        g_usleep(10 * 1000);
    }
    g_assert_true(g_file_test(status, G_FILE_TEST_EXISTS));
    client_close(c);
    vfio_sim_shutdown();
    g_unlink(status);
    g_unlink(transcript);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

static void test_sysfs(void)
{
    g_autofree char *dir = g_dir_make_tmp("vfio-sim-XXXXXX", NULL);
    g_autofree char *device = g_build_filename(dir, "dev", NULL);
    g_autofree char *group = g_build_filename(device, "iommu_group", NULL);
    g_autofree char *subsystem = g_build_filename(device, "subsystem", NULL);
    g_autofree char *target = NULL, *base = NULL;
    g_autoptr(GError) err = NULL;

    sim_test_configure("[device dev]\ngroup=17\n");
    for (int i = 0; i < 2; i++) {
        g_assert_true(vfio_sim_make_sysfs_all(dir, &err));
    }
    target = g_file_read_link(group, NULL);
    base = g_path_get_basename(target);
    g_assert_cmpstr(base, ==, "17");
    g_assert_true(g_file_test(subsystem, G_FILE_TEST_IS_SYMLINK));
    g_assert_false(vfio_sim_make_sysfs(subsystem, "dev", 1, &err));
    g_assert_nonnull(err);
    g_unlink(group);
    g_unlink(subsystem);
    g_rmdir(device);
    g_assert_cmpint(g_rmdir(dir), ==, 0);
}

/* Without a configuration the simulation has no effect. */
static void test_inactive(void)
{
    vfio_sim_shutdown();
    g_unsetenv("VFIO_SIM_CONFIG");
    if (!g_file_test("/dev/vfio/vfio", G_FILE_TEST_EXISTS)) {
        g_assert_cmpint(result(open("/dev/vfio/vfio", O_RDWR)), ==, -ENOENT);
    }
    g_assert_cmpint(result(ioctl(-1, VFIO_GET_API_VERSION)), ==, -EBADF);
    g_assert_cmpint(result(close(-1)), ==, -EBADF);
}

/* ------------------------------------------------------------------------ */

void sim_test_host_add(void)
{
    g_test_add_func("/sim/host/order", test_order);
    g_test_add_func("/sim/host/kinds", test_kinds);
    g_test_add_func("/sim/host/two-devices", test_two_devices);
    g_test_add_func("/sim/host/fork", test_fork);
    g_test_add_func("/sim/host/iommus", test_iommus);
    g_test_add_func("/sim/host/switches", test_switches);
    g_test_add_func("/sim/pci/config", test_config_space);
    g_test_add_func("/sim/pci/config-given", test_config_given);
    g_test_add_func("/sim/pci/config-extended", test_config_extended);
    g_test_add_func("/sim/pci/flr", test_flr);
    g_test_add_func("/sim/pci/bars", test_bars);
    g_test_add_func("/sim/pci/irqs", test_irqs);
    g_test_add_func("/sim/pci/reset", test_reset);
    g_test_add_func("/sim/files", test_files);
    g_test_add_func("/sim/sysfs", test_sysfs);
    g_test_add_func("/sim/inactive", test_inactive);
}
