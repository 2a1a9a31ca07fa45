/*
 * Tests of scripts/qemu-series
 *
 * The tree is a git repository made of tests/series/stand-in and, for one
 * release, tests/series/stand-in-7.2.Z, which together have just the lines that
 * the steps look for; or a copy of the QEMU tree that QEMU_SRC names. A refusal
 * must say what was found, and leave references, objects and files of the tree
 * unchanged.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include <glib.h>
#include <glib/gstdio.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "../tools/run.h"

#define BRANCH          "vfio-migration-series"
#define FIXES           "vfio-migration-fixes"
#define NEWEST          "7.2.22"    /* MICRO_LAST in the tool */
#define EXIT_REFUSED    1
#define EXIT_USAGE      2
#define EXIT_CHECKPATCH 3

typedef struct Fixture {
    char *dir;          /* directory of the case */
    char *tree;
    char *out;          /* for mails; not created yet */
} Fixture;

static const char *top(void)
{
    const char *dir = g_getenv("SERIES_TOP");

    return dir ? dir : ".";
}

/*
 * Run a shell line in the tree and return its output. Each command must
 * succeed, or fail if it follows the word 'no' ('!' would not stop the shell).
 */
static char *sh(Fixture *f, const char *line)
{
    g_autofree char *script = g_strconcat(
        "no() { if \"$@\"; then return 1; fi; }; ", line, NULL);
    const char *words[] = { "sh", "-e", "-c", script, NULL };
    g_auto(Outcome) o = run_program(f->tree, NULL, words);

    if (o.status) {
        g_error("%s: %s%s", line, o.output, o.errors);
    }
    return g_strchomp(g_steal_pointer(&o.output));
}

static void do_sh(Fixture *f, const char *line)
{
    g_free(sh(f, line));
}

static Outcome series(const char *tree, const char *const *options)
{
    g_autoptr(GPtrArray) words = g_ptr_array_new();
    g_autofree char *tool = g_build_filename(top(), "scripts/qemu-series",
                                             NULL);

    g_ptr_array_add(words, tool);
    g_ptr_array_add(words, (char *)tree);
    for (; options && *options; options++) {
        g_ptr_array_add(words, (char *)*options);
    }
    g_ptr_array_add(words, NULL);
    return run_program("/", NULL, (const char *const *)words->pdata);
}

#define OPTIONS(...) ((const char *const []) { __VA_ARGS__, NULL })

static void assert_done(const Outcome *o)
{
    if (o->status) {
        g_error("exit status %d: %s%s", o->status, o->output, o->errors);
    }
}

/* Run the tool on the tree; it must succeed. */
static void do_series(Fixture *f, const char *const *options)
{
    g_auto(Outcome) o = series(f->tree, options);

    assert_done(&o);
}

/* Everything that a refusal must leave alone. */
static char *snapshot(Fixture *f)
{
    return sh(f, "git for-each-ref; git rev-parse HEAD; git count-objects; "
                 "git status --porcelain --ignored | sort; ls .. ; "
                 "cat ../out/* ../out/*/* 2>/dev/null | cksum");
}

static void assert_refused(Fixture *f, const char *const *options,
                           const char *text)
{
    g_autofree char *before = snapshot(f);
    g_auto(Outcome) o = series(f->tree, options);
    g_autofree char *after = snapshot(f);

    if (o.status != EXIT_REFUSED || !strstr(o.errors, text)) {
        g_error("exit status %d, no '%s' in: %s%s", o.status, text, o.output,
                o.errors);
    }
    g_assert_true(g_str_has_suffix(o.errors, "nothing was changed\n"));
    g_assert_cmpstr(before, ==, after);
}

/* ---- trees ---- */

/* Of a real tree, only what the series and checkpatch read is checked out. */
static const char *make_tree(void)
{
    return g_getenv("QEMU_SRC")
        ? "git clone -q --shared --no-tags --sparse \"$QEMU_SRC\" . && "
          "git sparse-checkout set docs/devel hw/vfio include/hw/vfio "
          "linux-user migration scripts softmmu tests/qtest tests/unit "
          "tests/vfio-sim"
        : "cp -R \"$SERIES_TOP/tests/series/stand-in/.\" "
          "\"$SERIES_TOP/tests/series/stand-in-" NEWEST "/.\" . && "
          "git init -q -b main && git add . && git -c user.name=Base "
          "-c user.email=base@example.org commit -q -m base";
}

static void setup(Fixture *f, const void *data)
{
    f->dir = g_dir_make_tmp("series-XXXXXX", NULL);
    f->tree = g_build_filename(f->dir, "tree", NULL);
    f->out = g_build_filename(f->dir, "out", NULL);
    g_assert_cmpint(g_mkdir(f->tree, 0700), ==, 0);
    do_sh(f, make_tree());
    do_sh(f, "git config user.name 'A Tester'; "
             "git config user.email tester@example.org");
}

static void teardown(Fixture *f, const void *data)
{
    g_autofree char *line = g_strdup_printf("cd / && rm -rf '%s'", f->dir);

    do_sh(f, line);
    g_free(f->dir);
    g_free(f->tree);
    g_free(f->out);
}

