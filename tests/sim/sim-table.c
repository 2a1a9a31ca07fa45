/*
 * Tests of the simulated device: features that only it has
 *
 * Pre-copy in protocol v2, which the testbed's kernel lacks; the order of
 * several devices; drivers with quirks; the IOMMU's limits. What the kernel's
 * test driver has, too, is in device-table.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "device-play.h"
#include "sim-test.h"

#define V2 "protocol=v2\n"
#define ALL V2 "p2p=yes\npre-copy=yes\n"
#define LOG V2 "p2p=yes\nlog=yes\n"

/* 1 GiB/s, at most 5000 bytes at a time */
#define STALE ALL "precopy-size=1000\nprecopy-rate=1G\nprecopy-max=5000\n"

/* An image of two records: 200 bytes of pre-copy, then 1000 */
#define SAVER ALL "precopy-size=200\nstate-size=1000\n"
#define IMAGE "set pre-copy f; drain f = -ENOMSG; image = 200; " \
              "set stop-copy; drain f; image = 1200; set stop; close f; " \
              "use b; set resuming f; "

/* Changes that a load must detect, in a write or at its end */
#define EDIT(name, puts, corrupt) \
    { "edit/" name, SAVER, SAVER "seed=2", NULL, \
      IMAGE puts "; num corrupt = " corrupt "; set stop = -EINVAL; " \
      "is resuming; num incomplete = 1; num loaded; close f" }

#define PROFILE(name, has_flags, size, precopy, bytes) \
    { "profile/" name, "profile=" name "\nprecopy-rate=0", \
      "profile=" name "\nprecopy-rate=0\nseed=2", NULL, \
      "flags = " has_flags "; told = " size "; " precopy \
      "drain f 100001; image = " bytes "; set stop; close f; use b; " \
      "set resuming f; put-all f 77777; set stop; close f; set running; " \
      "moved; num data-fds" }
#define NO_PRECOPY "set stop-copy f; "
#define PRECOPY(end) "set pre-copy f; drain f 100001 = " end "; " \
                     "set pre-copy-p2p; set stop-copy; "

