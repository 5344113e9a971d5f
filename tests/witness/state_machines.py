"""Runs a state machine in an emulator of Step Functions, and says what came of it.

Called by the test beside it as: state_machines.py ENDPOINT, with {"definition": …, "cases": [{"name", "object", "input"}]} on
standard input. Its function is in here, behind the emulator's proxy: it answers {"number", "rows"} of its event, fails where the
range says so, answers the template's machine that it is in progress for as many times as the range's number, divided by three, leaves over, and answers the first range after another one, if there is another: with fewer than two at once it would not. Prints as JSON, for each case: how the execution ended,
and the most invocations at once.
"""

import http.server
import io
import json
import sys
import threading
import time
import zipfile

import boto3
from botocore.config import Config

ENDPOINT = sys.argv[1]
REGION, BUCKET, ACCOUNT = "us-east-1", "ranges", "123456789012"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/machine"


def client(service):
    return boto3.client(
        service,
        region_name=REGION,
        endpoint_url=ENDPOINT,
        aws_access_key_id=ACCOUNT,
        aws_secret_access_key="sandbox",
        config=Config(connect_timeout=5, read_timeout=30, retries={"max_attempts": 1}, s3={"addressing_style": "path"}),
    )


def number_of(event):
    return event["number"] if "number" in event else event["range"]["number"]


class Work(http.server.BaseHTTPRequestHandler):
    lock, now, most, events = threading.Lock(), 0, 0, []
    # How many ranges there are, and whether another than the first was answered.
    total, another = 0, threading.Event()

    def do_POST(self):
        event = json.loads(self.rfile.read(int(self.headers["content-length"])))
        with Work.lock:
            Work.now += 1
            Work.most = max(Work.most, Work.now)
            Work.events.append(event)
            calls = sum(1 for other in Work.events if number_of(other) == number_of(event))
        if event.get("number") == 0 and Work.total > 1:
            Work.another.wait(20)
        # Long enough for others to come, if they may.
        time.sleep(0.1)
        with Work.lock:
            Work.now -= 1
        fails = event["range"].get("fails", False)
        if event.get("operation") == "range":
            answer = {"status": "Done" if calls > number_of(event) % 3 else "InProgress"}
        elif fails:
            answer = {"errorMessage": "it fails"}
        else:
            answer = {"number": event["number"], "rows": event["range"]["rows"]}
        body = json.dumps(answer).encode()
        self.send_response(500 if fails else 200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        if number_of(event) != 0:
            Work.another.set()

    def log_message(self, *_):
        pass


def main():
    given = json.load(sys.stdin)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Work)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    proxy = f"http://127.0.0.1:{server.server_address[1]}/"
    code = io.BytesIO()
    with zipfile.ZipFile(code, "w") as archive:
        archive.writestr("index.py", "")
    client("lambda").create_function(
        FunctionName="work", Runtime="python3.12", Handler="index.handler", Role=ROLE, Code={"ZipFile": code.getvalue()},
        Timeout=30, Environment={"Variables": {"MINISTACK_LAMBDA_PROXY_URL": proxy}})
    s3, states = client("s3"), client("stepfunctions")
    s3.create_bucket(Bucket=BUCKET)
    definition = json.dumps(given["definition"])
    machine = states.create_state_machine(name="ranges", definition=definition, roleArn=ROLE)["stateMachineArn"]
    found = []
    for case in given["cases"]:
        Work.most, Work.events = 0, []
        Work.total = sum(1 for line in (case["object"] or "").splitlines() if line.strip())
        Work.another.clear()
        if case["object"] is not None:
            s3.put_object(Bucket=BUCKET, Key=case["input"]["key"], Body=case["object"].encode())
        started = states.start_execution(stateMachineArn=machine, input=json.dumps(case["input"]))["executionArn"]
        for _ in range(600):
            shown = states.describe_execution(executionArn=started)
            if shown["status"] != "RUNNING":
                break
            time.sleep(0.05)
        runs = states.list_map_runs(executionArn=started)["mapRuns"]
        run = states.describe_map_run(mapRunArn=runs[0]["mapRunArn"]) if runs else None
        found.append({
            "name": case["name"],
            "status": shown["status"],
            "error": shown.get("error"),
            "cause": shown.get("cause"),
            # One that failed has none ("DescribeExecution", Step Functions API reference); the emulator shows the error there.
            "output": json.loads(shown["output"]) if shown["status"] == "SUCCEEDED" else None,
            "run": run["status"] if run else None,
            "failed": run["executionCounts"]["failed"] if run else 0,
            "succeeded": run["executionCounts"]["succeeded"] if run else 0,
            "total": run["executionCounts"]["total"] if run else 0,
            "most": Work.most,
            "events": sorted(Work.events, key=number_of),
        })
    print(json.dumps(found))


main()