/* Number of steps in the parts whose directories match */
static unsigned nr_steps_of(Fixture *f, const char *part)
{
    g_autofree char *line = g_strdup_printf(
        "ls \"$SERIES_TOP\"/series/%s/*.step | wc -l", part);
    g_autofree char *count = sh(f, line);

    return atoi(count);
}

static unsigned nr_steps(Fixture *f)
{
    return nr_steps_of(f, "[a-z]-*");
}

/* ---- results ---- */

static void test_branch(Fixture *f, const void *data)
{
    g_autofree char *head = sh(f, "git rev-parse HEAD");
    g_auto(Outcome) o = series(f->tree, NULL);
    g_autofree char *count = NULL, *status = NULL, *signed_off = NULL;

    assert_done(&o);
    g_assert_nonnull(strstr(o.output, " to " NEWEST ", which are known\n"));
    g_assert_cmpstr(o.errors, ==, "");
    count = sh(f, "git rev-list --count HEAD.." BRANCH);
    g_assert_cmpuint(atoi(count), ==, nr_steps(f));
    signed_off = sh(f, "git log --format=%b HEAD.." BRANCH
                       " | grep -c '^Signed-off-by: A Tester <tester@'");
    g_assert_cmpuint(atoi(signed_off), ==, nr_steps(f));

    status = sh(f, "git status --porcelain; git rev-parse HEAD");
    g_assert_cmpstr(status, ==, head);
}

static void test_contents(Fixture *f, const void *data)
{
    do_series(f, NULL);
    /* Our files are unchanged, */
    do_sh(f, "git checkout -q " BRANCH "; cd \"$SERIES_TOP\"; "
             "for file in hw/vfio/*.c include/hw/vfio/*.h; do "
             "if ! cmp $file \"$OLDPWD/$file\"; then "
             "echo $file is in no step of series/; exit 1; fi; done");
    /* each source is built, */
    do_sh(f, "for file in hw/vfio/migration*.c hw/vfio/dirty-*.c; do "
             "grep -q \"'${file#hw/vfio/}',\" hw/vfio/meson.build; done");
    /* as are all tests, which find their headers, */
    do_sh(f, "for dir in tests/vfio-sim tests/qtest/vfio; do cd $dir; "
             "for file in *.c; do grep -q \"'$file',\" meson.build || "
             "test $file = vfio-sim-setup.c; done; "
             "sed -n 's/^#include \"\\([a-z-]*\\.h\\)\"$/\\1/p' *.[ch] | "
             "sort -u | while read header; do "
             "test -e $header || test -e ../$header; done; "
             "no grep '@' meson.build; cd \"$OLDPWD\"; done");
    /* with QEMU's own libqtest and JSON; */
    do_sh(f, "no ls tests/qtest/vfio/libqtest*; no grep -r json.glib tests");
    /* each event exists once, */
    do_sh(f, "grep -o '^vfio_migration_[a-z_]*(' "
             "\"$SERIES_TOP/hw/vfio/trace-events\" | while read event; do "
             "test $(grep -c \"^$event\" hw/vfio/trace-events) = 1; done");
    /* and the old ones are gone, like the function in common.c. */
    do_sh(f, "no grep -q '^vfio_save_setup(' hw/vfio/trace-events; "
             "no grep -q '^bool vfio_mig_active' hw/vfio/common.c; "
             "grep -q '^bool vfio_mig_active' hw/vfio/migration.c");
    /* Messages use the property's name in this QEMU. */
    do_sh(f, "test \"$(grep -l x-enable-migration hw/vfio/*.c)\" = "
             "hw/vfio/pci.c; "
             "grep -q '\"its property enable-migration is off' hw/vfio/*.c");
}

/* Run a line for each commit, available as $c. */
static void for_each_commit(Fixture *f, const char *line)
{
    g_autofree char *loop = g_strdup_printf(
        "for c in $(git rev-list HEAD.." BRANCH "); do %s; done", line);

    do_sh(f, loop);
}

static void test_each_commit(Fixture *f, const void *data)
{
    do_series(f, NULL);
    for_each_commit(f, "no git diff-tree --quiet $c^ $c");
    for_each_commit(f, "git diff --check $c^ $c");
    for_each_commit(f, "test $(git log -1 --format=%s $c | wc -c) -le 76");
    /* A message gives a reason, in lines that fit a terminal. */
    for_each_commit(f, "git log -1 --format=%b $c | "
                       "awk 'NR == 1 && /^Signed-off-by: / { exit 1 } "
                       "!/^(Signed-off-by|Fixes): / && length > 72 { exit 1 }'");
    /* Fixed commits are named in the style of QEMU's history. */
    for_each_commit(f, "if git log -1 --format=%b $c | grep '^Fixes:' | "
                       "grep -Ev '^Fixes: [0-9a-f]{12} \\(\".*\"\\)$'; "
                       "then exit 1; fi");
}

