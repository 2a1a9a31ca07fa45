# What the patch series for QEMU 7.2.x is made of: series/PART/*.step.
#
# Owns: reading parts and steps (series/README.md describes their form), and
# the texts of QEMU's files after each of them. Reads a tree by its read() only.
# Not here: trees, commits, mails and patches (qemu-series).
#
# SPDX-License-Identifier: GPL-2.0-or-later

"""The steps of the patch series."""

import glob
import os
import re

TOP = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SERIES = os.path.join(TOP, 'series')
TRACE_EVENTS = 'hw/vfio/trace-events'


class Refused(Exception):
    """Nothing was changed, and why."""


class Bad(Exception):
    """A step that is wrong in itself, whatever the tree."""


# ---- what a step may do ----

class Edit:
    """
    Lines of a file of QEMU's: kept (' '), taken out ('-'), put in ('+').
    Where releases differ there are several ways, of which one must fit.
    """

    def __init__(self, path):
        self.path = path
        self.ways = []

    def add_way(self):
        """Returns the list that takes the marked lines."""
        self.ways.append([])
        return self.ways[-1]

    def apply(self, text):
        """Returns the new text; Refused if the place is not found once."""
        old = text.split('\n')
        found = [places(old, anchor_of(lines)) for lines in self.ways]
        fitting = [n for n, at in enumerate(found) if at]
        if len(fitting) > 1:
            raise Refused(f'{self.path}: {len(fitting)} ways of an edit fit, '
                          'and only one may')
        way = fitting[0] if fitting else self._nearest(old)
        lines = self.ways[way]
        if len(found[way]) != 1:
            raise Refused(describe_miss(self.path, old, anchor_of(lines),
                                        found[way]))
        new, at = [], found[way][0]
        for sign, line in lines:
            if sign == '+':
                new.append(line)
            else:
                if sign == ' ':
                    new.append(old[at])
                at += 1
        return '\n'.join(old[:found[way][0]] + new + old[at:])

    def _nearest(self, old):
        """The way of which most lines are there, to say what is missing."""
        def good(way):
            anchor = anchor_of(self.ways[way])
            return max(matching(old, i, anchor) for i in range(len(old)))

        return max(range(len(self.ways)), key=good)


class Growth:
    """
    Lines of a file of ours that come with a step: '+', with a line '...' for
    any that stand between. What was there before them: '-'.
    """

    def __init__(self, path):
        self.path = path
        self.lines = []

    def runs(self):
        """The lines of ours, as lists of those that follow each other"""
        found = [[]]
        for sign, line in self.lines:
            if (sign, line) == ('+', '...'):
                found.append([])
            elif sign != '-':
                found[-1].append(line)
        return found

    def find(self, lines):
        """Indexes at which the runs stand: the first one once."""
        runs = self.runs()
        found = places(lines, runs[0])
        if len(found) != 1:
            raise Refused(describe_miss(self.path, lines, runs[0], found))
        for before, run in zip(runs, runs[1:]):
            end = found[-1] + len(before)
            there = places(lines[end:], run)
            if not there:
                raise Refused(describe_miss(self.path, lines, run, []))
            found.append(end + there[0])
        return found

    def undo(self, text):
        """Returns the text as it is before the step."""
        old = text.split('\n')
        first, *rest = self.find(old)
        new, at = [], first
        for sign, line in self.lines:
            if (sign, line) == ('+', '...'):
                at = rest.pop(0)
            elif sign == '-':
                new.append(line)
            else:
                new += [old[at]] if sign == ' ' else []
                at += 1
        return '\n'.join(old[:first] + new + old[at:])


class Removal:
    """Functions that go, each named by a line of its head"""

    def __init__(self, path):
        self.path = path
        self.lines = []

    def add_way(self):
        """Returns the list that takes the marked lines."""
        return self.lines

    def apply(self, text):
        """Takes them out, from the comment in front to the '}' at the end."""
        for _, head in self.lines:
            check_line(self.path, text, head)
            old = text.split('\n')
            at = start = old.index(head)
            while start and old[start - 1]:
                start -= 1
            if '}' not in old[at:] or any(map(is_statement, old[start:at])):
                raise Refused(f'{self.path}: line {at + 1}, "{head}", '
                              'does not begin a function that stands alone')
            end = old.index('}', at) + 1
            if end < len(old) and not old[end]:
                end += 1
            text = '\n'.join(old[:start] + old[end:])
        return text


