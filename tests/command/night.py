"""A person at night, with `causeway run` and `causeway status` against a sandbox in another process, and the console beside.

Called by the test beside it as: night.py ENDPOINT ARC_ENDPOINT_1 …, with the sandbox's secret access key in SECRET and the command in
CAUSEWAY. Writes what it wants of the sandbox to standard output, transcripts into the working folder. Any failed assertion is the test's.
"""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time

import boto3
from botocore.config import Config

ENDPOINT = sys.argv[1]
EAST, WEST = "sandbox-east", "sandbox-west"
ENVIRONMENT = {
    "PATH": os.environ["PATH"],
    "HOME": os.devnull,
    "AWS_CONFIG_FILE": os.devnull,
    "AWS_ENDPOINT_URL": ENDPOINT,
    "AWS_ACCESS_KEY_ID": "SANDBOX",
    "AWS_SECRET_ACCESS_KEY": os.environ["SECRET"],
    "AWS_REGION": WEST,
}
ME = "arn:aws:iam::000000000000:user/SANDBOX"


def client(service, region):
    return boto3.client(
        service,
        region_name=region,
        endpoint_url=ENDPOINT,
        aws_access_key_id="SANDBOX",
        aws_secret_access_key=os.environ["SECRET"],
        config=Config(connect_timeout=5, read_timeout=20, retries={"max_attempts": 1}),
    )


SSM = {region: client("ssm", region) for region in (EAST, WEST)}


def causeway(*arguments, expect=0, **more):
    done = subprocess.run(
        [os.environ["CAUSEWAY"], *arguments], env={**ENVIRONMENT, **more}, capture_output=True, text=True, stdin=subprocess.DEVNULL
    )
    assert done.returncode == expect, (arguments, done.returncode, done.stdout, done.stderr)
    return done.stdout + done.stderr


def execution(region, id):
    return SSM[region].get_automation_execution(AutomationExecutionId=id)["AutomationExecution"]


def wait(region, id, *statuses):
    for _ in range(600):
        status = execution(region, id)["AutomationExecutionStatus"]
        if status in statuses:
            return status
        assert status in ("Pending", "InProgress", "Waiting"), (status, execution(region, id)["FailureMessage"])
        time.sleep(0.1)
    raise AssertionError(f"{id} does not come to {statuses}")


def order(text):
    """Gives the sandbox a line."""
    print(text, flush=True)


ENDED = ("Success", "Failed", "Cancelled", "TimedOut")


def by_console(runbook, region, parameters, *statuses):
    role = f"arn:aws:iam::000000000000:role/causeway-{runbook.title()}RunbookRole-{region}"
    given = {"Plan": ["/causeway/plans/shop"], "AutomationAssumeRole": [role], **parameters}
    id = SSM[region].start_automation_execution(DocumentName=f"causeway-{runbook}", Parameters=given)["AutomationExecutionId"]
    wait(region, id, *statuses)
    return id


def by_command(runbook, region, *arguments, statuses=ENDED):
    said = causeway("run", runbook, "--yes", "--detach", "--format", "json", *arguments)
    id = json.loads(said)["execution"]
    wait(region, id, *statuses)
    return id


def is_same(region, *ids):
    """Both were started with the same, and went the same way."""

    def way(id):
        one = execution(region, id)
        steps = [step["StepName"] for step in one["StepExecutions"] if not step["StepName"].startswith(("await", "waitFor"))]
        return one["DocumentName"], one["Parameters"], steps, one["AutomationExecutionStatus"]

    first, second = (way(id) for id in ids)
    assert first == second, (first, second)


def both(runbook, region, parameters, *arguments, statuses=ENDED, decide=None):
    ids = []
    for start in (lambda: by_command(runbook, region, *arguments, statuses=statuses), lambda: by_console(runbook, region, parameters, *statuses)):
        ids.append(start())
        if decide:
            SSM[region].send_automation_signal(AutomationExecutionId=ids[-1], SignalType=decide)
            wait(region, ids[-1], *ENDED)
    is_same(region, *ids)
    return ids


