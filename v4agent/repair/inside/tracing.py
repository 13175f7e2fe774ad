"""Which lines a test runs: by `sys.monitoring` (PEP 669) where there is one, else by a tracer.

Runs in the repository's own interpreter (>= 3.8), with nothing but the standard library.
"""

import os
import sys
import threading


def traced(root, lines):
    """Begin to note lines below `root` in `lines` (file -> set); returns what ends it."""
    return (monitoring if hasattr(sys, "monitoring") else settrace)(root, lines)


def settrace(root, lines):
    prefix = root + os.sep

    def begin(frame, event, argument):
        name = frame.f_code.co_filename
        if not name.startswith(prefix):
            return None
        seen = lines.setdefault(name, set())
        seen.add(frame.f_lineno)

        def step(frame, event, argument):
            if event == "line":
                seen.add(frame.f_lineno)
            return step

        return step

    sys.settrace(begin)
    threading.settrace(begin)

    def stop():
        sys.settrace(None)
        threading.settrace(None)

    return stop


def monitoring(root, lines):
    prefix = root + os.sep
    tool, events = sys.monitoring.COVERAGE_ID, sys.monitoring.events
    try:
        sys.monitoring.use_tool_id(tool, "v4agent")
    except ValueError:
        return settrace(root, lines)  # somebody's coverage holds it

    def hit(code, number):
        if code.co_filename.startswith(prefix):
            lines.setdefault(code.co_filename, set()).add(number)
        return sys.monitoring.DISABLE

    sys.monitoring.register_callback(tool, events.LINE, hit)
    sys.monitoring.restart_events()
    sys.monitoring.set_events(tool, events.LINE)

    def stop():
        sys.monitoring.set_events(tool, 0)
        sys.monitoring.register_callback(tool, events.LINE, None)
        sys.monitoring.free_tool_id(tool)

    return stop
