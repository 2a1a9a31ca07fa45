/*
 * vfio-migrate why: can this VM, or this device, migrate, and if not, why?
 *
 * Owns: interpreting the argument, libvirt's answers, printing.
 * Does not own: the individual checks (why-device.c, why-host.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <string.h>
#include "checks.h"
#include "command.h"
#include "domain.h"
#include "host.h"
#include "json.h"
#include "screen.h"
#include "sysfs.h"

/* Memory of QEMU besides the guest's, as libvirt counts it */
#define OVERHEAD_KIB (UINT64_C(1) << 20)

static char *qemu, *connect_uri;

/* ---- libvirt ---- */

/* Output of virsh; NULL if it failed, in which case it prints why if @loud */
static char *ask_virsh(const char *command, const char *domain,
                       const char *more, bool loud)
{
    const char *argv[8] = { "virsh" };
    unsigned n = 1;
    char *text = NULL;
    g_autoptr(GError) error = NULL;
    int status;

    if (connect_uri) {
        argv[n++] = "-c";
        argv[n++] = connect_uri;
    }
    argv[n++] = command;
    argv[n++] = "--";
    argv[n++] = domain;
    argv[n++] = more;
    if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH |
                      (loud ? 0 : G_SPAWN_STDERR_TO_DEV_NULL), NULL, NULL,
                      &text, NULL, &status, &error)) {
        if (loud) {
            tool_complain("%s", error->message);
        }
        return NULL;
    }
    if (!g_spawn_check_wait_status(status, NULL)) {
        g_clear_pointer(&text, g_free);
    }
    return text;
}

/*
 * Ask QEMU itself, which knows best if the VM is running.
 *
 * Returns: whether it says that nothing blocks a migration
 */
static bool check_running(Checks *checks, const char *name)
{
    g_autofree char *text = ask_virsh("qemu-monitor-command", name,
                                      "{\"execute\": \"query-migrate\"}",
                                      false);
    g_autoptr(JsonParser) parser = json_parser_new();
    JsonNode *root;
    JsonArray *reasons;

    if (!text || !json_parser_load_from_data(parser, text, -1, NULL)) {
        checks_add(checks, "QEMU's word", CHECK_UNKNOWN, NULL, "the VM does "
                   "not run, or may not be asked");
        return false;
    }
    root = json_parser_get_root(parser);
    reasons = json_list(json_child(root && JSON_NODE_HOLDS_OBJECT(root)
                                   ? json_node_get_object(root) : NULL,
                                   "return"), "blocked-reasons");
    for (unsigned i = 0; json_list_text(reasons, i); i++) {
        checks_add(checks, "QEMU's word", CHECK_NO, NULL, "%s",
                   json_list_text(reasons, i));
    }
    if (json_list_text(reasons, 0)) {
        return false;
    }
    checks_add(checks, "QEMU's word", CHECK_OK, NULL, "the VM runs, and its "
               "QEMU knows nothing that blocks a migration");
    return true;
}

/* ---- a domain ---- */

static void check_memory(Checks *checks, const Domain *domain)
{
    g_autofree char *limit = screen_size(domain->hard_limit_kib << 10);
    g_autofree char *memory = screen_size(domain->memory_kib << 10);

    if (domain->hard_limit_kib &&
        domain->hard_limit_kib < domain->memory_kib + OVERHEAD_KIB) {
        checks_add(checks, "memory", CHECK_WARN, "Take the hard_limit away, "
                   "or make it larger", "its hard_limit is %s; with VFIO all "
                   "of its memory, %s, is locked, and QEMU needs some more",
                   limit, memory);
    }
}

static void check_devices(Checks *checks, const Domain *domain, bool may_open,
                          bool vm_knows)
{
    const char *name = checks->subject;

    if (!domain->devices->len) {
        checks_add(checks, "devices", CHECK_OK, NULL, "it has no device of "
                   "VFIO: nothing of ours is needed");
    }
    for (unsigned i = 0; i < domain->devices->len; i++) {
        const DomainDevice *device = domain->devices->pdata[i];

        why_device(checks, device->name, may_open, vm_knows);
        if (device->managed && strchr(device->name, '.')) {
            checks_add(checks, "managed", CHECK_WARN, "Bind it to its "
                       "vendor's VFIO driver yourself, and say managed='no'",
                       "managed='yes': libvirt may bind it to vfio-pci, which "
                       "can migrate no device");
        }
    }
    if (domain->devices->len > 1) {
        why_several(checks, domain->devices->len, vm_knows);
    }
    checks->subject = name;
}

/* @running_name: its name for virsh; NULL: it was read from a file */
static void why_domain(Checks *checks, const Domain *domain, bool may_open,
                       const char *running_name)
{
    g_autofree char *found = host_find_qemu();
    bool vm_knows;

    checks->subject = domain->name;
    if (domain->devices->len) {
        check_memory(checks, domain);
    }
    vm_knows = running_name && check_running(checks, running_name);
    check_devices(checks, domain, may_open, vm_knows);
    if (domain->devices->len) {
        why_host(checks, true);
        why_qemu(checks, qemu ?: domain->emulator ?: found);
    }
}

/* ---- interpreting the argument ---- */

static char *read_file(const char *name)
{
    g_autoptr(GError) error = NULL;
    char *text = NULL;

    if (!g_file_get_contents(g_str_equal(name, "-") ? "/dev/stdin" : name,
                             &text, NULL, &error)) {
        tool_complain("%s", error->message);
    }
    return text;
}