static const DeviceRow rows_v2[] = {
    PROFILE("mlx5-6.1", "3", "-ENOTTY", NO_PRECOPY, "16M"),
    PROFILE("mlx5-6.2", "7", "16M", PRECOPY("-ENOMSG"), "24M"),
    PROFILE("qat", "7", "3840", PRECOPY("0"), "4096"),
    PROFILE("pds", "3", "4000", NO_PRECOPY, "4000"),
    PROFILE("virtio", "7", "2M", PRECOPY("-ENOMSG"), "3M"),
    PROFILE("mtty", "7", "200", PRECOPY("0"), "264"),
    PROFILE("hisi", "5", "768", "set pre-copy f; drain f = -ENOMSG; "
            "set stop-copy; ", "832"),
    PROFILE("xe", "3", "64M", NO_PRECOPY, "64M"),
    PROFILE("vgpu", "1", "32M", NO_PRECOPY, "32M"),

    /* One data fd for a whole save, another one for the next */
    { "session", ALL "precopy-size=1000\nstate-size=2000", NULL, NULL,
      "set pre-copy f; fd-is f r = -EBADF; read f 4 = 4; set pre-copy-p2p; "
      "read f 4 = 4; set pre-copy; set pre-copy; set stop-copy; read f 4 = 4; "
      "set stop-copy; set stop; read f 4 = -ENODEV; set stop-copy g; "
      "read f 4 = -ENODEV; read g 4 = 4; close f; set resuming f; "
      "info f = -ENOTTY; read g 4 = -ENODEV; close g; reset; is running; "
      "write f 0 4 = -ENODEV; close f; num violation-count" },
    { "rest", SAVER, SAVER "seed=2", NULL,
      "set pre-copy f; told = 1200; read f 100 = 100; told = 1100; "
      "set stop-copy; drain f 333; told = 0; image = 1200; set stop; close f; "
      "use b; set resuming f; put-all f 1; set stop; close f; moved" },
    { "saves-again", SAVER, NULL, NULL,
      "set pre-copy f; drain f = -ENOMSG; set stop-copy; drain f; set stop; "
      "close f; image = 1200; set stop-copy f; drain f; image = 2200; "
      "set running; close f; set pre-copy f; drain f = -ENOMSG; "
      "image = 2400; set running; close f; clean" },
    { "end-enomsg", ALL "state-size=100\nstop-copy-end=enomsg", NULL, NULL,
      "set stop-copy f; drain f = -ENOMSG; image = 100; close f" },
    { "short", V2 "state-size=500\nmax-read=100\nmax-write=70", NULL, NULL,
      "set stop-copy f; read f 1000 = 100; drain f 1000; image = 500; "
      "set stop; close f; set resuming f; write f 0 500 = 70; "
      "put f 70 430 500; set stop; close f; num loaded = 1" },
    { "empty", V2 "state-size=0", NULL, NULL,
      "set stop-copy f; drain f; image = 0; set stop; close f; "
      "set resuming f; set stop; close f; clean" },

    { "initial", ALL "precopy-size=1000\ninitial-bytes=400", NULL, NULL,
      "set pre-copy f; info f 400 600; read f 300 = 300; info f 100 600; "
      "read f 300 = 300; info f 0 400; set pre-copy-p2p; "
      "drain f = -ENOMSG; info f 0 0; set running; close f; clean" },
    { "stale", STALE, NULL, NULL,
      "set pre-copy f; read f 8192 = 1000; sleep 1; info f 0 5000; "
      "read f 8192 = 5000; sleep 1; read f 8192 = 5000; set running; "
      "close f; clean" },
    /* Few changed bytes: a record is never smaller than its head. */
    { "few-stale", ALL "precopy-size=64\nprecopy-rate=1G\nprecopy-max=10",
      NULL, NULL,
      "set pre-copy f; read f 8192 = 64; sleep 1; info f 0 10; "
      "read f 8192 = 64; set running; close f" },
    { "next-by-info", STALE "precopy-next=info", NULL, NULL,
      "set pre-copy f; read f 8192 = 1000; sleep 1; read f 8192 = -ENOMSG; "
      "info f 0 5000; read f 8192 = 5000; read f 8192 = -ENOMSG; "
      "set running; close f; clean" },
    { "info-interval", STALE "precopy-next=info\nprecopy-info-ms=300", NULL,
      NULL,
      "set pre-copy f; read f 8192 = 1000; sleep 301; info f; "
      "read f 8192 = 5000; sleep 1; info f; read f 8192 = -ENOMSG; "
      "sleep 301; info f; read f 8192 = 5000; set running; close f" },
    { "reinit", STALE "precopy-next=info\nreinit=1\nkernel=7.1", NULL, NULL,
      "feature 8 0x2000c; set pre-copy f; info f 1000 ? 0; "
      "read f 8192 = 1000; sleep 1; info f 5000 ? 1; info f 5000 ? 0; "
      "read f 8192 = 5000; sleep 1; info f 0 ? 0; close f; set running; "
      "set pre-copy f; read f 8192 = 1000; sleep 1; info f 5000 ? 1; "
      "close f; reopen; set pre-copy f; read f 8192 = 1000; sleep 1; "
      "info f 0 5000; close f" },
    { "told-size", ALL "state-size=5000\ntold-size=0", NULL, NULL, "told" },
    { "told-stopped", ALL "state-size=5000\nprecopy-size=64", NULL, NULL,
      "told = 5000; set stop; told = 5000" },

    { "kernel/6.1", V2 "kernel=6.1", NULL, NULL,
      "told = -ENOTTY; feature 8 0x2000c = -ENOTTY; set stop-copy f; "
      "info f = -ENOTTY; close f; num violation-count" },
    { "kernel/6.1-einval", V2 "kernel=6.1\nunknown-feature=EINVAL", NULL,
      NULL, "told = -EINVAL; num violation-count" },
    { "kernel/6.2", V2 "kernel=6.2\nstate-size=1M", NULL, NULL,
      "told = 1M; feature 8 0x2000c = -ENOTTY" },
    { "kernel/explicit-wins",
      "state-size=1234\np2p=no\nprofile=qat\nprecopy-size=100", NULL, NULL,
      "flags = 5; told = 1234" },
    { "kernel/v1-einval", "unknown-feature=EINVAL", NULL, NULL,
      "flags = -EINVAL; num violation-count" },

    EDIT("cut", "put f 0 1199", "0"),
    EDIT("nothing-of-the-last", "put f 0 200", "0"),
    EDIT("half-a-head", "put f 0 230", "0"),
    EDIT("head", "image-flip 3; put-all f 64 = -EINVAL", "1"),
    EDIT("byte", "image-flip 777; put-all f 64 = -EINVAL; "
         "write f 0 1 = -EIO", "1"),
    EDIT("last-byte", "image-flip 1199; put-all f 64 = -EINVAL", "1"),
    EDIT("pre-copy-left-out", "put f 200 1000 = -EINVAL", "1"),
    EDIT("one-byte-left-out", "put f 0 700; put f 701 499 = -EINVAL", "1"),
    EDIT("a-word-left-out", "put f 0 704; put f 712 488 = -EINVAL", "1"),
    EDIT("pre-copy-twice", "put f 0 200; put f 0 200 = -EINVAL", "1"),
    EDIT("a-piece-twice", "put f 0 704; put f 600 600 = -EINVAL", "1"),
    EDIT("more-behind-it", "put f 0 1200; put f 0 1 = -EINVAL", "1"),
    { "edit/no-pre-copy", SAVER, V2 "p2p=yes\nstate-size=1000", NULL,
      IMAGE "put-all f = -EINVAL; set stop = -EINVAL; close f" },

    { "request/sizes", ALL, NULL, NULL,
      "feature 16 0x10001; feature 40 0x10001; feature 8 0x50001; "
      "feature 8 0x70002; feature 8 0x10003 = -ENOTTY; "
      "feature 8 0x1ffff = -ENOTTY; num violation-count; "
      "feature 15 0x10001 = -EINVAL; feature 7 0x10001 = -EINVAL; "
      "feature 15 0x10009 = -EINVAL; feature 15 0x10002 = -EINVAL; "
      "feature 16 0x20001 = -EINVAL; feature 16 1 = -EINVAL; "
      "feature 16 0x30002 = -EINVAL; feature 16 0x90001 = -EINVAL; "
      "feature 8 0x60009 = -EINVAL; num violation-count = 9" },
    { "request/states", ALL, NULL, NULL,
      "set 0 = -EINVAL; set 8 = -EINVAL; set 0xffffffff = -EINVAL; "
      "num violation-count = 3; is running; set stop-copy f; "
      "set pre-copy = -EINVAL; num violation-count = 4; set running; "
      "set pre-copy g; num violation-count = 4; set stop; "
      "num violation-count = 5; close f; close g" },
    { "request/no-p2p", V2 "pre-copy=yes", NULL, NULL,
      "set running-p2p = -EINVAL; set pre-copy-p2p = -EINVAL; "
      "num violation-count = 2; set pre-copy f; set stop; close f; "
      "num violation-count = 2" },
    /* A cancel leaves data unread: this is counted, but not a violation. */
    { "request/unfinished", ALL "state-size=1000", NULL, NULL,
      "set stop-copy f; read f 1 = 1; set stop; close f; "
      "num unfinished-saves = 1; set pre-copy f; set running; close f; "
      "num unfinished-saves = 1; num violation-count; set stop-copy f; "
      "drain f 100; num violation-count; read f 1 = 0; "
      "num violation-count = 1; set stop; close f; "
      "num unfinished-saves = 1" },
    { "request/open-files", ALL, NULL, NULL,
      "set pre-copy f; set running; set stop-copy g; num data-fds = 2; "
      "close f; num data-fds = 1; reopen; num violation-count = 1; "
      "read g 1 = -ENODEV; close g; num data-fds" },
    { "request/info", ALL, NULL, NULL,
      "set pre-copy f; short-info f = -EINVAL; num violation-count = 1; "
      "info f; set stop-copy; info f = -EINVAL; num violation-count = 2; "
      "set running; info f = -ENODEV; num violation-count = 2; close f" },
    { "ways/pre-copy", V2 "pre-copy=yes", NULL, NULL, "ways 5" },
    { "ways/all", ALL, NULL, NULL, "ways 7" },
    { "ways/halfway", ALL, NULL,
      "stop event=state-write from=running-p2p to=stop errno=EBUSY\n"
      "copy event=state-write from=pre-copy-p2p to=stop-copy errno=EINTR\n"
      "dead event=state-write to=resuming device-state=error",
      "set stop-copy = -EBUSY; is running-p2p; set pre-copy f; "
      "set stop-copy = -EINTR; is pre-copy-p2p; set stop-copy; "
      "read f 4 = 4; set resuming = -EIO; is error; read f 4 = -ENODEV; "
      "set stop = -EINVAL; reset; is running; close f" },
    { "fault/values", ALL, NULL,
      "flags event=migration-flags value=0xfffffffffffffff0 count=2\n"
      "size event=data-size value=0x7fffffffffffffff\n"
      "info event=precopy-info value=0x4000000000000000\n"
      "get event=state-read value=77",
      "flags = 7; flags = 0xfffffffffffffff0; told = 0x7fffffffffffffff; "
      "set pre-copy f; info f 0x4000000000000000 0x4000000000000000; is 77; "
      "is pre-copy; close f" },
    { NULL }
};

