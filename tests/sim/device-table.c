/*
 * Tests of the test devices: the behaviour required of each of them
 *
 * Run with the simulated device and, in a VM, with the kernel's test driver:
 * tests/sim/device-play.h. Rows for the simulation only are in sim-table.c.
 *
 * SPDX-License-Identifier: GPL-2.0-or-later
 */
#include "device-play.h"

/* ---- v1 ---- */

#define MOVE "save; use b; load; moved; "
#define ALL_MAPPED MOVE "num trapped-bytes; use a; num trapped-bytes"
#define ALL_TRAPPED MOVE "num mapped-bytes; use a; num mapped-bytes"

/* Only the call between the two counts is a violation. */
#define WRONG(name, script) \
    { name, "reserved-bits=0xa0\nwindow-size=64K\nareas=none\n" \
      "chunk-size=4K", NULL, NULL, \
      "is 0xa1; num violation-count; " script "; num violation-count = 1" }

#define DAMAGE(name, precopy, script, corrupt, incomplete) \
    { name, "window-size=64K\nstate-size=256K\nprecopy-size=" precopy, \
      "seed=2\nwindow-size=128K", NULL, \
      script "; use b; load = -EINVAL; num corrupt = " corrupt \
      "; num incomplete = " incomplete "; is resuming; num loaded; " \
      "num violation-count" }

/* The call fails once, and succeeds when it is repeated. */
#define FAULT(event, before, call, good) \
    { "fault/" event, "areas=none\nwindow-size=64K\nstate-size=128K\n" \
      "on-corrupt=record", NULL, "x event=" event " errno=ENOSPC", \
      before "fired x; " call " = -ENOSPC; fired x = 1; " \
      call " = " good "; fired x = 1" }

