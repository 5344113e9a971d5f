"""A person who holds a game day at a terminal, against a sandbox in another process.

Called by the test beside it as: gameday.py ENDPOINT SHOP AUTHORITIES FOLDER, with the sandbox's secret access key in SECRET and the command in CAUSEWAY.
Writes what it wants of the sandbox to standard output. Any failed assertion is the test's.
"""

import fcntl
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

ENDPOINT, SHOP, AUTHORITIES, FOLDER = sys.argv[1:]
EAST, WEST = "sandbox-east", "sandbox-west"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": os.devnull,
    "TERM": "xterm",
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_ACCESS_KEY_ID": "SANDBOX",
    "AWS_SECRET_ACCESS_KEY": os.environ["SECRET"],
    "AWS_REGION": WEST,
    "CAUSEWAY_DATABASE_CA": AUTHORITIES,
}


def order(text):
    """Gives the sandbox a line."""
    print(text, flush=True)


def game_day(*arguments, answers, patience=240):
    """Holds one: answers each question when it stands there. Returns what was shown, and the exit status."""
    child, terminal = pty.fork()
    if child == 0:
        os.execve(os.environ["CAUSEWAY"], ["causeway", "gameday", *arguments], ENVIRONMENT)
    # So wide that no line is folded.
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 50, 1000, 0, 0))
    shown, end, waiting = "", time.monotonic() + patience, list(answers)
    while time.monotonic() < end:
        ready, _, _ = select.select([terminal], [], [], 1)
        if not ready:
            continue
        try:
            part = os.read(terminal, 65536)
        except OSError:
            part = b""
        if not part:
            break
        shown += re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", part.decode(errors="replace")).replace("\r", "")
        if waiting and waiting[0][0] in shown.rpartition("\n")[2]:
            question, answer = waiting.pop(0)
            if callable(answer):
                answer = answer()
            shown += "\n"
            os.write(terminal, f"{answer}\n".encode())
    else:
        os.kill(child, 9)
        raise AssertionError(f"it did not end within {patience} s:\n{shown}")
    _, status = os.waitpid(child, 0)
    assert not waiting, (waiting, shown)
    return shown, os.waitstatus_to_exitcode(status)


def piped(*arguments):
    done = subprocess.run(
        [os.environ["CAUSEWAY"], "gameday", *arguments], env=ENVIRONMENT, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    return done.stdout + done.stderr, done.returncode


# Inserts tags, one after the other.
WRITER = """
url=${CAUSEWAY_WRITER_URL_CATALOG#*://}; user=${url%%:*}; url=${url#*:}; password=${url%%@*}; url=${url#*@}
host=${url%%:*}; url=${url#*:}; port=${url%%/*}; database=${url#*/}
n=100000
while :; do
    n=$((n + 1))
    mariadb --no-defaults --ssl --connect-timeout=2 -h $host -P $port -u $user -p$password $database \
        -e "INSERT INTO tag (tag_id, name, display_name) VALUES ($n, 'tag $n', 'a tag')" 2> /dev/null \
        && echo '{"database": "catalog", "table": "tag", "key": {"tag_id": '$n'}, "op": "insert"}'
done
"""

BEGIN = ("Type the account and the environment to begin", "000000000000 sandbox")

# Nobody is there.
said, code = piped("--url", SHOP)
assert (code, "held by a person at a terminal; nothing was changed" in said) == (2, True), said

# Another word, and nothing has changed.
said, code = game_day("--url", SHOP, answers=[(BEGIN[0], "000000000000 production")])
assert (code, "that is not 000000000000 sandbox: nothing was changed" in said) == (2, True), said
assert "readiness" not in said, said

# What is not the shop does not say where it is served.
said, code = game_day("--url", ENDPOINT, answers=[])
assert (code, "is it the shop?" in said) == (2, True), said

output = os.path.join(FOLDER, "out")
if os.environ["FAULT"] == "fis":
    # A surprise, here an approval that is not given: it goes no further, ends what it began, and says the way back.
    fault = ["--url", SHOP, "--detection", "3", "--output", output]
    said, code = game_day(*fault, answers=[BEGIN, ("Approve it?", "no")])
    assert (code, "VERDICT      the failover runbook ended as Failed: not approved, and nothing has changed: rejected by SANDBOX" in said) == (1, True), said
    assert re.search(r"RECOVERY     the experiment EXP\w+ is over: sandbox-east is back", said), said
    assert "It goes no further. The way back:" in said and f"causeway run failback --in {EAST}" in said, said
    assert "aws fis stop-experiment" not in said, said

    said, code = game_day(*fault, answers=[BEGIN, ("Approve it?", "yes")])
    assert "FAULT        the experiment EXP" in said, said
    assert re.search(r"RECOVERY     the experiment EXP\w+ is over: sandbox-east is back", said), said
else:

    def broken():
        order(f"isolate {EAST}")
        return ""

    def mended():
        order(f"rejoin {EAST}")
        return ""

    who = ["--url", SHOP] if os.environ["FAULT"] == "hand" else ["--writer", WRITER]
    said, code = game_day(
        *who, "--detection", "3", "--by-hand", "--output", output,
        answers=[BEGIN, (f"Break {EAST} now", broken), (f"Let {EAST} come back now", mended)],
    )
    # Writes that were taken there and never came across.
    lost = re.search(r"^  (?:orders|rows) +(\d+) +(\d+) +\d+ +0 +0$", said, re.M)
    assert lost and int(lost[1]) > 0, said
what = "the application" if os.environ["FAULT"] == "writer" else "the shop"
assert (code, f"{WEST} has {what}. Back again: causeway run failback --in {EAST}" in said) == (0, True), said
assert "VERDICT  the report is exact" in said, said
for file in ("failover/record.html", "reconcile/report.html", "live.html"):
    assert os.path.isfile(os.path.join(output, file)), file
page = open(os.path.join(output, "live.html")).read()
assert "The report is exact" in page and "failover" in page, page