def plain(text):
    """Without what differs from run to run."""
    text = re.sub(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "<execution>", text)
    text = re.sub(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", "<time>", text)
    text = re.sub(r"\d{4}-\d\d-\d\dT[\d:.]+Z", "<time>", text)
    text = re.sub(r"read from ARC in [a-z0-9-]+", "read from ARC in <endpoint>", text)
    # How far Aurora is with its snapshots.
    text = re.sub(r"(keepState(?:Again)?)\b.*?(?=\n|<clock>|\d+:\d\d )", r"\1 …", text)
    text = re.sub(r"at \d\d:\d\d UTC", "at <time>", text)
    text = re.sub(r"(?<![\w/-])\d+:\d\d(:\d\d)?(?![\w/-])", "<clock>", text)
    text = re.sub(r"\d+(\.\d+)? (s|min \d+ s|min|h)\b", "<duration>", text)
    # What stands in columns stands in others by that.
    return re.sub(r" {2,}", "  ", text)


def keep(name, text):
    with open(f"{name}.txt", "w") as file:
        file.write(plain(text))


def on_a_terminal(*arguments, answers=()):
    """What a person on a terminal sees who gives these answers to these questions."""
    pid, terminal = pty.fork()
    if pid:
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 40, 100, 0, 0))
    if pid == 0:
        os.execve(os.environ["CAUSEWAY"], ["causeway", *arguments], {**ENVIRONMENT, "TERM": "xterm-256color"})
    seen, answers = "", list(answers)
    while True:
        ready, _, _ = select.select([terminal], [], [], 60)
        assert ready, (arguments, seen)
        try:
            piece = os.read(terminal, 65536)
        except OSError:
            piece = b""
        if not piece:
            break
        seen += piece.decode(errors="replace")
        if answers and answers[0][0] in seen:
            os.write(terminal, (answers.pop(0)[1] + "\n").encode())
    return seen, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def settled(seen):
    """What is left of it: no line that moved, and each line whole, for how wide it is depends on the clock."""
    seen = re.sub(r"\x1b\[\d*[A-FJK]|\x1b\[\?25[hl]|\x1b\[2K", "", seen)
    lines = [line.rsplit("\r", 1)[-1] for line in seen.replace("\r\n", "\n").split("\n")]
    lines = [line for line in lines if not re.match(r"\s*[⠁-⣿]", line) and line.strip()]
    for line in lines:
        assert len(re.sub(r"\x1b\[\d+m", "", line)) <= 100 or "s3://" in line, line
    whole = plain(" ".join(" ".join(lines).split()))
    return re.sub(r" (?=<clock>|Start it|It is|Fail over to|causeway-failover runs|\x1b\[\d+mSuccess)", "\n", whole) + "\n"


def transcripts(runbook, region, id, code=0):
    """Keeps what is shown of an execution, piped and on a terminal: it is shown anew to whoever follows it afterwards."""

    def once(text):
        # How often it was looked at depends on the clock, and so does which look was the last.
        text = re.sub(r"(?m)^.*\bInProgress\b.*\n", "", text)
        named = {"awaitRestore": "restore", "awaitCleanup": "cleanup", "awaitRebuild": "rebuild", "awaitPromotion": "promote"}
        text = re.sub(r"\bawait[A-Z]\w+", lambda found: named.get(found[0], found[0]), text)
        return re.sub(r"\d+ rows?\b|\d+ tables?\b", "<some>", text)

    follow = ["run", "--follow", id, "--in", region]
    with open(f"run-{runbook}.txt", "w") as file:
        file.write(once(plain(causeway(*follow, expect=code))))
    seen, ended = on_a_terminal(*follow)
    assert ended == code, seen
    with open(f"run-{runbook}-on-a-terminal.txt", "w") as file:
        file.write(once(settled(seen)))


# -- A quiet day ---------------------------------------------------------------------------------------------------------
status = causeway("status")
assert "writer; available" in status and "follows" in status and "never looked" in status, status
transcripts("readiness", WEST, both("readiness", WEST, {})[0])
transcripts("routing", WEST, both("routing", WEST, {"TurnOn": [EAST]}, "--turn-on", EAST)[0])
assert "ready," in causeway("status")
assert json.loads(causeway("status", "--format", "json"))["regions"][0]["databases"]["orders"]["isWriter"] is True

# What can't be started changes nothing and says what to do.
for arguments, said in (
    (["failover", "--yes"], "--impaired sandbox-east or --impaired sandbox-west"),
    (["failover", "--impaired", "north", "--yes"], "no Region of the plan shop"),
    (["failover", "--impaired", EAST], "run it with --yes"),
    (["readiness", "--yes", "--plan", "other"], "there is no plan other: shop is"),
    (["readiness", "--yes", "--in", "north"], "north"),
    (["--follow", "nothing"], "there is no execution nothing"),
):
    assert said in causeway("run", *arguments, expect=2), arguments