const DeviceRow device_rows_v1[] = {
    { "layout/mapped", "window-size=256K", "window-size=256K\nseed=2", NULL,
      ALL_MAPPED },
    { "layout/trapped", "window-size=256K\nareas=none",
      "window-size=256K\nareas=none\nseed=2", NULL, ALL_TRAPPED },
    { "layout/empty-list", "areas=empty-list", "areas=empty-list\nseed=2",
      NULL, ALL_TRAPPED },
    { "layout/whole-region", "areas=whole-region",
      "areas=whole-region\nseed=2", NULL, ALL_MAPPED },
    { "layout/stripes", "window-size=512K\nareas=stripes:64K",
      "window-size=512K\nareas=stripes:64K\nseed=2", NULL, MOVE },
    { "layout/all-but-last-page", "areas=all-but-last-page",
      "areas=all-but-last-page\nseed=2", NULL, MOVE },
    { "layout/unsorted", "window-size=64K\n"
      "areas=0x9000+0x2000;0x1000+0x2000;0x3000+0x1000;0x6000+0",
      "window-size=64K\nareas=0x5000+0x1000;0x2000+0x1000\nseed=2", NULL,
      MOVE },
    { "layout/beyond-and-overlapping", "window-size=64K\nregion-size=0x11000\n"
      "areas=0x2000+0x4000;0x4000+0x4000;0x20000+0x1000;0x10000+0x9000",
      "window-size=64K\nareas=0x8000+0x100000\nseed=2", NULL, MOVE },
    { "layout/odd-chunks", "window-size=64K\nareas=stripes:4K\n"
      "chunk-size=65536;4097;96;1;7;31;33;63;64;100;4095\n"
      "chunk-start=0;0;5;0x1000;4095;3",
      "window-size=128K\nareas=stripes:8K\nchunk-start=17;0;0x2001\nseed=2",
      NULL, MOVE },
    { "layout/tiny-chunks", "state-size=1000\nchunk-size=1;2;3;8;40;5",
      "seed=2", NULL, MOVE },
    { "layout/tiny-state", "state-size=63\nchunk-size=10\nseed=9",
      "state-size=63\nseed=9", NULL, MOVE },
    { "layout/no-room-for-registers", "state-size=135\nseed=9",
      "state-size=135\nseed=8", NULL, MOVE },
    { "layout/room-for-registers", "state-size=137\nseed=9",
      "state-size=137\nseed=8", NULL, MOVE },
    { "layout/one-byte", "state-size=1\nseed=9", "state-size=1\nseed=9", NULL,
      MOVE },
    { "layout/quarter-window", "window-size=256K",
      "window-size=64K\nsplit=allow\nseed=2", NULL,
      "save; use b; load split; moved" },
    { "layout/8-byte-driver", "window-size=64K\nareas=all\nmax-access=8",
      "window-size=64K\nareas=all\nmax-access=8\nseed=2", NULL,
      ALL_MAPPED },
    { "layout/large-offset", "data-offset=64K\nregion-size=4M",
      "data-offset=40\nareas=none\nseed=2", NULL, MOVE },
    { "layout/precopy", "window-size=64K\nprecopy-size=300000", "seed=2",
      NULL, "save 3; use b; load; moved; use a; num saved-bytes = 1245184" },

    /* An unacknowledged chunk may or may not have been sent. */
    { "unacked/sent", "window-size=64K\nprecopy-size=256K", "seed=2", NULL,
      "set pre-copy; save-chunk; save-chunk; set stop-copy; save-rest; use b; "
      "load; clean; use a; num unacked-chunks = 1" },
    { "unacked/dropped", "window-size=64K\nprecopy-size=256K", "seed=2", NULL,
      "set pre-copy; save-chunk; save-chunk; drop; set stop-copy; save-rest; "
      "use b; load; clean; use a; num unacked-chunks = 1" },
    { "ping-pong", "state-size=100000", "state-size=100000\nseed=2", NULL,
      "save 1; changed; use b; load; moved; use a; set running; keep 0;"
      "use b; save 1; changed; use a; load; clean; use b; set running;"
      "keep 0; use a; save 1; changed; use b; load; moved" },
    { "rates", "save-rate=10M", "load-rate=20M\nseed=2", NULL,
      "clock; save; took 100; use b; clock; load; took 50; moved" },

    DAMAGE("damage/bit", "0", "save; flip 1 40000", "1", "0"),
    DAMAGE("damage/head", "0", "save; flip 0 20", "1", "0"),
    DAMAGE("damage/chunk-head", "0", "save; flip 2 9", "1", "0"),
    DAMAGE("damage/missing", "0", "save; drop 1", "1", "0"),
    DAMAGE("damage/first-missing", "0", "save; drop 0", "1", "0"),
    DAMAGE("damage/last-missing", "0", "save; drop", "0", "1"),
    DAMAGE("damage/twice", "0", "save; again 1", "1", "0"),
    DAMAGE("damage/swapped", "0", "save; swap 1 2", "1", "0"),
    DAMAGE("damage/cut", "0", "save; shorten 1 65535", "1", "0"),
    DAMAGE("damage/split", "0", "save; split 4096", "1", "0"),
    DAMAGE("damage/merged", "0", "save; merge 0", "1", "0"),
    DAMAGE("damage/stale-page", "0", "save; zero 3 8192 4096", "1", "0"),
    DAMAGE("damage/precopy-missing", "128K", "save 2; drop 1", "0", "1"),
    DAMAGE("damage/only-precopy", "128K", "save 2; keep 2", "0", "1"),
    { "damage/recorded", "window-size=64K\nstate-size=256K",
      "window-size=128K\non-corrupt=record\non-incomplete=error", NULL,
      "save; flip 1 40000; use b; load = -EINVAL; num corrupt = 1; "
      "num incomplete = 1; num device-state = 6" },
    { "damage/no-data", "", "require-data=yes", NULL,
      "set resuming; set running; num loaded; use b; set resuming; "
      "set running = -EINVAL; num incomplete = 1" },

    /* To stop, running, stop-copy, pre-copy, resuming */
    { "arcs/kernel", "strictness=kernel", NULL, NULL,
      "arcs stop y....; arcs running yyyyy; arcs stop-copy y.y..; "
      "arcs pre-copy ..yy.; arcs resuming .y..y; num refused = 13; clean" },
    { "arcs/drawn", "strictness=drawn", NULL, NULL,
      "arcs stop yyy.y; arcs running yyyyy; arcs stop-copy yyy..; "
      "arcs pre-copy .yyy.; arcs resuming .y..y; num refused = 8; clean" },
    { "arcs/lenient", "strictness=lenient", NULL, NULL,
      "arcs stop yyyyy; arcs running yyyyy; arcs stop-copy yyyyy; "
      "arcs pre-copy yyyyy; arcs resuming yyyyy; num refused = 0; clean" },
    { "arcs/libvfio-user", "strictness=libvfio-user", NULL, NULL,
      "arcs stop yy...; arcs running yyyyy; arcs stop-copy yyy..; "
      "arcs pre-copy y.yy.; arcs resuming .y..y; num refused = 10; clean" },
    { "arcs/own", "strictness=kernel\naccept=pre-copy>running\n"
      "refuse=001>011;001>100\nrefuse-errno=EBUSY", NULL, NULL,
      "set pre-copy = -EBUSY; set resuming = -EBUSY; set stop-copy; "
      "num refused = 2" },
    { "error-state", "", NULL,
      "f event=state-write to=pre-copy device-state=error errno=ENXIO",
      "set pre-copy = -ENXIO; is error; set stop = -EINVAL; "
      "set running = -EINVAL; set stop-copy = -EINVAL; "
      "set pre-copy = -EINVAL; set resuming = -EINVAL; pending = -EIO; "
      "offset = -EIO; tell 1 = -EIO; reset; set pre-copy; "
      "num state-lost = 1; num resets = 1; clean" },

    WRONG("violation/width", "r 8 4 = -EINVAL"),
    WRONG("violation/offset", "r 12 8 = -EINVAL"),
    WRONG("violation/wide-state", "w 0 8 = -EINVAL"),
    WRONG("violation/read-only", "w 16 8 = -EINVAL"),
    WRONG("violation/state-101", "set 0xa5 = -EINVAL; is 0xa1"),
    WRONG("violation/state-110", "set 0xa6 = -EINVAL; is 0xa1"),
    WRONG("violation/reserved-bits", "set 3; is 0xa3; set 0xa1; is 0xa1"),
    WRONG("violation/size-before-offset",
          "set 0xa2; pending = 1M; size = -EINVAL"),
    WRONG("violation/offset-before-pending", "set 0xa2; offset = -EINVAL"),
    WRONG("violation/offset-at-end", "set 0xa3; pending; offset = -EINVAL"),
    WRONG("violation/pending-before-size",
          "set 0xa2; pending = 1M; offset = 4K; pending = 1M"),
    WRONG("violation/offset-while-running", "offset = -EINVAL"),
    WRONG("violation/size-while-running", "tell 4096 = -EINVAL"),
    WRONG("violation/read-outside", "r 4096 8 = -EINVAL"),
    WRONG("violation/read-beyond-chunk",
          "set 0xa2; pending = 1M; offset = 4K; size = 4K; r 8188 8 = -EINVAL"),
    WRONG("violation/write-unasked", "set 0xa4; w 4096 8 = -EINVAL"),
    WRONG("violation/size-unasked", "set 0xa4; tell 4096 = -EINVAL"),
    WRONG("violation/size-zero", "set 0xa4; offset = 4K; tell 0 = -EINVAL"),
    WRONG("violation/size-beyond",
          "set 0xa4; offset = 4K; tell 65537 = -EINVAL"),
    WRONG("violation/size-huge",
          "set 0xa4; offset = 4K; tell 0xffffffffffffffff = -EINVAL"),
    WRONG("violation/between-parts", "r 0x100 8 = -EINVAL"),
    WRONG("violation/across-the-end", "w 69628 8 = -EINVAL"),
    WRONG("violation/far-away", "r 0x8000000000 8 = -EINVAL"),
    WRONG("violation/at-the-regions-end", "w 0xfffffffffc 4 = -EINVAL"),
    { "allowed", "window-size=64K", NULL, NULL,
      "r 4 4; w 4 4; pending; set stop-copy; pending = 1M; pending = 1M; "
      "offset = 4K; offset = 4K; size = 64K; size = 64K; r 4096 8; clean" },
    { "mmap", "areas=0x4000+0x2000;0x2000+0x1000;0x6000+0x1000\n"
      "window-size=64K", NULL, NULL,
      "mmap 0x4000 0x2000; mmap 0x5000 0x1000; mmap 0x2000 0x1000;"
      "mmap 0x4000 0x1000 private = -EINVAL; mmap 0x2000 0x2000 = -EINVAL;"
      "mmap 0x5000 0x2000 = -EINVAL; mmap 0x3000 0x1000 = -EINVAL;"
      "mmap 0 0x1000 = -EINVAL; mmap 0x20000 0x1000 = -EINVAL;"
      "mmap 0x8000000000 0x1000 = -EINVAL" },

    FAULT("state-write", "", "set stop", "0"),
    FAULT("state-read", "", "is running", "0"),
    FAULT("pending-read", "set stop-copy; ", "pending", "128K"),
    FAULT("data-offset-read", "set stop-copy; pending = 128K; ", "offset",
          "4K"),
    FAULT("data-size-read", "set stop-copy; pending = 128K; offset = 4K; ",
          "size", "64K"),
    FAULT("data-size-write", "set resuming; offset = 4K; ", "tell 4096", "0"),
    FAULT("data-read", "set stop-copy; pending = 128K; offset = 4K; "
          "size = 64K; ", "r 4096 8", "8"),
    FAULT("data-write", "set resuming; offset = 4K; ", "w 4096 8", "8"),
    FAULT("irq-info", "", "ask irq-info", "0"),
    FAULT("set-irqs", "", "ask set-irqs", "0"),
    FAULT("reset", "", "reset", "0"),
    FAULT("config-read", "", "region 7 4 2", "2"),
    FAULT("config-write", "", "region 7 4 2 w", "2"),
    FAULT("bar-read", "", "region 0 16 4", "4"),
    FAULT("bar-write", "", "region 0 16 4 w", "4"),
    { "fault/short", "areas=none\nwindow-size=64K", NULL,
      "f event=data-read short=100\ng event=data-read short=0 count=2\n"
      "p event=pending-read short=4 count=2\n"
      "s event=state-write short=2 count=2",
      "set stop-copy; pending = 1M; offset = 4K; size = 64K; "
      "r 4096 4096 = 100; r 4096 4096 = 0; r 4096 4096; fired f = 1; "
      "fired g = 1; r 8 8 = 4; w 0 4 = 2" },
    { "fault/value", "areas=none\nwindow-size=64K", NULL,
      "f event=data-offset-read value=0x123456789abc\n"
      "g event=state-read value=6 once=no\n"
      "h event=state-write once=no count=2 every=3 errno=EIO",
      "set stop-copy; pending = 1M; offset = 0x123456789abc; offset = 4K; "
      "is error; is error; fired g = 2; set running = -EIO; set running; "
      "set running; set running = -EIO; set running; num violation-count" },
    { "fault/empty-chunk", "areas=none\nwindow-size=64K\nstate-size=128K",
      "seed=2", "f event=data-size-read count=2 value=0\n"
      "g event=pending-read state=pre-copy value=4096",
      "set pre-copy; pending = 4096; offset = 4K; size = 0; pending = 0; "
      "set stop-copy; pending = 128K; offset = 4K; size = 0; pending = 128K; "
      "save-rest; use b; load; clean; use a; fired f = 1; fired g = 1; "
      "num violation-count" },
    { "fault/delay", "", NULL, "f event=state-write delay-ms=50",
      "clock; set pre-copy; took 50" },
    { "fault/error-by-read", "", NULL,
      "f event=pending-read device-state=error",
      "set pre-copy; pending = -EIO; is error" },
    { "fault/conditions", "", NULL,
      "arc event=state-write from=pre-copy to=stop-copy errno=EBUSY\n"
      "state event=pending-read state=stop-copy errno=EAGAIN\n"
      "third event=state-read count=2 errno=EIO",
      "set pre-copy; pending; set stop-copy = -EBUSY; set stop-copy; "
      "pending = -EAGAIN; pending = 1M; is stop-copy; is stop-copy = -EIO; "
      "is stop-copy; fired third = 1" },
    { NULL }
};