/* A commit must not use an event or a header that a later one adds. */
static void test_order(Fixture *f, const void *data)
{
    static const char ours[] = "'hw/vfio/migration-*.c' 'hw/vfio/dirty-*.c' "
                               "'include/hw/vfio/*.h'";
    g_autofree char *events = g_strdup_printf(
        "git grep -ho 'trace_vfio_[a-z0-9_]*(' $c -- %s | sed s/^trace_// | "
        "sort -u > ../used; git show $c:hw/vfio/trace-events | "
        "grep -o '^vfio_[a-z0-9_]*(' | sort -u | comm -13 - ../used | "
        "grep . && { git log -1 --format='has no event for: %%s' $c; exit 1; }"
        " || true", ours);
    g_autofree char *headers = g_strdup_printf(
        "git grep -ho 'hw/vfio/\\(migration\\|dirty\\)-[a-z0-9-]*\\.h' "
        "$c -- %s | sed s,^,include/, | sort -u > ../used; "
        "git ls-tree -r --name-only $c include/hw/vfio | sort -u | "
        "comm -13 - ../used | "
        "grep . && { git log -1 --format='has no header for: %%s' $c; exit 1; }"
        " || true", ours);

    do_series(f, NULL);
    for_each_commit(f, events);
    for_each_commit(f, headers);
}

/* Each commit of part dirty calls the functions it adds, for bisection. */
static void test_callers(Fixture *f, const void *data)
{
    do_series(f, OPTIONS("--part", "core"));
    do_series(f, OPTIONS("--part", "dirty"));
    do_sh(f, "for c in $(git rev-list vfio-migration-core.."
             "vfio-migration-dirty); do "
             "git grep -hoE 'vfio_dirty_[a-z0-9_]+\\(' $c -- "
             "'include/hw/vfio/dirty-*.h' | sort -u > ../declared; "
             "test -s ../declared; "
             "git grep -hE '^ .*vfio_dirty_' $c -- 'hw/vfio/*.c' | "
             "grep -oE 'vfio_dirty_[a-z0-9_]+[(,)]' | tr ',)' '((' | "
             "sort -u | comm -13 - ../declared | grep . && "
             "{ git log -1 --format='nobody calls what is above: %s' $c; "
             "exit 1; } || true; done");
}

/* Names added to libqtest must not be in use in QEMU. */
static void test_names(Fixture *f, const void *data)
{
    do_series(f, NULL);
    do_sh(f, "git diff HEAD " BRANCH " -- tests/qtest/libq*.h | "
             "grep -oE '^[+][a-zA-Z].*\\(' | grep -oE '[a-z0-9_]+\\(' | "
             "tr -d '(' | sort -u > ../names; test -s ../names; "
             "for name in $(cat ../names); do "
             "no git grep -w $name HEAD -- tests; done");
}

static void test_again(Fixture *f, const void *data)
{
    g_autofree char *tip = NULL, *again = NULL, *other = NULL;

    do_series(f, NULL);
    tip = sh(f, "git rev-parse " BRANCH);
    do_series(f, NULL);
    again = sh(f, "git rev-parse " BRANCH);
    do_series(f, OPTIONS("--branch", "other"));
    other = sh(f, "git rev-parse other");
    g_assert_cmpstr(tip, ==, again);
    g_assert_cmpstr(tip, ==, other);
}

static void test_mails(Fixture *f, const void *data)
{
    g_auto(Outcome) first = series(f->tree, OPTIONS("--out", f->out));
    g_autofree char *sums = sh(f, "cat ../out/*/SHA256SUMS");
    g_auto(Outcome) second = series(f->tree, OPTIONS("--out", f->out));
    g_autofree char *again = sh(f, "cd ../out; for part in *; do "
                                   "(cd $part; sha256sum *.patch); done");
    g_autofree char *count = sh(f, "ls ../out/*/*.patch | wc -l");
    g_autofree char *parts = sh(f, "ls ../out | wc -l");

    assert_done(&first);
    assert_done(&second);
    g_assert_cmpstr(sums, ==, again);
    g_assert_cmpuint(atoi(parts), ==, 4);
    g_assert_cmpuint(atoi(count), ==, nr_steps(f) + 4);
    /* Each part is numbered separately, and begins with its audience. */
    do_sh(f, "cd ../out; for part in *; do cover=$part/0000-cover-letter.patch; "
             "no grep -l '\\*\\*\\*' $cover; "
             "grep -q \"^Subject: \\[PATCH $part 00*/\" $cover; "
             "sed '1,/^$/d' $cover | head -1 | "
             "grep -q '^This is for distributions '; done");
    /* They apply, one part after the other, and no branch was made for them. */
    do_sh(f, "test -z \"$(git for-each-ref refs/heads/" BRANCH ")\"; "
             "for part in fixes core dirty tests; do "
             "git am -q $(ls ../out/$part/*.patch | sed 1d); done");
}