class Part:
    """Some of the steps, that are of use without those of later parts."""

    def __init__(self, directory):
        self.directory = directory      # of series/, such as a-fixes
        self.letter, _, self.name = directory.rpartition('-')

    def is_called(self, text):
        return text.lower() in (self.letter, self.name, self.directory)

    def cover(self):
        """Subject and text of its cover letter"""
        path = os.path.join(SERIES, self.directory, 'cover.txt')
        with open(path, encoding='utf-8') as f:
            subject, body = f.read().split('\n\n', 1)
        return subject.strip(), body.strip()


class Step:
    """One commit."""

    def __init__(self, name, part):
        self.name = name
        self.part = part
        self.message = ''
        self.files = []         # (path here, path in QEMU's tree)
        self.replaced = {}      # path in QEMU's tree: lines it must hold
        self.again = set()      # paths of files that are renewed
        self.sections = []      # headings of parts of our trace-events
        self.removed = []       # paths of files that go
        self.shapes = {}        # path in QEMU's tree: Edits, Removals of ours
        self.grown = {}         # path in QEMU's tree: Growths of our file
        self.edits = []         # of Edit and Removal, in order

    @property
    def subject(self):
        return self.message.split('\n', 1)[0]


def is_statement(line):
    """Not the type of a function, nor of a comment in front of it"""
    return line.startswith('#') or (line.endswith((';', '}'))
                                    and not line.startswith((' *', '/*')))


def same_line(line, anchor):
    """An anchor that ends in '...' names the beginning of a line."""
    if anchor.endswith('...'):
        return line.startswith(anchor[:-3])
    return line == anchor


def matching(lines, at, anchor):
    """How many lines of the anchor stand at a place, from its first on."""
    for n, text in enumerate(anchor):
        if at + n >= len(lines) or not same_line(lines[at + n], text):
            return n
    return len(anchor)


def anchor_of(lines):
    return [text for sign, text in lines if sign != '+']


def places(lines, anchor):
    """Where an anchor stands, as indexes of its first line."""
    begins = range(len(lines) - len(anchor) + 1)
    if anchor and not anchor[0].endswith('...'):
        begins = [i for i, line in enumerate(lines) if line == anchor[0]]
    return [i for i in begins if matching(lines, i, anchor) == len(anchor)]


def check_line(path, text, line):
    """Refused if a line is not in the text once."""
    probe = Edit(path)
    probe.add_way().append((' ', line))
    probe.apply(text)


def describe_miss(path, lines, anchor, found):
    if found:
        places = ', '.join(str(i + 1) for i in found)
        return (f'{path}: stands {len(found)} times in the file (lines '
                f'{places}), but must be found once:\n'
                + '\n'.join('    ' + text for text in anchor))
    best = max(range(len(lines)), key=lambda i: matching(lines, i, anchor))
    good = matching(lines, best, anchor)
    at = best + good
    text = f'{path}: not as expected. Looked for the line\n    {anchor[good]}\n'
    if not good:
        return text + 'which is nowhere in the file'
    if at >= len(lines):
        return text + 'where the file ends'
    return text + f'at line {at + 1}, which reads\n    {lines[at]}'


def own_file(path):
    """Where a file is in this repository: series/tree/ comes first."""
    for place in (os.path.join('series', 'tree', path), path):
        if os.path.isfile(os.path.join(TOP, place)):
            return place
    raise Bad(f'this repository has no file {path}')


def own_files(what):
    """
    Paths that a pattern matches, or that a list in a meson.build of ours
    holds: tests/sim/meson.build:vfio_sim_sources.
    """
    if ':' not in what:
        found = [os.path.relpath(path, TOP)
                 for path in glob.glob(os.path.join(TOP, what))]
    else:
        path, name = what.split(':')
        with open(os.path.join(TOP, path), encoding='utf-8') as f:
            match = re.search(rf'^{name} = files\(([^)]*)\)', f.read(), re.M)
        found = [os.path.join(os.path.dirname(path), entry) for entry
                 in re.findall("'([^']*)'", match.group(1) if match else '')]
    if not found:
        raise Bad(f'{what} names no file')
    return sorted(found)


