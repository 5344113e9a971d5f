"""Runs a program in a terminal of its own, and types lines into it: terminal.py LINES PROGRAM ARGUMENT …

LINES has a line for each question. Prints what the terminal showed, without carriage returns; ends as the program does.
"""

import os
import pty
import sys

lines, program, arguments = sys.argv[1], sys.argv[2], sys.argv[2:]
child, terminal = pty.fork()
if child == 0:
    os.execv(program, arguments)
# The terminal keeps them until they are read, as it does with what is typed ahead.
os.write(terminal, lines.encode())
shown = b""
while True:
    try:
        part = os.read(terminal, 4096)
    except OSError:
        # How Linux says that the other side has closed.
        break
    if not part:
        break
    shown += part
_, status = os.waitpid(child, 0)
sys.stdout.write(shown.decode().replace("\r", ""))
sys.exit(os.waitstatus_to_exitcode(status))