/* Each call of a device in pre-copy: an errno, the error state, a delay */
#define CALL(event, call, good) \
    { "fault/errno/" event, SAVER "log=yes", NULL, \
      "x event=" event " state=pre-copy count=2 errno=EBUSY", \
      "set pre-copy f; " call " = " good "; fired x; " call " = -EBUSY; " \
      "fired x = 1; " call " = " good "; read f 1 = 1; fired x = 1; " \
      "num violation-count; close f" }, \
    { "fault/error-state/" event, SAVER "log=yes", NULL, \
      "x event=" event " state=pre-copy device-state=error", \
      "set pre-copy f; " call " = -EIO; fired x = 1; is error; " \
      "read f 1 = -ENODEV; info f = -ENODEV; told = -EIO; " \
      "set stop-copy = -EINVAL; reset; is running; num violation-count; " \
      "close f" }, \
    { "fault/delay/" event, SAVER "log=yes", NULL, \
      "x event=" event " state=pre-copy delay-ms=20", \
      "set pre-copy f; clock; " call " = " good "; took 20; fired x = 1; " \
      "close f" }

static const DeviceRow rows_fault[] = {
    CALL("migration-flags", "flags", "7"),
    CALL("state-read", "is pre-copy", "0"),
    CALL("data-read", "read f 1", "1"),
    CALL("precopy-info", "info f", "0"),
    CALL("feature", "feature 8 0x60006", "0"),
    { "fault/errno/state-write", SAVER, NULL,
      "x event=state-write state=pre-copy errno=EBUSY",
      "set pre-copy f; set pre-copy-p2p = -EBUSY; set pre-copy-p2p; "
      "fired x = 1; close f" },
    { "fault/errno/data-size", SAVER, NULL, "x event=data-size errno=EBUSY",
      "told = -EBUSY; told = 1000; fired x = 1" },
    /* The same rule with a device of v1 */
    { "fault/v1-flr", "", NULL,
      "x event=pending-read state=stop-copy flr=now",
      "set stop-copy; pending = 1M; is running; fired x = 1" },
    { "fault/eintr", "areas=none", NULL, "x event=data-read errno=EINTR",
      "set stop-copy; pending = 1M; offset = 4K; size = 1M; "
      "r 4096 64 = -EINTR; r 4096 64" },
    /* The information was also read when the device was opened. */
    { "fault/device-info", "", NULL, "x event=device-info count=2 errno=ENXIO",
      "ask device-info = -ENXIO; ask device-info; fired x = 1" },
    { "fault/iommu-info", "", NULL, "x event=iommu-info errno=ENXIO",
      "ask iommu-info = -ENXIO; ask iommu-info; fired x = 1" },
    /* The first matching rule in the file fires, the other one later. */
    { "fault/two-rules", "areas=none", NULL,
      "x event=state-read errno=EIO\n"
      "y event=any-call errno=EBUSY once=no count=4",
      "is running = -EIO; is running = -EBUSY; fired x = 1; fired y = 1" },
    { "fault/container-calls", "", NULL,
      "x event=any-container-call phase=migration count=2 errno=ENOMEM",
      "map 0 1P; unmap 0 1P = 4096; dirty 1; ask iommu-info; "
      "bits 0 1P = -ENOMEM; fired x = 1" },
    { NULL }
};