/* A part's branch includes the parts before it; its mails do not. */
static void test_part(Fixture *f, const void *data)
{
    g_auto(Outcome) fixes = series(f->tree, OPTIONS("--part", "A"));
    g_auto(Outcome) core = series(f->tree, OPTIONS("--part", "core", "--branch",
                                                   "mine", "--out", f->out));
    g_auto(Outcome) none = series(f->tree, OPTIONS("--part", "E"));
    g_autofree char *count = sh(f, "git rev-list --count HEAD.." FIXES);
    g_autofree char *more = sh(f, "git rev-list --count " FIXES "..mine");
    g_autofree char *mails = sh(f, "ls ../out/core/*.patch | wc -l");

    assert_done(&fixes);
    assert_done(&core);
    g_assert_cmpint(none.status, ==, EXIT_USAGE);
    g_assert_nonnull(strstr(none.errors, "there is no part 'E'"));
    g_assert_cmpuint(atoi(count), ==, nr_steps_of(f, "a-fixes"));
    g_assert_cmpuint(atoi(more), ==, nr_steps_of(f, "b-core"));
    g_assert_cmpuint(atoi(mails), ==, nr_steps_of(f, "b-core") + 1);
    do_sh(f, "test $(ls ../out) = core; git checkout -q " FIXES "; "
             "git am -q $(ls ../out/core/*.patch | sed 1d); "
             "git diff --exit-code HEAD mine");
}

/* Turn the stand-in into that of another release; skip with a real tree. */
static bool set_release(Fixture *f, const char *release)
{
    g_autofree char *line = g_strdup_printf(
        "cp -R \"$SERIES_TOP/tests/series/stand-in-%s/.\" .; "
        "git commit -q -a --allow-empty -m %s", release, release);

    if (g_getenv("QEMU_SRC")) {
        g_test_skip("QEMU_SRC is one release");
        return false;
    }
    do_sh(f, line);
    return true;
}

/* The result is the same for all releases, and the mails apply. */
static void test_release(Fixture *f, const void *data)
{
    const char *release = data;
    g_autofree char *said = g_strdup_printf("QEMU %s, one of", release);
    g_auto(Outcome) o = { 0 };
    g_auto(Outcome) mails = { 0 };

    if (!set_release(f, release)) {
        return;
    }
    o = series(f->tree, NULL);
    assert_done(&o);
    g_assert_nonnull(strstr(o.output, said));
    for_each_commit(f, "no git diff-tree --quiet $c^ $c");
    do_sh(f, "git show " BRANCH ":hw/vfio/pci.c | "
             "sed -n '/^out_deregister:/,/^out_teardown:/p' > ../path; "
             "test $(grep -c '^    if (' ../path) = 3; "
             "test $(grep -c 'vfio_intx_disable(vdev);' ../path) = 1; "
             "test $(grep -c 'change_notifier.notify)' ../path) = 1; "
             "test $(grep -c 'timer_free(' ../path) = 1; "
             "test $(wc -l < ../path) = 12");

    mails = series(f->tree, OPTIONS("--out", f->out));
    assert_done(&mails);
    do_sh(f, "for part in fixes core dirty tests; do "
             "git am -q $(ls ../out/$part/*.patch | sed 1d); done; "
             "git diff --exit-code HEAD " BRANCH);
}

/* An unknown newer release, on which everything is as expected */
static void test_later_release(Fixture *f, const void *data)
{
    g_auto(Outcome) o = { 0 };

    do_sh(f, "echo 7.2.49 > VERSION; git commit -q -a -m later");
    o = series(f->tree, NULL);
    assert_done(&o);
    g_assert_nonnull(strstr(o.errors, "warning: "));
    g_assert_nonnull(strstr(o.errors, "QEMU 7.2.49, is newer than " NEWEST));
    g_assert_null(strstr(o.output, "known"));
    do_sh(f, "git rev-parse -q --verify " BRANCH);
}

/* For newer releases: only on a tree that has the lines it looks for */
static void test_upstream(Fixture *f, const void *data)
{
    const char *const *upstream = OPTIONS("--upstream");
    g_auto(Outcome) o = { 0 };

    if (g_getenv("QEMU_SRC")) {
        g_test_skip("QEMU_SRC is a 7.2.x");
        return;
    }
    assert_refused(f, upstream, "upstream/01-intx-routes.step: hw/isa/piix.c");
    do_sh(f, "git rm -rq .; cp -R \"$SERIES_TOP/tests/series/"
             "stand-in-upstream/.\" .; git add .; git commit -q -m newer");
    o = series(f->tree, upstream);
    assert_done(&o);
    g_assert_nonnull(strstr(o.output, "QEMU 10.2.0; the series was held"));
    do_sh(f, "test $(git rev-list --count HEAD..vfio-migration-upstream) = "
             "$(ls \"$SERIES_TOP\"/series/upstream/*.step | wc -l); "
             "git diff --check HEAD vfio-migration-upstream");
    assert_refused(f, NULL, "QEMU 10.2.0, but the series is for 7.2.x");
}

static void test_reroll(Fixture *f, const void *data)
{
    do_series(f, OPTIONS("--out", f->out, "--reroll", "2"));
    do_sh(f, "grep -q '^Subject: \\[PATCH fixes v2 ' "
             "../out/fixes/v2-0001-*.patch");
}

static void test_check(Fixture *f, const void *data)
{
    g_auto(Outcome) o = series(f->tree, OPTIONS("--check"));
    g_autofree char *refs = sh(f, "git for-each-ref refs/qemu-series");

    g_assert_cmpstr(refs, ==, "");
    assert_done(&o);
    g_assert_nonnull(strstr(o.output, "checkpatch: "));
    g_assert_nonnull(strstr(o.output, " 0 errors,"));
}

