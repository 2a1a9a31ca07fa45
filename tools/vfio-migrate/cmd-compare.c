/*
 * vfio-migrate compare: will a migration between these two work?
 *
 * Owns: getting each side's facts, from a file, a device of this host, or a
 * device of another host by ssh; printing the differences.
 * Does not own: finding the differences (compare.c).
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "qemu/osdep.h"
#include <sys/wait.h>
#include "command.h"
#include "compare.h"
#include "device.h"
#include "facts.h"
#include "json.h"
#include "screen.h"
#include "sysfs.h"

/* Ten times the size of the facts of a device with many of them */
#define FACTS_BYTES_MAX (256 * 1024u)
#define FACTS_DEPTH_MAX 16

static char *qemu, *machine, *ssh, *remote;
static gboolean strict;

/* ---- reading ---- */

static char *read_all(int fd, const char *name)
{
    GString *text = g_string_new(NULL);
    char buffer[8192];
    ssize_t got;

    while ((got = read(fd, buffer, sizeof(buffer))) > 0 &&
           text->len <= FACTS_BYTES_MAX) {
        g_string_append_len(text, buffer, got);
    }
    if (got < 0 || text->len > FACTS_BYTES_MAX) {
        tool_complain("%s: %s", name, got < 0 ? strerror(errno)
                      : "this is too long to be the output of vfio-migrate "
                        "facts");
        g_string_free(text, true);
        return NULL;
    }
    return g_string_free(text, false);
}

/* The parser is recursive; deep input must not overflow the stack. */
static bool too_deep(const char *text)
{
    int depth = 0;

    for (; *text; text++) {
        depth += *text == '{' || *text == '[';
        depth -= *text == '}' || *text == ']';
        if (depth > FACTS_DEPTH_MAX) {
            return true;
        }
    }
    return false;
}

static JsonObject *parse_facts(const char *text, const char *name)
{
    g_autoptr(JsonParser) parser = json_parser_new();
    g_autoptr(GError) error = NULL;
    JsonNode *root;
    JsonObject *facts = NULL;

    if (too_deep(text) ||
        !json_parser_load_from_data(parser, text, -1, &error)) {
        tool_complain("%s: no JSON: %s", name,
                      error ? error->message : "too deep");
        return NULL;
    }
    root = json_parser_get_root(parser);
    if (root && JSON_NODE_HOLDS_OBJECT(root)) {
        facts = json_node_get_object(root);
    }
    if (g_strcmp0(json_text(facts, "schema"), "facts")) {
        tool_complain("%s: not what 'vfio-migrate facts' prints", name);
        return NULL;
    }
    if (json_number(facts, "version", 0) != FACTS_VERSION) {
        tool_complain("%s: facts of version %" PRId64 "; this tool compares "
                      "version %d: use the same on both hosts", name,
                      json_number(facts, "version", 0), FACTS_VERSION);
        return NULL;
    }
    return json_object_ref(facts);
}

/* @name: a path; "-" is standard input */
static JsonObject *facts_from_file(const char *name)
{
    int fd = g_str_equal(name, "-") ? dup(STDIN_FILENO)
                                    : open(name, O_RDONLY | O_CLOEXEC);
    g_autofree char *text = NULL;

    if (fd < 0) {
        tool_complain("%s cannot be opened: %s", name, strerror(errno));
        return NULL;
    }
    text = read_all(fd, name);
    close(fd);
    return text ? parse_facts(text, name) : NULL;
}

/* @name: HOST:DEVICE */
static JsonObject *facts_from_host(const char *name)
{
    g_auto(GStrv) parts = g_strsplit(name, ":", 2);
    g_autofree char *device = g_shell_quote(parts[1]);
    g_autofree char *command = g_strconcat(remote ?: "vfio-migrate",
                                           " --yes facts ", device, NULL);
    const char *argv[] = { ssh ?: "ssh", parts[0], command, NULL };
    g_autoptr(GError) error = NULL;
    g_autofree char *text = NULL;
    int fd, status;
    GPid pid;

    if (!g_spawn_async_with_pipes(NULL, (char **)argv, NULL,
                                  G_SPAWN_SEARCH_PATH |
                                  G_SPAWN_DO_NOT_REAP_CHILD |
                                  G_SPAWN_CHILD_INHERITS_STDIN, NULL, NULL,
                                  &pid, NULL, &fd, NULL, &error)) {
        tool_complain("%s: %s", name, error->message);
        return NULL;
    }
    text = read_all(fd, name);
    close(fd);
    if (waitpid(pid, &status, 0) != pid || status) {
        tool_complain("%s: failed there: %s", name, command);
        g_clear_pointer(&text, g_free);
    }
    return text ? parse_facts(text, name) : NULL;
}

/* ---- interpreting an argument ---- */

typedef enum SideKind { SIDE_FILE, SIDE_DEVICE, SIDE_HOST, SIDE_NOTHING }
    SideKind;

static SideKind side_kind(const char *name)
{
    g_autofree char *dir = sysfs_find(name);

    if (dir) {
        return SIDE_DEVICE;
    }
    if (strchr(name, '/') || g_str_equal(name, "-") ||
        g_file_test(name, G_FILE_TEST_EXISTS)) {
        return SIDE_FILE;
    }
    /* "00:03.0" is a device that does not exist, not a host. */
    if (!strchr(name, ':') || name[0] == '-' || name[0] == ':' ||
        g_regex_match_simple("^([0-9a-f]{4}:)?[0-9a-f]{2}:[0-9a-f]{2}\\.[0-7]$",
                             name, G_REGEX_CASELESS, 0)) {
        return SIDE_NOTHING;
    }
    return SIDE_HOST;
}