/* ---- several devices: none may stop while another can still use it ---- */

/* States by number: 2 running, 5 and 7 P2P, 1 stop ... */
#define ORDER(name, order, keys_a, keys_b, script) \
    { "order/" name, V2 keys_a, V2 keys_b "\n[sim]\np2p-order=" order, NULL, \
      script }
#define ON "command 2; use b; command 2; use a; "
#define BAD_A "num violation-count = 1; "
#define PP "p2p=yes\npre-copy=yes"

static const DeviceRow rows_order[] = {
    ORDER("two-passes", "auto", PP, PP, ON
          "set 5; use b; set 5; use a; set 1; use b; set 1; set 5; use a; "
          "set 5; use b; set 2; clean; use a; set 2; clean"),
    ORDER("one-by-one", "auto", PP, PP, ON
          "set 5; set 1; " BAD_A "use b; set 5; set 1; use a; set 5; "
          BAD_A "set 2; num violation-count = 2; use b; set 5; set 2; clean"),
    ORDER("in-one-go", "auto", PP, PP, ON
          "set 1; " BAD_A "use b; set 1; clean; set 2; " BAD_A "use a; set 2; "
          BAD_A),
    ORDER("pre-copy", "auto", PP, PP, ON
          "set 6 f; use b; set 6 g; use a; set 7; use b; set 7; use a; set 3; "
          "use b; set 3; use a; set 1; num violation-count; use b; set 1; "
          "num violation-count; close f; close g"),
    ORDER("pre-copy-one-by-one", "auto", PP, PP, ON
          "set 6 f; use b; set 6 g; use a; set 7; set 3; " BAD_A
          "close f; close g"),
    ORDER("pre-copy-beside-running", "auto", PP, PP, ON
          "set 6 f; set 7; use b; set 5; use a; set 3; use b; set 1; clean; "
          "use a; num violation-count; close f"),
    ORDER("cancel", "auto", PP, PP, ON
          "set 6 f; use b; set 6 g; use a; set 2; num violation-count; use b; "
          "set 2; num violation-count; close f; close g"),
    ORDER("stopped-before", "auto", PP, PP, ON
          "set 1; " BAD_A "set 3 f; set 1; " BAD_A "close f"),
    ORDER("never-on", "auto", PP, PP,
          "set 1; use b; set 1; set 2; use a; set 2; clean; use b; clean"),
    ORDER("always", "always", PP, PP, "set 1; " BAD_A),
    ORDER("never", "never", PP, PP, ON
          "set 1; use b; set 1; set 2; use a; set 2; clean; use b; clean"),
    ORDER("other-has-no-p2p", "auto", PP, "", ON
          "set 1; clean; use b; set 1; clean; set 2; " BAD_A "use a; set 2; "
          "clean"),
    ORDER("load", "auto", PP, PP, ON
          "set 4 f; use b; set 4 g; use a; set 5; use b; set 5; use a; set 2; "
          "num violation-count; use b; set 2; num violation-count; close f; "
          "close g"),
    ORDER("load-one-by-one", "auto", PP, PP, ON
          "set 4 f; use b; set 4 g; use a; set 5; set 2; " BAD_A
          "close f; close g"),
    ORDER("other-failed", "auto", PP,
          PP "\n[fault f]\ndevice=b\nevent=state-write\nerrno=EIO", ON
          "use b; set 5 = -EIO; use a; set 5; set 1; num violation-count; "
          "use b; set 5; use a; set 5; set 2; use b; set 2; "
          "num violation-count"),
    { NULL }
};