/* Errors of checkpatch show in the exit status. */
static void test_check_errors(Fixture *f, const void *data)
{
    g_auto(Outcome) o = { 0 };

    do_sh(f, "echo 'print \"total: 1 errors, 2 warnings, 3 lines\\n\";' "
             "> scripts/checkpatch.pl; git commit -q -a -m checkpatch");
    o = series(f->tree, OPTIONS("--check"));
    g_assert_cmpint(o.status, ==, EXIT_CHECKPATCH);
    g_assert_nonnull(strstr(o.output, "total: 1 errors, 2 warnings"));
}

static void test_usage(Fixture *f, const void *data)
{
    g_auto(Outcome) o = series(f->tree, OPTIONS("--no-such-option"));

    g_assert_cmpint(o.status, ==, EXIT_USAGE);
    g_assert_nonnull(strstr(o.errors, "--no-such-option"));
}

static void test_people(Fixture *f, const void *data)
{
    do_sh(f, "git config --unset user.email");
    do_series(f, OPTIONS(
        "--author", "A. Writer <writer@example.org>",
        "--sign-off", "A. Writer <writer@example.org>",
        "--sign-off", "A Sender <sender@example.org>"));
    for_each_commit(f, "git log -1 --format='%an <%ae> %cn' $c | "
                       "grep -qx 'A. Writer <writer@example.org> A. Writer'");
    for_each_commit(f, "git log -1 --format=%B $c | tail -3 | tr '\\n' ';' | "
                       "grep -q '^Signed-off-by: A. Writer <writer@example"
                       ".org>;Signed-off-by: A Sender <sender@example.org>;'");
    do_series(f, OPTIONS("--branch", "bare", "--no-sign-off",
                         "--author", "X <x@example.org>"));
    do_sh(f, "! git log --format=%B HEAD..bare | grep Signed-off-by");
}

static void test_people_usage(Fixture *f, const void *data)
{
    static const char *const wrong[] = {
        "nobody", "<a@b.org>", "A <b.org>", "A <a@b> C", "A\n<a@b.org>",
    };

    for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_auto(Outcome) o = series(f->tree, OPTIONS("--author", wrong[i]));

        g_assert_cmpint(o.status, ==, EXIT_USAGE);
        g_assert_nonnull(strstr(o.errors, "is not of the form"));
    }
}

/* A tree with one fault. */
typedef struct Wrong {
    const char *name;
    const char *how;    /* shell commands, run in the tree */
    const char *text;   /* must be in the refusal */
} Wrong;

/* ---- for a source package ---- */

/*
 * The tree as unpacked by dpkg-source: without git, and with one patch of the
 * package itself, which is applied. It is in f->out, its patches in:
 */
#define PATCHES "debian/patches"

static void make_package(Fixture *f)
{
    do_sh(f, "mkdir ../out; git archive HEAD | tar x -C ../out; cd ../out; "
             "mkdir -p " PATCHES " .pc; "
             "printf 'qemu (1:7.2+x-1) unstable; urgency=low\\n' "
             "> debian/changelog; "
             "printf '# of the package\\nfirst.diff -p1\\n' > "
             PATCHES "/series; echo first.diff > .pc/applied-patches; "
             "printf '%s\\n' '--- a/own' '+++ b/own' '@@ -0,0 +1 @@' '+own' > "
             PATCHES "/first.diff; echo own > own; "
             "mkdir .pc/first.diff; : > .pc/first.diff/own; "
             "echo 2 > .pc/.version; echo " PATCHES " > .pc/.quilt_patches; "
             "echo series > .pc/.quilt_series");
}

static Outcome quilt(Fixture *f)
{
    g_autofree char *dir = g_build_filename(f->out, PATCHES, NULL);

    return series(f->out, OPTIONS("--quilt", dir, "--author",
                                  "A Tester <tester@example.org>"));
}

static void assert_quilt_refused(Fixture *f, const char *text)
{
    static const char state[] = "cd ../out && find . -type f | sort | "
                                "xargs sha256sum";
    g_autofree char *before = sh(f, state);
    g_auto(Outcome) o = quilt(f);
    g_autofree char *after = sh(f, state);

    g_assert_cmpint(o.status, ==, EXIT_REFUSED);
    if (!strstr(o.errors, text)) {
        g_error("no '%s' in: %s", text, o.errors);
    }
    g_assert_cmpstr(before, ==, after);
}

