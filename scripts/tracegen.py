#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Make C code from hw/vfio/trace-events, for builds outside of a QEMU tree.

The file has the syntax of QEMU's own trace-events. What comes out writes to
QEMU's log as QEMU's "log" backend does, so that -trace works the same.

usage: tracegen.py h|c EVENTS OUTPUT
"""
import re
import sys

EVENT = re.compile(r'^(?P<name>\w+)\((?P<args>[^)]*)\)\s*(?P<fmt>".*)$')


def parse(path):
    events = []
    with open(path, encoding='utf-8') as lines:
        for number, line in enumerate(lines, 1):
            line = line.strip()
            if not line or line.startswith('#'):
                continue
            match = EVENT.match(line)
            if not match:
                sys.exit(f'{path}:{number}: not a trace event: {line}')
            args = match['args'].strip()
            names = [] if args in ('', 'void') else [
                re.search(r'(\w+)$', arg.strip())[1]
                for arg in args.split(',')]
            events.append((match['name'], args or 'void', names,
                           match['fmt']))
    return events


def header(events):
    out = ['/* Made by scripts/tracegen.py from hw/vfio/trace-events. */',
           '#ifndef TRACE_HW_VFIO_H', '#define TRACE_HW_VFIO_H', '',
           '#include "trace/control.h"', '',
           '/* Make the events known to -trace; before options are read. */',
           'void vfio_migration_trace_init(void);', '']
    for name, args, names, fmt in events:
        values = ''.join(', ' + n for n in names)
        upper = name.upper()
        out += [
            f'extern uint16_t _TRACE_{upper}_DSTATE;',
            f'static inline bool trace_{name}_enabled(void)', '{',
            '    return unlikely(trace_events_enabled_count) &&',
            f'           _TRACE_{upper}_DSTATE && '
            'qemu_loglevel_mask(LOG_TRACE);', '}', '',
            f'static inline void trace_{name}({args})', '{',
            f'    if (!trace_{name}_enabled()) {{', '        return;',
            '    }', '    if (message_with_timestamp) {',
            '        struct timeval now;', '',
            '        gettimeofday(&now, NULL);',
            f'        qemu_log("%d@%zu.%06zu:{name} " {fmt} "\\n",',
            '                 qemu_get_thread_id(), (size_t)now.tv_sec,',
            f'                 (size_t)now.tv_usec{values});',
            '    } else {',
            f'        qemu_log("{name} " {fmt} "\\n"{values});',
            '    }', '}', '']
    return out + ['#endif /* TRACE_HW_VFIO_H */']


def source(events):
    out = ['/* Made by scripts/tracegen.py from hw/vfio/trace-events. */',
           '#include "qemu/osdep.h"', '#include "trace.h"', '']
    for name, *_ in events:
        upper = name.upper()
        out += [f'uint16_t _TRACE_{upper}_DSTATE;',
                f'static TraceEvent _TRACE_{upper}_EVENT = {{',
                '    .vcpu_id = TRACE_VCPU_EVENT_NONE,',
                f'    .name = "{name}",', '    .sstate = true,',
                f'    .dstate = &_TRACE_{upper}_DSTATE,', '};', '']
    out += ['static TraceEvent *vfio_migration_trace_events[] = {']
    out += [f'    &_TRACE_{name.upper()}_EVENT,' for name, *_ in events]
    return out + ['    NULL,', '};', '',
                  'void vfio_migration_trace_init(void)', '{',
                  '    trace_event_register_group('
                  'vfio_migration_trace_events);', '}']


def main():
    if len(sys.argv) != 4 or sys.argv[1] not in ('h', 'c'):
        sys.exit(__doc__)
    make = header if sys.argv[1] == 'h' else source
    with open(sys.argv[3], 'w', encoding='utf-8') as out:
        out.write('\n'.join(make(parse(sys.argv[2]))) + '\n')


main()