assert "log in" in causeway("run", "readiness", "--yes", expect=2, AWS_ACCESS_KEY_ID="", AWS_SECRET_ACCESS_KEY="", AWS_EC2_METADATA_DISABLED="true")
plan = SSM[EAST].get_parameter(Name="/causeway/plans/shop")["Parameter"]["Value"]
SSM[EAST].put_parameter(Name="/causeway/plans/shop", Value=plan.replace('"rtoSeconds":', '"rtoSeconds":1'), Overwrite=True)
assert "is not the one in sandbox-east" in causeway("run", "readiness", "--yes", expect=2)
SSM[EAST].put_parameter(Name="/causeway/plans/shop", Value=plan, Overwrite=True)

# Away from a Region that is well, it asks; nobody else starts one meanwhile.
asked = {"ImpairedRegion": [EAST], "Approvers": [ME]}
both("failover", WEST, asked, "--impaired", EAST, statuses=("Waiting",), decide="Reject")
waiting = by_command("failover", WEST, "--impaired", EAST, statuses=("Waiting",))
assert f"causeway run --follow {waiting} --in {WEST}" in causeway("run", "failover", "--impaired", EAST, "--yes", expect=2)
assert "failover Waiting" in causeway("status")
SSM[WEST].send_automation_signal(AutomationExecutionId=waiting, SignalType="Reject")
assert "not approved" in causeway("run", "--follow", waiting, expect=1)

# -- The night -----------------------------------------------------------------------------------------------------------
order(f"isolate {EAST}")
for _ in range(600):
    dark = subprocess.run([os.environ["CAUSEWAY"], "status"], env=ENVIRONMENT, capture_output=True, text=True)
    if dark.returncode == 1:
        break
# Now all of it is.
keep("status-dark", causeway("status", expect=1))
keep("run-failover", causeway("run", "failover", "--impaired", EAST, "--yes"))
keep("run-failover-refused", causeway("run", "failover", "--impaired", EAST, "--yes", expect=1))
both("failover", WEST, asked, "--impaired", EAST)
assert "What it lost has not been looked for" in subprocess.run([os.environ["CAUSEWAY"], "status"], env=ENVIRONMENT, capture_output=True, text=True).stdout

# -- The old Region is back ----------------------------------------------------------------------------------------------
order(f"rejoin {EAST}")
RDS = client("rds", WEST)


def follows(region):
    clusters = [RDS.describe_global_clusters(GlobalClusterIdentifier=name)["GlobalClusters"][0] for name in ("shop-orders", "shop-catalog")]
    members = [member for cluster in clusters for member in cluster["GlobalClusterMembers"] if f":{region}:" in member["DBClusterArn"]]
    return len(members) == 2 and all(member.get("SynchronizationStatus") == "connected" for member in members)


def until_it_follows(region):
    for _ in range(600):
        if follows(region):
            return
        time.sleep(0.1)
    raise AssertionError(f"{region} does not follow")


assert "--reconciled ID" in causeway("run", "replay", "--yes", expect=2)
reconciled, _ = both("reconcile", WEST, {})
transcripts("reconcile", WEST, reconciled)
# The last one that ended well is what it takes.
last = by_command("replay", WEST)
[latest] = execution(WEST, last)["Parameters"]["ReconcileExecution"]
is_same(WEST, last, by_console("replay", WEST, {"ReconcileExecution": [latest], "Approvers": [ME]}, *ENDED))
assert latest != reconciled
transcripts("replay", WEST, last)
until_it_follows(EAST)
transcripts("rebuild", WEST, both("rebuild", WEST, {})[0])

# -- Back, and over once more by a person at a terminal ------------------------------------------------------------------
events = [json.loads(line) for line in causeway("run", "failback", "--yes", "--format", "json").splitlines()]
assert (events[0]["event"], events[0]["region"], events[-1]["status"]) == ("started", EAST, "Success"), events
transcripts("failback", EAST, events[0]["execution"])
until_it_follows(WEST)
causeway("run", "routing", "--turn-on", WEST, "--yes")
seen, code = on_a_terminal(
    "run", "failover", "--impaired", EAST, "--set", "Cooldown=override", answers=[("Start it? [y/N]", "y"), ("Approve it? [yes/no]", "yes")]
)
assert code == 0, seen
assert "\x1b[32mReady" in seen or "\x1b[33mNeedsApproval" in seen, seen
keep("run-failover-on-a-terminal", settled(seen))