/* Applied in order, they give the same as the branch. */
static void test_quilt(Fixture *f, const void *data)
{
    g_autofree char *has_quilt = g_find_program_in_path("quilt");
    g_autofree char *count = NULL;
    g_auto(Outcome) branch = series(f->tree, NULL);
    g_auto(Outcome) o = { 0 };

    assert_done(&branch);
    make_package(f);
    o = quilt(f);
    assert_done(&o);
    g_assert_nonnull(strstr(o.output, ", Debian package 1:7.2+x-1, one of"));
    count = sh(f, "cd ../out/" PATCHES "; head -2 series | tr '\\n' ' ' | "
                  "grep -qx '# of the package first.diff -p1 '; "
                  "grep -c '^vfio-migration/00' series");
    g_assert_cmpuint(atoi(count), ==, nr_steps(f));
    do_sh(f, "mkdir ../expected; "
             "git archive " BRANCH " | tar x -C ../expected; cp -R ../out ../copy");
    if (has_quilt) {
        do_sh(f, "cd ../copy; export QUILT_PATCHES=" PATCHES "; "
                 "quilt --quiltrc - push -a -q; cp -R . ../popped; "
                 "cd ../popped; "
                 "quilt --quiltrc - pop -q $(quilt --quiltrc - applied | "
                 "grep -c ^vfio-migration/); test -e own");
    } else {
        do_sh(f, "cd ../copy; grep ^vfio-migration/ " PATCHES "/series | "
                 "while read name; do git apply -p1 " PATCHES "/$name; done");
    }
    do_sh(f, "cd ../copy; rm -rf .pc debian own; diff -r . ../expected; "
             "test -x tests/qtest/vfio/qemu-wrapper");
}

/* The result is reproducible; its author can be given. */
static void test_quilt_again(Fixture *f, const void *data)
{
    static const char sum[] = "cd ../out/" PATCHES "; find . -type f | sort | "
                              "xargs sha256sum";
    g_autofree char *dir = g_build_filename(f->dir, "patches", NULL);
    g_autofree char *first_sum = NULL, *second_sum = NULL;
    g_auto(Outcome) first = { 0 }, second = { 0 }, other = { 0 };

    make_package(f);
    first = quilt(f);
    assert_done(&first);
    first_sum = sh(f, sum);
    second = quilt(f);
    assert_done(&second);
    second_sum = sh(f, sum);
    g_assert_cmpstr(first_sum, ==, second_sum);

    other = series(f->out, OPTIONS("--quilt", dir, "--author",
                                   "X <x@example.org>"));
    assert_done(&other);
    do_sh(f, "cd ../patches; grep -qx 'From: X <x@example.org>' "
             "vfio-migration/0001-*; "
             "grep -q '^Subject: migration: ' vfio-migration/0001-*; "
             "test $(wc -l < series) = $(ls vfio-migration/*.patch | wc -l)");
}

static const Wrong wrong_package[] = {
    { "not-applied", "echo second.diff >> ../out/" PATCHES "/series",
      "1 of its patches are not applied, the first is second.diff" },
    { "unpacked-bare", "rm -r ../out/.pc",
      "1 of its patches are not applied, the first is first.diff" },
    { "ours-applied", "echo vfio-migration/0001-x.patch >> "
      "../out/.pc/applied-patches", "up to vfio-migration/0001-x.patch" },
    { "version", "echo 8.0.0 > ../out/VERSION", "QEMU 8.0.0, but" },
    { "miss", "sed -i s/migration.h/m.h/ ../out/migration/target.c",
      "01-query-migrate.step: migration/target.c: not as expected" },
    { "foreign", "mkdir ../out/" PATCHES "/vfio-migration; "
      ": > ../out/" PATCHES "/vfio-migration/mine.patch",
      "holds mine.patch, which was not made here" },
};

static void test_wrong_package(Fixture *f, const void *data)
{
    const Wrong *w = data;

    make_package(f);
    do_sh(f, w->how);
    assert_quilt_refused(f, w->text);
}

static void test_quilt_edited(Fixture *f, const void *data)
{
    g_auto(Outcome) o = { 0 };

    make_package(f);
    o = quilt(f);
    assert_done(&o);
    do_sh(f, "cd ../out/" PATCHES "/vfio-migration; echo >> $(ls 0003-*)");
    assert_quilt_refused(f, ".patch was edited");
}

static void test_quilt_usage(Fixture *f, const void *data)
{
    g_auto(Outcome) o = series(f->tree, OPTIONS("--quilt", f->out, "--check"));

    g_assert_cmpint(o.status, ==, EXIT_USAGE);
    g_assert_nonnull(strstr(o.errors, "--quilt goes with none of"));
}

/* ---- refusals ---- */

#define COMMIT "; git add -A; git commit -q -m change"

