"""Puts a candidate change into a live process, without writing any file.

Runs in the repository's own interpreter (>= 3.8), with nothing but the standard library.
"""

import gc
import os
import sys
import types


def live_functions(root):
    """(file, name, first line) -> live functions with that code."""
    prefix = root + os.sep
    found = {}
    for value in gc.get_objects():
        if isinstance(value, types.FunctionType):
            code = value.__code__
            if code.co_filename.startswith(prefix):
                key = (code.co_filename, code.co_name, code.co_firstlineno)
                found.setdefault(key, []).append(value)
    return found


def put_in_place(candidate, root, functions):
    _, name, start, end, text, _ = candidate
    path = os.path.join(root, name)
    with open(path, "rb") as handle:
        old = handle.read()
    new = old[:start] + text.encode() + old[end:]
    before = compile(old, path, "exec", dont_inherit=True)
    after = compile(new, path, "exec", dont_inherit=True)
    swaps = []
    if _shape(before, 0) != _shape(after, 0) or not _pair(before, after, swaps):
        _rerun_module(path, after, root)
        return
    for one, other in swaps:
        key = (path, one.co_name, one.co_firstlineno)
        for function in functions.get(key, ()):
            function.__code__ = other


def _shape(code, depth):
    """What of a code object makes a difference, line numbers left out; nested code by name."""
    constants = tuple(
        c.co_name if isinstance(c, types.CodeType) else (type(c).__name__, repr(c))
        for c in code.co_consts
    )
    return (
        code.co_code,
        constants,
        code.co_names,
        code.co_varnames,
        code.co_freevars,
        code.co_cellvars,
        code.co_flags,
    )


def _nested(code):
    return [c for c in code.co_consts if isinstance(c, types.CodeType)]


def _pair(before, after, swaps):
    """Collect changed functions; False when class bodies changed or functions do not pair up."""
    ones, others = _nested(before), _nested(after)
    if len(ones) != len(others):
        return False
    for one, other in zip(ones, others):
        if one.co_name != other.co_name:
            return False
        is_function = one.co_flags & 0x2  # CO_NEWLOCALS: class bodies have it not
        inner = []
        paired = _pair(one, other, inner)
        same = _shape(one, 0) == _shape(other, 0)
        if is_function:
            if not same or not paired or inner:
                if one.co_freevars != other.co_freevars:
                    return False
                swaps.append((one, other))
            swaps.extend(inner if paired else [])
        else:
            if not same or not paired:
                return False
            swaps.extend(inner)
    return True


def _rerun_module(path, code, root):
    """Run a module's new code in its namespace; give its new objects to holders of old ones."""
    prefix = root + os.sep
    modules = [m for m in list(sys.modules.values()) if isinstance(m, types.ModuleType)]
    ours = [m for m in modules if (getattr(m, "__file__", None) or "").startswith(prefix)]
    for module in ours:
        if os.path.abspath(module.__file__) != path:
            continue
        old = dict(vars(module))
        exec(code, vars(module))
        new = {
            id(v): vars(module)[k]
            for k, v in old.items()
            if vars(module).get(k) is not v and not k.startswith("__")
        }
        for other in ours:
            space = vars(other)
            for name, value in list(space.items()):
                if id(value) in new and other is not module:
                    space[name] = new[id(value)]