static bool look_at_domain(Checks *checks, const Tool *tool)
{
    const char *name = tool->arguments[0];
    bool is_file = g_str_equal(name, "-") || strchr(name, '/') ||
                   g_file_test(name, G_FILE_TEST_IS_REGULAR);
    g_autofree char *xml = is_file ? read_file(name)
                                   : ask_virsh("dumpxml", name, NULL, true);
    g_autoptr(GError) error = NULL;
    g_autoptr(Domain) domain = xml ? domain_parse(xml, &error) : NULL;

    if (!xml && !is_file) {
        tool_complain("%s is no device of this host, no file, and no domain "
                      "of libvirt's", name);
    }
    if (error) {
        tool_complain("%s: %s", name, error->message);
    }
    if (domain) {
        why_domain(checks, domain, tool->yes, is_file ? NULL : name);
    }
    return domain;
}

static void look_at_device(Checks *checks, const Tool *tool)
{
    g_autofree char *found = qemu ? g_strdup(qemu) : host_find_qemu();

    why_device(checks, tool->arguments[0], tool->yes, false);
    why_host(checks, false);
    why_qemu(checks, found);
}

/* ---- printing ---- */

static const char *const answers[] = {
    [CHECK_OK] = "yes",
    [CHECK_UNKNOWN] = "unknown",
    [CHECK_WARN] = "maybe",
    [CHECK_NO] = "no",
};

static void print_check(JsonObject *check, const char **subject)
{
    static const ScreenStyle styles[] = {
        [CHECK_OK] = SCREEN_GOOD, [CHECK_UNKNOWN] = SCREEN_DIM,
        [CHECK_WARN] = SCREEN_BUSY, [CHECK_NO] = SCREEN_BAD,
    };
    const char *result = json_text(check, "result");
    g_autofree char *word = NULL;

    if (g_strcmp0(*subject, json_text(check, "subject"))) {
        *subject = json_text(check, "subject");
        screen_heading(*subject);
    }
    for (CheckResult r = CHECK_OK; r <= CHECK_NO; r++) {
        if (g_str_equal(result, check_result_word(r))) {
            word = screen_style(styles[r], 8, result);
        }
    }
    screen_field(json_text(check, "check"), "%s%s", word,
                 json_text(check, "text"));
    if (json_text(check, "hint")) {
        screen_field("", "        %s", json_text(check, "hint"));
    }
}

static void print_text(const Checks *checks)
{
    static const char *const sentences[] = {
        [CHECK_OK] = "yes, as far as this host can tell",
        [CHECK_UNKNOWN] = "nothing speaks against it; not all was looked at",
        [CHECK_WARN] = "maybe: see what has 'warn'",
        [CHECK_NO] = "no: see what has 'no'",
    };
    const char *subject = NULL;
    JsonObject *check;

    for (unsigned i = 0; (check = json_list_object(checks->list, i)); i++) {
        print_check(check, &subject);
    }
    screen_heading("Can it migrate?");
    screen_field("answer", "%s", sentences[checks_worst(checks)]);
}

static void print_json(const Tool *tool, const Checks *checks)
{
    JsonObject *report = json_report_new("why", 1);

    json_object_set_string_member(report, "subject", tool->arguments[0]);
    json_object_set_string_member(report, "answer",
                                  answers[checks_worst(checks)]);
    json_object_set_array_member(report, "checks",
                                 json_array_ref(checks->list));
    json_report_print(report, false);
}

static const ToolExit statuses[] = {
    [CHECK_OK] = TOOL_YES,
    [CHECK_UNKNOWN] = TOOL_UNKNOWN,
    [CHECK_WARN] = TOOL_MAYBE,
    [CHECK_NO] = TOOL_NO,
};

static ToolExit run(const Tool *tool)
{
    Checks checks = { .list = json_array_new() };
    g_autofree char *dir = sysfs_find(tool->arguments[0]);
    ToolExit answer = TOOL_FAILED;
    bool looked = true;

    if (dir) {
        look_at_device(&checks, tool);
    } else {
        looked = look_at_domain(&checks, tool);
    }
    if (looked) {
        if (tool->json) {
            print_json(tool, &checks);
        } else {
            print_text(&checks);
        }
        answer = statuses[checks_worst(&checks)];
    }
    json_array_unref(checks.list);
    g_free(checks.lacks_p2p);
    return answer;
}

static const GOptionEntry options[] = {
    { "qemu", 0, 0, G_OPTION_ARG_FILENAME, &qemu,
      "The QEMU that VMs run with [the domain's, or the one in PATH]",
      "PATH" },
    { "connect", 'c', 0, G_OPTION_ARG_STRING, &connect_uri,
      "The libvirt that knows the domain [virsh's default]", "URI" },
    { NULL }
};

const Command command_why = {
    .name = "why",
    .arguments = "DEVICE|DOMAIN",
    .summary = "Can it migrate, and if not, why?",
    .description =
        "DOMAIN is a name that virsh knows, or a file of its XML (- is "
        "standard input).\nDevices are not opened, unless --yes says that "
        "they may be reset.\n\nExit status: 0 yes, 1 no: something stands in the "
        "way, 2 wrong usage, 3 it\ncould not be found out, 4 maybe: something "
        "may stand in the way, 5 unknown:\nnothing does, but not all was "
        "looked at.",
    .options = options,
    .min_arguments = 1,
    .max_arguments = 1,
    .run = run,
};