static const Wrong wrong[] = {
    { "older", "echo 7.1.0 > VERSION" COMMIT, "QEMU 7.1.0, but" },
    { "newer", "echo 8.0.0 > VERSION" COMMIT, "QEMU 8.0.0, but" },
    { "development-of-8.0", "echo 7.2.50 > VERSION" COMMIT,
      "QEMU 7.2.50, but the series is for 7.2.x" },
    { "no-version", "git rm -q VERSION" COMMIT, "not a QEMU source tree" },
    { "no-pci", "git rm -q hw/vfio/pci.c" COMMIT, "not a QEMU source tree" },
    { "dirty", "echo >> VERSION", "VERSION has changes that are not" },
    { "staged", "echo >> VERSION; git add VERSION",
      "VERSION has changes that are not" },
    { "in-the-way", "touch hw/vfio/migration-save.c",
      "hw/vfio/migration-save.c is in the way" },
    { "present", "touch hw/vfio/migration-save.c" COMMIT,
      "hw/vfio/migration-save.c: is there already" },
    { "no-identity", "git config --unset user.email",
      "set user.name and user.email" },
    { "first-line", "sed -i 's/\"migration.h\"/\"m.h\"/' migration/target.c"
      COMMIT, "01-query-migrate.step: migration/target.c: not as expected. "
      "Looked for the line\n    #include \"migration.h\"\n"
      "which is nowhere" },
    { "later-line", "sed -i 's/Migration disabled/off/' hw/vfio/pci.c" COMMIT,
      "Looked for the line\n"
      "                error_report(\"%s: Migration disabled\", vbasedev->name);"
      "\nat line " },
    { "later-line-read", "sed -i 's/Migration disabled/off/' hw/vfio/pci.c"
      COMMIT, ", which reads\n                error_report(\"%s: off\"" },
    { "one-a-file", "sed -i 's/Migration disabled/off/' hw/vfio/pci.c; "
      "sed -i 's/^vfio-ccw$/ccw/' MAINTAINERS" COMMIT,
      "error_report(\"%s: off\", vbasedev->name);\n"
      "d-tests/35-maintainers.step: " },
    { "no-way-fits", "sed -i 's/vfio_intx_disable(vdev)/gone()/' "
      "hw/vfio/pci.c" COMMIT, "02-realize-error.step: hw/vfio/pci.c: not as "
      "expected. Looked for the line\n            vfio_intx_disable(vdev);" },
    { "two-ways-fit", "printf '%s\\n' out_deregister: "
      "'    pci_device_set_intx_routing_notifier(&vdev->pdev, NULL);' "
      "'    kvm_irqchip_remove_change_notifier("
      "&vdev->irqchip_change_notifier);' out_teardown: >> hw/vfio/pci.c"
      COMMIT, "2 ways of an edit fit" },
    { "twice", "echo vfio-ccw >> MAINTAINERS" COMMIT,
      "MAINTAINERS: stands 2 times in the file (lines " },
    { "all-at-once", "sed -i 's/\"migration.h\"/\"m.h\"/' migration/target.c; "
      "sed -i 's/^vfio-ccw$/ccw/' MAINTAINERS" COMMIT,
      "maintainers.step: MAINTAINERS: not as expected" },
    { "no-file", "git rm -q MAINTAINERS" COMMIT,
      "MAINTAINERS: the tree has no such file" },
    { "replaced-lacks-function",
      "sed -i 's/^void vfio_migration_finalize/void gone/' "
      "hw/vfio/migration.c" COMMIT,
      "    void vfio_migration_finalize(VFIODevice *vbasedev)\n"
      "which is nowhere" },
    { "dropped-not-alone", "sed -i 's/^bool vfio_mig_active/int note;\\n&/' "
      "hw/vfio/common.c" COMMIT, "does not begin a function that stands alone" },
    { "own-branch", "git branch " BRANCH, "with commits that were not made" },
    { "continued-branch", "\"$SERIES_TOP/scripts/qemu-series\" .; "
      "git checkout -q " BRANCH "; git commit -q --allow-empty -m more; "
      "git checkout -q -", "with commits that were not made here" },
    { "branch-elsewhere", "\"$SERIES_TOP/scripts/qemu-series\" .; "
      "git worktree add -q ../second " BRANCH, "is checked out" },
    { "already-in", "\"$SERIES_TOP/scripts/qemu-series\" .; "
      "git checkout -q " BRANCH, "the series is already in" },
};

static void test_wrong(Fixture *f, const void *data)
{
    const Wrong *w = data;

    do_sh(f, w->how);
    assert_refused(f, NULL, w->text);
}

/* A step adds lines that our file does not have */
static void test_wrong_step(Fixture *f, const void *data)
{
    g_autofree char *tool = g_build_filename(f->dir,
                                             "copy/scripts/qemu-series", NULL);
    const char *words[] = { tool, f->tree, NULL };
    g_auto(Outcome) o = { 0 };

    do_sh(f, "mkdir ../copy; cd ../copy; ln -s \"$SERIES_TOP\"/* .; "
             "rm scripts series; cp -R \"$SERIES_TOP/scripts\" "
             "\"$SERIES_TOP/series\" .; printf '\\nwith %s\\n+none\\n' "
             "hw/vfio/migration-save.c >> $(ls series/b-core/*.step | tail -1)");
    o = run_program("/", NULL, words);
    g_assert_cmpint(o.status, ==, EXIT_REFUSED);
    g_assert_true(g_str_has_prefix(o.errors, "qemu-series: series/b-core/"));
    g_assert_nonnull(strstr(o.errors, ".step: hw/vfio/migration-save.c: not as "
                            "expected. Looked for the line\n    none\n"));
}