/* ---- the log of a device's DMA ---- */

#define BASE "map 16M 16M; "

static const DeviceRow rows_log[] = {
    { "pages", LOG, NULL, NULL,
      BASE "dma 0x1001000 8; log 1P 0x1400000+1024P 16M+128P; num log.on = 1; "
      "report 16M 128P = 0; dma 16M 8; dma 0x1005000 8; dma 0x1080000 8; "
      "dma 0x1406000 8; report 16M 64P = 0x21; report 16M 64P = 0; "
      "dma 0x1005000 8; report 0x1005000 1P = 1; report 0x1400000 64P = 0x40; "
      "report 0x1400000 64P = 0; dma 0x1007000 8; dma 0x1008000 8; log-off; "
      "num log.on; num log.unread-pages = 2; log-off = -EINVAL; "
      "log 1P 16M+128P; report 16M 128P = 0; log-off; clean" },
    /* One write across the boundary of both ranges, and of two pages */
    { "edges", LOG, NULL, NULL,
      BASE "log 1P 16M+2P 0x1003000+2P; dma 0x1001ff8 4112; "
      "report 16M 2P = 2; report 0x1003000 2P = 1; dma 0x1000ff8 16; "
      "report 16M 2P = 3; clean" },
    /* Bits are added to the caller's bitmap, with the caller's page size. */
    { "bitmap", LOG, NULL, NULL,
      BASE "log 1P 16M+16M; dma 0x103f000 8; "
      "report 16M 1024P 16P 0x10000000000 = 0x10000000008; "
      "report 16M 1024P = 0" },
    /* A device with pages of 64 KiB keeps one that was reported in part. */
    { "coarse", LOG "log-page-size=64K", NULL, NULL,
      BASE "log 1P 16M+256P; dma 0x1014000 8; report 0x1010000 4P = 0xf; "
      "report 0x1010000 16P = 0xffff; report 16M 64P = 0" },
    { "limits", LOG "log-max-ranges=2\nlog-min-bytes=12K\nlog-max-bytes=48K",
      NULL, NULL,
      "log 1P 0+1P 4096+1P = -EOPNOTSUPP; "
      "log 1P 0+1P 0x64000+1P 0x6e000+1P; report 0x64000 11P = 0; "
      "report 0 1P = 0; report 0 2P = -EINVAL; log-off" },
    { "refusals-count", LOG, NULL, NULL,
      "log 1P = -EINVAL; log 3P 0+3P = -EINVAL; log 1P many 257 = -E2BIG; "
      "log 1P 4096+2P 8192+1P = -EINVAL; num violation-count = 4; num log.on; "
      "log 1P many 256; num violation-count = 4" },
    { "rounding", "profile=pds\nstate-size=1M", NULL, NULL,
      BASE "log 1P 0x1001000+1024P; dma 0x1041000 8; dma 0x1043000 8; "
      "dma 0x1065000 8; dma 0x1083000 8; "
      "report 0x1041000 64P = 0x1000000005; "
      "dma 0x1041000 8; dma 0x1043000 8; dma 0x1065000 8; dma 0x1083000 8; "
      /* From page 66: page 64 is lost, and the last two are not reported. */
      "report 0x1043000 66P = 0x400000001; report 0x1041000 64P = 0; "
      "report 0x1081000 64P = 4" },
    { "empty", "profile=mtty", NULL, NULL,
      BASE "log 1P 16M+64P; dma 0x1003000 8; report 16M 64P = 0; log-off" },
    { "misuse-taken", LOG "log-misuse=take", NULL, NULL,
      "report 0 1P = 0; log 1P 0+16M; log 1P 0+16M; report 0 1P = 0; "
      "num violation-count = 2" },
    { "kept-over-reset", LOG, NULL, NULL,
      BASE "log 1P 16M+64P; dma 0x1003000 8; reset; report 16M 64P = 8" },
    { "absent-einval", V2 "unknown-feature=EINVAL", NULL, NULL,
      "log 1P 0+64P = -EINVAL; num violation-count" },
    { NULL }
};