def add_files(step, words, taken):
    """file PATH [as PATH] | files PATTERN [in DIR]"""
    kind, what = words[0], words[1]
    target = words[3] if len(words) == 4 else None
    if kind == 'file':
        step.files.append((own_file(what), target or what))
    else:
        for path in own_files(what):
            where = target or os.path.dirname(path)
            path_there = os.path.join(where, os.path.basename(path))
            if path_there not in taken:
                step.files.append((path, path_there))
    taken.update(path_there for _, path_there in step.files)


def read_directive(step, line, taken):
    """Returns the list that takes the marked lines that follow, or None."""
    words = line.split()
    form = ' '.join([words[0]] + words[2:3])
    if form in ('file', 'file as', 'files', 'files in'):
        add_files(step, words, taken)
    elif form in ('without', 'without functions'):
        if words[1] not in [target for _, target in step.files]:
            raise Bad(f'{words[1]} is not a file of this step')
        edits = step.shapes.setdefault(words[1], [])
        shape = Edit if form == 'without' else Removal
        edits.append(shape(own_file(words[1])))
        return edits[-1].add_way()
    elif words[0] == 'with' and len(words) == 2:
        if words[1] not in taken:
            raise Bad(f'no earlier step has added {words[1]}')
        growths = step.grown.setdefault(words[1], [])
        growths.append(Growth(words[1]))
        return growths[-1].lines
    elif words[0] == 'remove' and len(words) == 2:
        if words[1] not in taken:
            raise Bad(f'no earlier step has added {words[1]}')
        taken.discard(words[1])
        step.removed.append(words[1])
    elif words[0] == 'replace' and len(words) == 2:
        step.files.append((own_file(words[1]), words[1]))
        taken.add(words[1])
        return step.replaced.setdefault(words[1], [])
    elif words[0] == 'again' and len(words) == 2:
        if words[1] not in taken:
            raise Bad(f'no earlier step has added {words[1]}')
        step.files.append((own_file(words[1]), words[1]))
        step.again.add(words[1])
    elif words[0] == 'trace' and len(words) == 2:
        step.sections.append(words[1])
    elif words[0] == 'edit' and len(words) == 2:
        step.edits.append(Edit(words[1]))
        return step.edits[-1].add_way()
    elif words == ['or'] and step.edits and isinstance(step.edits[-1], Edit):
        return step.edits[-1].add_way()
    elif words[0] == 'drop' and len(words) == 2:
        step.edits.append(Removal(words[1]))
        return step.edits[-1].lines
    else:
        raise Bad(f'not understood: {line}')
    return None


def read_step(path, part, taken):
    """@taken: paths that earlier steps have added; brought up to date"""
    step = Step(os.path.relpath(path, SERIES), part)
    with open(path, encoding='utf-8') as f:
        message, rest = f.read().split('\n---\n', 1)
    step.message = message.strip() + '\n'
    lines = None
    for line in rest.split('\n'):
        if line[:1] in ('+', '-', ' ') and lines is not None:
            lines.append((line[0], line[1:]))
        elif not line.strip() or line.startswith('#'):
            lines = None
        else:
            try:
                lines = read_directive(step, line, taken)
            except (Bad, IndexError) as e:
                raise Bad(f'{step.name}: {e}') from e
    return step


def read_parts():
    """In their order: each is for a tree that has those before it."""
    found = sorted(glob.glob(os.path.join(SERIES, '[a-z]-*/')))
    if not found:
        raise Bad(f'{SERIES} holds no parts')
    return [Part(os.path.basename(os.path.dirname(path))) for path in found]


def upstream_part():
    """What newer releases of QEMU still lack; for them, by itself"""
    return Part('upstream')


def read_steps(parts):
    """The steps of parts, which begin with the first"""
    taken = set()
    return [read_step(path, part, taken) for part in parts for path in
            sorted(glob.glob(os.path.join(SERIES, part.directory, '*.step')))]


def own_text(path, present):
    """
    A file of ours. In one of series/tree, '@files PATTERN@' becomes the names
    that are @present beside it, and lines from '@if NAME@' to '@end@' stay if
    NAME is.
    """
    def names(match):
        found = map(os.path.basename, own_files(match.group(2)))
        return ''.join(f"{match.group(1)}'{name}',\n" for name in found
                       if name in present)

    def block(match):
        return match.group(2) if match.group(1) in present else ''

    with open(os.path.join(TOP, path), encoding='utf-8') as f:
        text = f.read()
    if path.startswith('series/tree/'):
        text = re.sub(r'^@if (\S+)@\n(.*?)^@end@\n', block, text,
                      flags=re.M | re.S)
        text = re.sub(r'^( *)@files (\S+)@\n', names, text, flags=re.M)
    return text