static JsonObject *side_facts(const char *name)
{
    switch (side_kind(name)) {
    case SIDE_FILE:
        return facts_from_file(name);
    case SIDE_DEVICE:
        return facts_collect(name, qemu);
    case SIDE_HOST:
        return facts_from_host(name);
    default:
        tool_complain("%s is no file, no device of this host, and not "
                      "HOST:DEVICE", name);
        return NULL;
    }
}

static bool may_reset(const Tool *tool)
{
    g_autoptr(GString) devices = g_string_new(NULL);

    for (unsigned i = 0; i < 2; i++) {
        SideKind kind = side_kind(tool->arguments[i]);

        if (kind == SIDE_DEVICE || kind == SIDE_HOST) {
            g_string_append_printf(devices, "%s%s",
                                   devices->len ? " and " : "",
                                   tool->arguments[i]);
        }
    }
    return !devices->len || tool_may_reset(tool, devices->str);
}

/* ---- printing ---- */

static void print_difference(JsonObject *difference)
{
    const char *effect = json_text(difference, "effect");
    const char *here = json_text(difference, "here");
    const char *there = json_text(difference, "there");

    screen_field(effect, "%s%s%s%s%s%s", json_text(difference, "what"),
                 here || there ? ":" : "", here ? " here " : "", here ?: "",
                 there ? (here ? ", there " : " there ") : "", there ?: "");
    screen_field("", "%s", json_text(difference, "text"));
}

static void print_text(const Compare *compare)
{
    static const char *const verdicts[] = {
        [COMPARE_HARMLESS] = "works, as far as can be told",
        [COMPARE_MAY_FAIL] = "may fail",
        [COMPARE_BLOCKS] = "fails",
    };

    screen_field("migration", "%s", verdicts[compare->worst]);
    for (int effect = COMPARE_BLOCKS; effect >= COMPARE_HARMLESS; effect--) {
        JsonObject *difference = json_list_object(compare->differences, 0);

        for (unsigned i = 0; difference;
             difference = json_list_object(compare->differences, ++i)) {
            if (!g_strcmp0(json_text(difference, "effect"),
                           compare_effect_word(effect))) {
                print_difference(difference);
            }
        }
    }
}

static void print_json(const Tool *tool, const Compare *compare)
{
    JsonObject *report = json_report_new("compare", 1);

    json_object_set_string_member(report, "here", tool->arguments[0]);
    json_object_set_string_member(report, "there", tool->arguments[1]);
    json_object_set_string_member(report, "worst",
                                  compare_effect_word(compare->worst));
    json_object_set_array_member(report, "differences",
                                 json_array_ref(compare->differences));
    json_report_print(report, false);
}

static ToolExit run(const Tool *tool)
{
    Compare compare = { .machine = machine };
    ToolExit answer = TOOL_FAILED;

    if (!may_reset(tool)) {
        return TOOL_USAGE;
    }
    compare.here = side_facts(tool->arguments[0]);
    compare.there = compare.here ? side_facts(tool->arguments[1]) : NULL;
    if (compare.there) {
        compare_facts(&compare);
        if (tool->json) {
            print_json(tool, &compare);
        } else {
            print_text(&compare);
        }
        answer = compare.worst == COMPARE_BLOCKS ||
                 (strict && compare.worst == COMPARE_MAY_FAIL) ? TOOL_NO
                                                               : TOOL_YES;
        json_array_unref(compare.differences);
    }
    g_clear_pointer(&compare.here, json_object_unref);
    g_clear_pointer(&compare.there, json_object_unref);
    return answer;
}

static const GOptionEntry options[] = {
    { "machine", 0, 0, G_OPTION_ARG_STRING, &machine,
      "Machine type of the VM, as in its domain", "TYPE" },
    { "strict", 0, 0, G_OPTION_ARG_NONE, &strict,
      "Exit with 1 also where something may fail", NULL },
    { "qemu", 0, 0, G_OPTION_ARG_FILENAME, &qemu,
      "The QEMU that VMs run with here [the one in PATH]", "PATH" },
    { "ssh", 0, 0, G_OPTION_ARG_FILENAME, &ssh,
      "Program that runs a command on a host [ssh]", "PROGRAM" },
    { "remote", 0, 0, G_OPTION_ARG_STRING, &remote,
      "This tool on that host [vfio-migrate]", "COMMAND" },
    { NULL }
};

const Command command_compare = {
    .name = "compare",
    .arguments = "HERE THERE",
    .summary = "Will a migration from HERE to THERE work?",
    .description =
        "HERE and THERE are files that 'vfio-migrate facts' printed (- is "
        "standard\ninput), devices of this host, or HOST:DEVICE, of which ssh "
        "asks the facts.\n\n"
        "Exit status: 0 nothing blocks, 1 something does (with --strict also: "
        "something\nmay fail), 2 wrong usage, 3 the facts of one side could "
        "not be had.",
    .options = options,
    .min_arguments = 2,
    .max_arguments = 2,
    .run = run,
};