/* ---- the IOMMU's limits, and which pages are dirty ---- */

static const DeviceRow rows_memory[] = {
    { "map-limits", "[container]\nmax-mappings=4\niova-ranges=0+1M;2M+1M",
      NULL, NULL,
      "map 0x10000 0x10000; map 0x180000 1P = -EINVAL; "
      "map 0xff000 2P = -EINVAL; map 0x20000 1P; map 0x200000 1P; map 0 1P; "
      "map 0x8000 1P = -ENOSPC" },
    { "unmap-end", "", NULL, NULL,
      "map 0xfffffffffffff000 1P; unmap 0xfffffffffffff000 1P = 4096; "
      "unmap 0 1P 2 = -EINVAL" },
    { "bitmap-limit", "[container]\nmax-bitmap-size=16", NULL, NULL,
      "map 0x10000 16P; dirty 1; bits 0x10000 16P = 0; "
      "bits 0 64P = 0; bits 0 65P 16 = 0; bits 0 65P 24 = -EINVAL" },
    { "pinned", "pinned=0x12000+0x1001;0x1f000+0x5000", NULL, NULL,
      "map 0x10000 16P; dirty 1; bits 0x10000 16P = 0x800c; "
      "bits 0x10000 16P = 0x800c; map 0x20000 16P; bits 0x20000 16P = 0xf; "
      /* Bit 0 is the range's first page, whether or not it is mapped. */
      "bits 0xd000 64P = 0x7c0060" },
    { "all-dirty", "[container]\ndirty-mode=all", NULL, NULL,
      "map 0x10000 4P; dirty 1; bits 0x10000 4P = 0xf; bits 0x10000 4P = 0xf" },
    { "unmap-dirty", "pinned=0x11000+0x1000", NULL, NULL,
      "map 0x10000 4P; unmap 0x10000 4P 1 = -EINVAL; dirty 1; "
      "unmap 0x10000 65P 1 = -EINVAL; unmap 0x10000 4P 1 = 2; "
      "unmap 0x10000 4P = 0" },
    { "redirty", "precopy-size=64K\nprecopy-rate=64M\nprecopy-max=128K", NULL,
      NULL,
      "set pre-copy; sleep 10; pending = 128K; save-chunk; sleep 10; "
      "pending = 128K; set running; clean" },
    { NULL }
};

void sim_test_table_add(const DeviceHost *host)
{
    device_play_add("/sim/v1", device_rows_v1, host);
    device_play_add("/sim/v2", device_rows_v2, host);
    device_play_add("/sim/log", device_rows_log, host);
    device_play_add("/sim/memory", device_rows_memory, host);
    device_play_add("/sim/v2", rows_v2, host);
    device_play_add("/sim", rows_fault, host);
    device_play_add("/sim/v2", rows_order, host);
    device_play_add("/sim/log", rows_log, host);
    device_play_add("/sim/memory", rows_memory, host);
}