def trace_section(heading):
    """The paragraph of our trace-events under '# HEADING', as text."""
    with open(os.path.join(TOP, TRACE_EVENTS), encoding='utf-8') as f:
        parts = [p.strip('\n') for p in f.read().split('\n\n')]
    for part in parts:
        if part.split('\n', 1)[0] == f'# {heading}':
            return part + '\n'
    raise Bad(f'{TRACE_EVENTS} has no part "# {heading}"')


# ---- from steps to texts ----

class Result:
    """Files of the tree as the steps so far leave them."""

    def __init__(self, tree, steps):
        self.tree = tree
        self.steps = steps
        self.texts = {}
        self.added = set()      # files of ours: (directory, name)
        self.origins = {}       # path of one: (step, path here)
        self.errors = {}        # path: the first; more may follow from it

    def current(self, path):
        if path not in self.texts:
            self.texts[path] = self.tree.read(path)
        return self.texts[path]

    def _put(self, changed, path, text):
        self.texts[path] = changed[path] = text

    def _edit(self, changed, edit):
        text = self.current(edit.path)
        if text is None:
            raise Refused(f'{edit.path}: the tree has no such file')
        self._put(changed, edit.path, edit.apply(text))

    def _add(self, changed, step, source, target):
        self.origins[target] = (step, source)
        old = self.current(target)
        expected = step.replaced.get(target)
        if expected is None and old is not None and target not in step.again:
            raise Refused(f'{target}: is there already, but the series adds '
                          'it; is this a plain 7.2.x?')
        if expected is not None:
            if old is None:
                raise Refused(f'{target}: the tree has no such file')
            for _, line in expected:
                check_line(target, old, line)
        self._put(changed, target, self._shape(step, target))

    def _shape(self, step, target):
        """A file of ours as it is after a step"""
        origin, source = self.origins[target]
        place = os.path.dirname(target)
        present = {name for where, name in self.added if where == place}
        text = own_text(source, present)
        later = self.steps[self.steps.index(step) + 1:]
        renewed = [n for n, s in enumerate(later) if target in s.again]
        later = later[:renewed[0]] if renewed else later
        changes = [(origin, edit.apply)
                   for edit in origin.shapes.get(target, [])]
        changes += [(s, growth.undo) for s in reversed(later)
                    for growth in reversed(s.grown.get(target, []))]
        for owner, change in changes:
            try:
                text = change(text)
            except Refused as e:
                raise Bad(f'{owner.name}: {e}') from e
        return text

    def _remove(self, changed, path):
        self.added.discard(os.path.split(path))
        self._put(changed, path, None)

    def _trace(self, changed, heading):
        old = self.current(TRACE_EVENTS)
        if old is None:
            raise Refused(f'{TRACE_EVENTS}: the tree has no such file')
        self._put(changed, TRACE_EVENTS,
                  old.rstrip('\n') + '\n\n' + trace_section(heading))

    def apply(self, step):
        """
        Returns {path: text} of a step, None for a file that goes; collects
        what does not fit.
        """
        changed = {}
        self.added.update(os.path.split(target) for _, target in step.files)
        work = ([(p, lambda p=p: self._remove(changed, p))
                 for p in step.removed]
                + [(e.path, lambda e=e: self._edit(changed, e))
                   for e in step.edits]
                + [(t, lambda s=s, t=t: self._add(changed, step, s, t))
                   for s, t in step.files]
                + [(t, lambda t=t: self._put(changed, t, self._shape(step, t)))
                   for t in step.grown]
                + [(TRACE_EVENTS, lambda h=h: self._trace(changed, h))
                   for h in step.sections])
        for path, do in work:
            try:
                do()
            except Refused as e:
                self.errors.setdefault(path, f'{step.name}: {e}')
        return changed


def compute(tree, steps):
    """Returns [(step, {path: text})]; Refused with all that does not fit."""
    result = Result(tree, steps)
    changes = [(step, result.apply(step)) for step in steps]
    if result.errors:
        raise Refused('\n'.join(result.errors.values()))
    return changes