/* ---- v2 ---- */

#define P2P "protocol=v2\np2p=yes\n"

/* What device a saves into the image: 64 KiB */
#define IMAGE "set stop-copy f; drain f; image = 64K; set stop; close f; "

#define LOAD_RULE(name, keys, edit, put, stop, state, loaded) \
    { "load/" name, P2P "state-size=64K", P2P "seed=2\n" keys, NULL, \
      IMAGE edit "use b; set resuming f; put-all f 1000 = " put "; " \
      "set stop = " stop "; is " state "; num loaded = " loaded "; close f; " \
      "reset; is running; num violation-count" }

#define FAULT2(event, before, call, good) \
    { "fault/" event, P2P "state-size=64K", NULL, \
      "x event=" event " errno=ENOSPC", \
      before call " = -ENOSPC; fired x = 1; " call " = " good "; " \
      "fired x = 1" }

const DeviceRow device_rows_v2[] = {
    { "flags/plain", "protocol=v2", NULL, NULL, "flags = 1" },
    { "flags/p2p", P2P, NULL, NULL, "flags = 3" },
    { "flags/profile", "profile=vgpu", NULL, NULL, "flags = 1" },
    { "flags/explicit", "profile=vgpu\np2p=yes", NULL, NULL, "flags = 3" },
    { "flags/none", P2P "migration=no", NULL, NULL, "flags = -ENOTTY" },
    { "flags/v1", "", NULL, NULL, "flags = -ENOTTY; is running" },

    /* The arcs that the core requests from a driver, for each set of flags */
    { "ways/plain", "protocol=v2", NULL, NULL, "ways 1" },
    { "ways/p2p", P2P, NULL, NULL, "ways 3" },

    { "move/sizes", P2P "state-size=9M", P2P "seed=2", NULL,
      "set stop-copy f; drain f 8M; set stop; close f; use b; "
      "set resuming f; put-all f 5M; set running; close f; moved" },
    { "move/bytes", P2P "state-size=1501", P2P "seed=2", NULL,
      "set stop-copy f; drain f 1; set stop; close f; use b; "
      "set resuming f; put-all f 7; set running; close f; moved" },
    { "move/tiny", P2P "state-size=63\nseed=9",
      P2P "state-size=63\nseed=9", NULL,
      "set stop-copy f; drain f 10; set stop; close f; use b; "
      "set resuming f; put-all f 10; set running; close f; moved" },
    { "move/again", P2P "state-size=1000", P2P "seed=2", NULL,
      "set stop-copy f; drain f; set running; close f; set stop-copy f; "
      "drain f; set stop; close f; image = 2000; use b; set resuming f; "
      "put f 1000 1000; set stop; close f; use a; num data-fds; clean; "
      "use b; num loaded = 1; clean" },

    { "file/save", P2P "state-size=64K", NULL, NULL,
      "set stop-copy f; fd-is f r = -EBADF; read f 1M = 64K; read f 1 = 0; "
      "set stop-copy; set stop; read f 1 = -ENODEV; set stop-copy g; "
      "read f 1 = -ENODEV; read g 1 = 1; num data-fds = 2; close f; close g; "
      "num data-fds" },
    { "file/load", P2P "state-size=64K", NULL, NULL,
      "set resuming f; fd-is f w = -EBADF; reset; is running; "
      "write f 0 1 = -ENODEV; close f; clean" },
    { "file/left", P2P "state-size=64K", NULL, NULL,
      "set stop-copy f; reset; read f 1 = -ENODEV; close f; set stop-copy f; "
      "reopen; read f 1 = -ENODEV; is running; set stop-copy g; "
      "read f 1 = -ENODEV; read g 1 = 1; close f; close g" },

    /* Running changes a device's state; its DMA ends when it stops. */
    { "stops", P2P "dma-rate=1M\ndma-size=4K", NULL, NULL,
      "num dma.running = 1; changed; set running-p2p; num dma.running = 1; "
      "set stop; changed; num dma.running = 0; set running-p2p; "
      "num dma.running = 1" },

    LOAD_RULE("whole", "", "", "0", "0", "stop", "1"),
    LOAD_RULE("wrong", "", "image-flip 900; ", "-EINVAL", "-EINVAL",
              "resuming", "0"),
    LOAD_RULE("wrong-errno", "data-errno=EOPNOTSUPP", "image-flip 900; ",
              "-EOPNOTSUPP", "-EINVAL", "resuming", "0"),
    LOAD_RULE("wrong-at-stop", "data-check=stop", "image-flip 900; ", "0",
              "-EINVAL", "resuming", "0"),
    LOAD_RULE("wrong-taken", "data-check=never", "image-flip 900; ", "0", "0",
              "stop", "1"),
    LOAD_RULE("wrong-ignored", "completeness=ignore", "image-flip 900; ",
              "-EINVAL", "-EINVAL", "resuming", "0"),
    LOAD_RULE("cut", "", "image-cut 1000; ", "0", "-EINVAL", "resuming", "0"),
    LOAD_RULE("cut-error", "on-incomplete=error", "image-cut 1000; ", "0",
              "-EINVAL", "error", "0"),
    LOAD_RULE("cut-ignored", "completeness=ignore", "image-cut 1000; ", "0",
              "0", "stop", "1"),
    LOAD_RULE("cut-unchecked", "data-check=never", "image-cut 1000; ", "0",
              "-EINVAL", "resuming", "0"),
    LOAD_RULE("format", "format=7", "", "-EINVAL", "-EINVAL", "resuming",
              "0"),
    LOAD_RULE("max", "load-max=64K", "", "0", "0", "stop", "1"),
    LOAD_RULE("beyond-max", "load-max=65535", "", "-ENOMEM", "-EINVAL",
              "resuming", "0"),
    LOAD_RULE("beyond-max-errno", "load-max=65535\nload-max-errno=EINVAL", "",
              "-EINVAL", "-EINVAL", "resuming", "0"),
    /* A reset ends a failed load; the limit is per load. */
    { "load/again", P2P "state-size=64K", P2P "seed=2\nload-max=64K", NULL,
      IMAGE "use b; set resuming f; put f 8 7; put f 0 100 = -EINVAL; reset; "
      "set resuming g; write f 0 100 = -ENODEV; put-all g; set stop; "
      "write g 0 1 = -ENODEV; num loaded = 1; close f; close g; "
      "set resuming f; put-all f; set stop; close f" },
    { "load/nothing", P2P, P2P "require-data=yes", NULL,
      "set resuming f; set stop; num loaded; close f; use b; "
      "set resuming f; set stop = -EINVAL; close f" },

    FAULT2("state-write", "", "set running-p2p", "0"),
    FAULT2("state-read", "", "is running", "0"),
    FAULT2("data-read", "set stop-copy f; ", "read f 1", "1"),
    { "fault/data-write", P2P "state-size=64K", P2P,
      "x event=data-write errno=ENOSPC",
      IMAGE "set resuming f; write f 0 1 = -ENOSPC; fired x = 1; "
      "write f 0 1 = 1; fired x = 1; close f" },
    { "fault/data-fd", P2P, NULL, "x event=data-fd errno=ENOSPC",
      "set stop; set stop-copy = -ENOSPC; fired x = 1; is stop-copy; "
      "set stop; set stop-copy f; close f" },
    /* If the second arc of a path fails, the first one's target is kept. */
    { "fault/on-way", P2P "state-size=64K", NULL,
      "x event=state-write from=running-p2p errno=EIO\n"
      "s event=data-read short=3\nv event=state-read value=77",
      "is 77; set stop-copy = -EIO; is running-p2p; set stop-copy f; "
      "read f 100 = 3; close f" },
    { NULL }
};

