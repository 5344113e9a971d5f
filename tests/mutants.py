"""Makes one deliberate mistake after the other in documents and steps, and looks how many nights the campaign needs to find it.

    tests/mutants.py [NAME...]

Each mistake is a text that occurs once in a file, and what stands in its place meanwhile. The file is put back afterwards, also
where this is interrupted. A mistake that the campaign does not find within NIGHTS is a promise that nothing holds.
"""

import os
import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
NIGHTS = os.environ.get("NIGHTS", "300")
SEED = os.environ.get("SEED", "1")
TEST = "campaign::any_story_in_any_weather_keeps_every_promise"

FAILOVER, FAILBACK, RECONCILE, REPLAY, REBUILD = (
    f"ssm-documents/{name}.yaml" for name in ("failover", "failback", "reconcile", "replay", "rebuild")
)


def branch(step, status, target):
    return f"- {{Variable: '{{{{ {step}.status }}}}', StringEquals: {status}, NextStep: {target}}}"


MUTANTS = {
    # A check is dropped: the databases move although the traffic is not off.
    "traffic-not-off": (FAILOVER, branch("trafficOff", "Done", "promote") + "\n      Default: recordFailure",
                        branch("trafficOff", "Done", "promote") + "\n      Default: promote"),
    # A step is dropped: nobody turns the traffic of the ill Region off.
    "no-traffic-off": (FAILOVER, "'off': ['{{ ImpairedRegion }}']\n        safetyRulesToOverride: '{{ SafetyRulesToOverride }}'\n        mode: '{{ Mode }}'",
                       "'on': ['{{ ImpairedRegion }}']\n        safetyRulesToOverride: '{{ SafetyRulesToOverride }}'\n        mode: '{{ Mode }}'"),
    # A wait is dropped: a promotion that has begun is taken for one that is over.
    "promotion-not-awaited": (FAILOVER, branch("promote", "InProgress", "awaitPromotion"), branch("promote", "InProgress", "record")),
    # What could not be verified is recorded as a success.
    "verify-ignored": (FAILOVER, branch("awaitVerify", "InProgress", "awaitVerify") + "\n      Default: recordFailure",
                       branch("awaitVerify", "InProgress", "awaitVerify") + "\n      Default: record"),
    # What was restored is not removed after a failure.
    "no-cleanup-after-failure": (RECONCILE, "        runbook again.\n    nextStep: cleanupAfterFailure\n\n  - name: cleanupAfterFailure",
                                 "        runbook again.\n    nextStep: outcome\n\n  - name: cleanupAfterFailure"),
    # A clean-up that has begun is taken for one that is over.
    "cleanup-not-awaited": (RECONCILE, branch("cleanup", "InProgress", "waitForCleanup"), branch("cleanup", "InProgress", "notifySucceeded")),
    # A report that could not be written is no reason to stop.
    "report-ignored": (RECONCILE, branch("report", "Refused", "notifyReportRefused") + "\n      Default: notifyBroken",
                       branch("report", "Refused", "notifyReportRefused") + "\n      Default: cleanup"),
    # A comparison that is not finished is reported.
    "compare-not-awaited": (RECONCILE, branch("compare", "InProgress", "compare"), branch("compare", "InProgress", "report")),
    # A replay that is not finished is told as done.
    "replay-not-awaited": (REPLAY, branch("apply", "InProgress", "apply"), branch("apply", "InProgress", "notifySucceeded")),
    # A retry repeats an effect: what was found is written once more, from the beginning of the table.
    "compared-again": ("crates/reconcile/src/run.rs", "compare_table(sides, (&listed.table, &range), current.cursor, &mut kept, stop)",
                       "compare_table(sides, (&listed.table, &range), None, &mut kept, stop)"),
    # The place is saved, and what was found up to there is not.
    "place-before-part": ("crates/reconcile/src/run.rs", "(current.cursor, current.parts) = (cursor, self.parts.names().to_vec());",
                          "current.cursor = cursor;"),
    # A check is inverted: what only the old primary changed is taken for the new one's doing.
    "update-not-lost": ("crates/missing-transactions/src/base.rs", "(DifferenceKind::Changed, Base::Target) => Fate::LostUpdate",
                        "(DifferenceKind::Changed, Base::Target) => Fate::ChangedThere"),
    # A state at the takeover that came late is believed.
    "late-base-believed": ("crates/missing-transactions/src/base.rs", "    if is_sure { Said::Proved", "    if is_sure || true { Said::Proved"),
    # The clean-up forgets clusters that have no instance.
    "clusters-left": ("crates/snapshot-restore/src/cleanup/decide.rs", """            decision.remaining.push(format!("cluster {id} ({status})"));
            let members""", """            let members"""),
    # A database that is not there yet is no reason to wait.
    "takeover-not-seen": ("crates/preflight/src/verify/decide.rs", "    if missing.is_empty() {\n        Decision::Complete",
                          "    if missing.is_empty() || elsewhere == 0 {\n        Decision::Complete"),
    # A rebuild that has begun is taken for one that is over.
    "rebuild-not-awaited": (REBUILD, branch("rebuild", "InProgress", "waitForRebuild"), branch("rebuild", "InProgress", "notifySucceeded")),
}


def run(name):
    file, old, new = MUTANTS[name]
    path = ROOT / file
    text = path.read_text()
    if text.count(old) != 1:
        sys.exit(f"{name}: its text occurs {text.count(old)} times in {file}")
    try:
        path.write_text(text.replace(old, new))
        command = ["cargo", "test", "--quiet", "--workspace", "--test", "rehearsal", "--", "--exact", TEST, "--nocapture"]
        env = os.environ | {"SCHEDULES": NIGHTS, "SEED": SEED}
        told = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, errors="replace")
    finally:
        path.write_text(text)
    said = told.stdout + told.stderr
    if "campaign:" not in said:
        sys.exit(f"{name}: it does not compile, or the campaign does not run:\n{said}")
    nights = re.search(r"campaign: (\d+) schedules in", said)
    promise = re.search(r"broke the promise: (.*)", said)
    found = f"found after {nights[1]} nights: {promise[1]}" if promise else f"NOT FOUND in {nights and nights[1]} nights"
    print(f"{name}: {found}", flush=True)
    return bool(promise)


if __name__ == "__main__":
    names = sys.argv[1:] or list(MUTANTS)
    sys.exit(0 if all([run(name) for name in names]) else 1)
