#
# What a page of docs/ is made of: prose, code, tables; and prose in lines of
# at most 80 columns.
#
# Owns: the few forms of Markdown that these pages use. Does not own: what is
# right or wrong about them (check-docs).
#
# SPDX-License-Identifier: GPL-2.0-or-later

import re

COLUMNS = 80
# A table is for what can be seen at a glance; sentences go into lists.
TABLE_COLUMNS = 100
CELL_COLUMNS = 60

ITEM = re.compile(r'( *)([-*]|\d+\.) +')
# Not to be broken: code, links, bold words with code in them
ATOM = re.compile(r'`[^`]*`|\[[^]]*\]\([^)]*\)|\S')
# A line must not begin with what would make it something else.
BOLD = re.compile(r'\*\*[^*]*\*\*,?$')
MARK = re.compile(r'([-+*>|#=]|\d+[.)])$')


class Block:
    """Lines of one kind: 'prose', 'code', 'table', 'heading' or 'blank'."""

    def __init__(self, kind, number, lines):
        self.kind = kind
        self.number = number    # of its first line
        self.lines = lines


def kind_of(line):
    if not line.strip():
        return 'blank'
    if line.lstrip().startswith('|'):
        return 'table'
    if re.match(r'#+ |\(.*\)=$', line):
        return 'heading'
    return 'prose'


def blocks(text):
    """The blocks of a page; each item of a list is one of prose."""
    found = []
    fence = None
    for number, line in enumerate(text.split('\n'), 1):
        start = re.match(r' *(```+|~~~+)', line)
        if fence:
            found[-1].lines.append(line)
            if start and start[1].startswith(fence):
                fence = None
            continue
        if start:
            fence = start[1]
            found.append(Block('code', number, [line]))
            continue
        kind = kind_of(line)
        if (found and found[-1].kind == kind and kind in ('prose', 'table')
                and not (kind == 'prose' and ITEM.match(line))):
            found[-1].lines.append(line)
        else:
            found.append(Block(kind, number, [line]))
    return found


def words(text):
    """The words of prose; a code span or a link is part of one."""
    found = []
    end = None
    for match in ATOM.finditer(text):
        if end == match.start():
            found[-1] += match[0]
        else:
            found.append(match[0])
        end = match.end()
    joined = []
    for word in found:
        if joined and MARK.match(word):
            joined[-1] += ' ' + word
        else:
            joined.append(word)
    return joined


def is_too_long(line):
    """More than 80 columns, and it could be broken."""
    if len(line) <= COLUMNS:
        return False
    item = ITEM.match(line)
    return len(words(line[item.end():] if item else line)) > 1


def wrap(block):
    """The lines of a block of prose, in at most 80 columns where possible.

    Lines that begin a paragraph and are bold as a whole stay alone.
    """
    head = 0
    while head < len(block.lines) - 1 and BOLD.match(block.lines[head]):
        head += 1
    if head:
        rest = Block('prose', block.number + head, block.lines[head:])
        return block.lines[:head] + wrap(rest)
    item = ITEM.match(block.lines[0])
    first = item[0] if item else re.match(' *', block.lines[0])[0]
    rest = ' ' * len(first)
    text = ' '.join(line.strip() for line in block.lines)
    if item:
        text = text[len(item[0].strip()):].lstrip()
    lines, line = [], first
    for word in words(text):
        if len(line) + len(word) > COLUMNS and line.strip() != first.strip():
            lines.append(line.rstrip())
            line = rest
        line += word + ' '
    return lines + [line.rstrip()]


def wrapped(text):
    """The page, with what is too long wrapped."""
    lines = []
    for block in blocks(text):
        if block.kind == 'prose' and any(map(is_too_long, block.lines)):
            lines += wrap(block)
        else:
            lines += block.lines
    return '\n'.join(lines)


def cells(row):
    """The cells of a row of a table."""
    return [cell.strip() for cell in
            re.split(r'(?<!\\)\|', row.strip().strip('|'))]


def layout_faults(text):
    """Yields lines of prose that are too long, and rows of tables."""
    for block in blocks(text):
        for number, line in enumerate(block.lines, block.number):
            if block.kind == 'prose' and is_too_long(line):
                yield f'line {number} has more than {COLUMNS} columns'
            elif block.kind == 'table' and (
                    len(line) > TABLE_COLUMNS
                    or max(map(len, cells(line))) > CELL_COLUMNS):
                yield (f'line {number}: a row of a table is wider than '
                       f'{TABLE_COLUMNS} columns, or a cell than '
                       f'{CELL_COLUMNS}; make it a list')