static void test_place(Fixture *f, const void *data)
{
    g_autofree char *inside = g_build_filename(f->tree, "hw", NULL);
    g_autofree char *none = g_build_filename(f->dir, "none", NULL);
    g_auto(Outcome) in = series(inside, NULL);
    g_auto(Outcome) no = series(none, NULL);
    g_auto(Outcome) plain = series(f->dir, NULL);

    g_assert_cmpint(in.status, ==, EXIT_REFUSED);
    g_assert_nonnull(strstr(in.errors, "inside of a git checkout; give its"));
    g_assert_cmpint(no.status, ==, EXIT_REFUSED);
    g_assert_nonnull(strstr(no.errors, "no such directory"));
    g_assert_cmpint(plain.status, ==, EXIT_REFUSED);
    g_assert_nonnull(strstr(plain.errors, "not a git checkout"));
}

static void test_out_foreign(Fixture *f, const void *data)
{
    do_sh(f, "mkdir -p ../out/core; echo mine > ../out/core/notes");
    assert_refused(f, OPTIONS("--out", f->out), "holds notes, which was not");
}

static void test_out_edited(Fixture *f, const void *data)
{
    do_series(f, OPTIONS("--out", f->out));
    do_sh(f, "echo edited >> ../out/core/0000-cover-letter.patch");
    assert_refused(f, OPTIONS("--out", f->out),
                   "0000-cover-letter.patch was edited");
}

static void test_out_file(Fixture *f, const void *data)
{
    do_sh(f, "touch ../out");
    assert_refused(f, OPTIONS("--out", f->out), "is not a directory");
}

static void test_no_checkpatch(Fixture *f, const void *data)
{
    do_sh(f, "git rm -q scripts/checkpatch.pl" COMMIT);
    assert_refused(f, OPTIONS("--check"), "scripts/checkpatch.pl: the tree");
}

static void test_branch_name(Fixture *f, const void *data)
{
    assert_refused(f, OPTIONS("--branch", "no..name"), "no..name: not a name");
}

static void test_no_git(void)
{
    g_test_skip("git is not installed");
}

static void add(const char *path, const void *data,
                void (*test)(Fixture *, const void *))
{
    g_test_add(path, Fixture, data, setup, test, teardown);
}

/* The user's git configuration must not have any effect. */
static void clean_environment(void)
{
    static const char *const seconds = "1600000000 +0000";

    g_setenv("GIT_CONFIG_NOSYSTEM", "1", true);
    g_setenv("GIT_CONFIG_GLOBAL", "/dev/null", true);
    g_setenv("GIT_AUTHOR_DATE", seconds, true);
    g_setenv("GIT_COMMITTER_DATE", seconds, true);
    g_setenv("SOURCE_DATE_EPOCH", "1600000000", true);
    g_unsetenv("GIT_AUTHOR_NAME");
    g_unsetenv("GIT_AUTHOR_EMAIL");
    g_unsetenv("GIT_DIR");
    g_unsetenv("GIT_INDEX_FILE");
    g_unsetenv("GIT_WORK_TREE");
}

int main(int argc, char **argv)
{
    g_autofree char *git = g_find_program_in_path("git");
    unsigned i;

    g_test_init(&argc, &argv, NULL);
    if (!git) {
        g_test_add_func("/series/no-git", test_no_git);
        return g_test_run();
    }
    clean_environment();
    add("/series/branch", NULL, test_branch);
    add("/series/contents", NULL, test_contents);
    add("/series/each-commit", NULL, test_each_commit);
    add("/series/order", NULL, test_order);
    add("/series/callers", NULL, test_callers);
    add("/series/names", NULL, test_names);
    add("/series/again", NULL, test_again);
    add("/series/mails", NULL, test_mails);
    add("/series/part", NULL, test_part);
    add("/series/upstream", NULL, test_upstream);
    add("/series/reroll", NULL, test_reroll);
    add("/series/check", NULL, test_check);
    add("/series/check-errors", NULL, test_check_errors);
    add("/series/usage", NULL, test_usage);
    add("/series/release/7.2.0", "7.2.0", test_release);
    add("/series/release/7.2.4", "7.2.4", test_release);
    add("/series/release/" NEWEST, NEWEST, test_release);
    add("/series/release/later", NULL, test_later_release);
    add("/series/people", NULL, test_people);
    add("/series/people-usage", NULL, test_people_usage);
    add("/series/quilt/apply", NULL, test_quilt);
    add("/series/quilt/again", NULL, test_quilt_again);
    add("/series/quilt/edited", NULL, test_quilt_edited);
    add("/series/quilt/usage", NULL, test_quilt_usage);
    for (i = 0; i < G_N_ELEMENTS(wrong_package); i++) {
        g_autofree char *path = g_strconcat("/series/quilt/refused/",
                                            wrong_package[i].name, NULL);

        add(path, &wrong_package[i], test_wrong_package);
    }
    for (i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autofree char *path = g_strconcat("/series/refused/", wrong[i].name,
                                            NULL);

        add(path, &wrong[i], test_wrong);
    }
    add("/series/refused/step", NULL, test_wrong_step);
    add("/series/refused/place", NULL, test_place);
    add("/series/refused/out-foreign", NULL, test_out_foreign);
    add("/series/refused/out-edited", NULL, test_out_edited);
    add("/series/refused/out-file", NULL, test_out_file);
    add("/series/refused/no-checkpatch", NULL, test_no_checkpatch);
    add("/series/refused/branch-name", NULL, test_branch_name);
    return g_test_run();
}