/* ---- the log of a device's DMA ---- */

#define LOG P2P "log=yes\n"

#define START(name, call) { "start/" name, LOG, NULL, NULL, call }

const DeviceRow device_rows_log[] = {
    START("none", "log 1P = -EINVAL"),
    START("too-many", "log 1P many 257 = -E2BIG"),
    START("no-page-size", "log 0 0+1P = -EINVAL"),
    START("odd-page-size", "log 3P 0+3P = -EINVAL"),
    START("odd-start", "log 1P 8+1P = -EINVAL"),
    START("odd-length", "log 1P 0+4104 = -EINVAL"),
    START("empty", "log 1P 0+0 = -EINVAL"),
    START("overlap", "log 1P 4096+2P 8192+1P = -EINVAL"),
    START("touch", "log 1P 8192+1P 4096+1P; log-off"),
    START("beyond-the-end",
          "log 1P 0xffffffffffffe000+3P = -EOVERFLOW"),
    START("to-the-end", "log 1P 0xffffffffffffe000+2P = -EOVERFLOW"),
    START("many", "log 1P many 100; log-off; log-off = -EINVAL"),
    { "misuse", LOG, NULL, NULL,
      "report 0 1P = -EINVAL; num violation-count = 1; log-off = -EINVAL; "
      "log 1P 0+16M; log 1P 0+16M = -EINVAL; num violation-count = 2; "
      "report 16M 1P = -EINVAL; num violation-count = 3; "
      "report 0 1P = 0; report 0 1P 2048 = -EINVAL; "
      "report 0 1P 3P = -EINVAL; report 0xfffffffffffff000 2P = -EOVERFLOW" },
    { "again-errno", LOG "log-again-errno=EEXIST", NULL, NULL,
      "log 1P 0+1P; log 1P 0+1P = -EEXIST; log-off" },
    { "outside-silent", LOG "log-outside=silent", NULL, NULL,
      "log 1P 8P+8P; report 0 1P = 0; num violation-count = 1" },
    { "closed", LOG, NULL, NULL,
      "log 1P 0+1P; reopen; num log.on; log 1P 0+1P; num log.on = 1" },
    { "no-log", P2P, NULL, NULL,
      "log 1P 0+1P = -ENOTTY; feature 8 0x60006 = -ENOTTY" },
    { "probed", LOG, NULL, NULL, "feature 8 0x60006" },

    { "limit/min", LOG "log-min-bytes=128K", NULL, NULL,
      "log 1P 0+0x10000 0x300000+0x10000" },
    { "limit/below-min", LOG "log-min-bytes=129K", NULL, NULL,
      "log 1P 0+0x10000 0x300000+0x10000 = -EOPNOTSUPP" },
    { "limit/max", LOG "log-max-bytes=128K", NULL, NULL,
      "log 1P 0+0x10000 0x300000+0x10000" },
    { "limit/above-max", LOG "log-max-bytes=127K", NULL, NULL,
      "log 1P 0+0x10000 0x300000+0x10000 = -EOPNOTSUPP" },
    /* Merged into one, they include the gap between them. */
    { "limit/merged", LOG "log-max-bytes=128K\nlog-max-ranges=1", NULL, NULL,
      "log 1P 0+0x10000 0x300000+0x10000 = -EOPNOTSUPP; "
      "log 1P 0+0x10000 0x18000+0x8000" },

    { "lost/stop", LOG "log-lost-on-stop=yes", NULL, NULL,
      "log 1P 0+64P; set stop-copy f; report 0 64P = 0; set stop; close f; "
      "num log.on; report 0 1P = -EINVAL" },
    { "lost/reset", LOG "log-lost-on-reset=yes", NULL, NULL,
      "log 1P 0+64P; set stop; report 0 64P = 0; reset; "
      "report 0 1P = -EINVAL" },
    { "fault", LOG, NULL,
      "a event=log-start errno=ENOMEM\nb event=log-report errno=ENOTCONN\n"
      "c event=log-stop errno=EIO\n"
      "d event=log-report count=3 device-state=error",
      "log 1P 0+64P = -ENOMEM; num log.on; log 1P 0+64P; "
      "report 0 1P = -ENOTCONN; report 0 1P = 0; report 0 1P = -EIO; "
      "is error; log-off = -EIO; num log.on = 1; log-off" },
    { NULL }
};

/* ---- guest memory: the kernel's IOMMU, and the simulated one ---- */

/* With the kernel's driver, IOVA 0 to 16 MiB maps the test's own memory. */
const DeviceRow device_rows_memory[] = {
    { "map", "", NULL, NULL,
      "map 0x2010000 0x10000; map 0x2010000 0x10000 = -EEXIST; "
      "map 0x200f000 0x2000 = -EEXIST; map 0x201f000 0x2000 = -EEXIST; "
      "map 0x2000000 0x100000 = -EEXIST; map 0x2020000 0 = -EINVAL; "
      "map 0x2020001 1P = -EINVAL; map 0x2020000 4097 = -EINVAL; "
      "map 0x2020000 1P 0x1001 = -EINVAL; "
      "map 0x2020000 1P 0x10000000 0 = -EINVAL; "
      "map 0x2020000 1P 0x10000000 0x11 = -EINVAL; "
      "map 0xfffffffffffff000 2P = -EINVAL; "
      "map 0x2020000 2P 0xfffffffffffff000 = -EINVAL; map 0x2020000 1P" },
    { "unmap", "", NULL, NULL,
      "map 0x2010000 0x10000; map 0x2020000 0x10000; "
      "unmap 0x2010000 1P = -EINVAL; unmap 0x2018000 0x8000 = -EINVAL; "
      "unmap 0x2010000 0x18000 = -EINVAL; unmap 0x2010001 1P = -EINVAL; "
      "unmap 0x2010000 0 = -EINVAL; "
      "unmap 0xfffffffffffff000 2P = -EINVAL; "
      "unmap 0x2040000 0x10000 = 0; unmap 0x2000000 0x100000 = 0x20000; "
      "unmap 0x2000000 0x100000 = 0" },
    { "dirty", "", NULL, NULL,
      "map 0x2010000 16P; bits 0x2010000 16P = -EINVAL; dirty 2; dirty 1; "
      "dirty 1; dirty 0 = -EINVAL; dirty 3 = -EINVAL; dirty 8 = -EINVAL; "
      "bits 0x2010000 8P = -EINVAL; bits 0x2018000 8P = -EINVAL; "
      "bits 0x2010001 16P = -EINVAL; bits 0x2010000 100 = -EINVAL; "
      "bits 0x2010000 0 = -EINVAL; bits 0x2000000 65P = -EINVAL; "
      "bits 0xfffffffffffff000 2P = -EINVAL; "
      "bits 0x2010000 16P 8 8192 = -EINVAL" },
    { NULL }
};
