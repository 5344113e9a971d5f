"""Times the shop of one Region, and writes docs/shop-speed.md.

    shop.py SHOP LOAD DYNAMODB CAUSEWAY TESTS

`make bench-shop` runs it. SHOP, LOAD and DYNAMODB are release builds of the shop, of its customers (tests/bench/load) and of DynamoDB by
itself (the example `serve` of crates/dynamodb); CAUSEWAY is the command's debug build, for the time of a drill; TESTS that of the
services' tests, which print how soon an order is accepted after a failover. Beside the orders, the same rows are written by the
databases' own tools, mariadb-slap and pgbench, with as many connections. Everything lies in temporary folders and is gone afterwards.
"""

import contextlib, glob, json, os, platform, re, socket, statistics, subprocess, sys, tempfile, time, urllib.request

import boto3

from servers import ENGINES, free_port

SHOP, LOAD, DYNAMODB, CAUSEWAY, TESTS = (os.path.abspath(path) for path in sys.argv[1:6])
ROOT = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", ".."))
PAGE = os.path.join(ROOT, "docs", "shop-speed.md")
ROUNDS, SECONDS, CUSTOMERS = 3, 10, 16
SERVICES = ("assets", "catalog", "carts", "orders", "checkout", "ui")
DRILLS = 3
EVENT = json.dumps({"order": {"id": "0" * 36, "firstName": "Ada", "lastName": "Lovelace", "email": "ada@example.com",
                              "status": "PAID", "total": 150, "orderItems": [{"productId": "product-0", "quantity": 1,
                              "unitCost": 64, "totalCost": 64}] * 2}})


def say(text):
    print(f"{time.strftime('%H:%M:%S')} {text}", flush=True)


def started(stack, command, env, folder, name, **options):
    """A process that ends with the stack."""
    log = stack.enter_context(open(os.path.join(folder, f"{name}.log"), "w"))
    options = {"stdout": log, "stderr": log, **options}
    process = subprocess.Popen(command, env=env, cwd=folder, **options)
    stack.callback(lambda: (process.terminate(), process.wait()))
    return process


def answers(url):
    with contextlib.suppress(OSError):
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.status == 200


def until(look, what, patience=60):
    end = time.monotonic() + patience
    while not look():
        if time.monotonic() > end:
            raise SystemExit(f"not after {patience} s: {what}")
        time.sleep(0.001)


def memory(process, kind):
    """MiB of resident memory: `VmRSS` now, `VmHWM` at most so far."""
    with open(f"/proc/{process.pid}/status") as status:
        return int(re.search(rf"{kind}:\s+(\d+) kB", status.read()).group(1)) / 1024


def redis(stack, folder):
    port = free_port()
    started(stack, ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder],
            os.environ, folder, "redis")
    return f"redis://127.0.0.1:{port}"


def rabbitmq(stack, folder):
    """A node with a port mapper of its own; the URL. It takes some seconds."""
    port, node, mapper = free_port(), free_port(), free_port()
    [home], [epmd] = glob.glob("/usr/lib/rabbitmq/lib/rabbitmq_server-*"), glob.glob("/usr/lib/erlang/erts-*/bin/epmd")
    started(stack, [epmd, "-address", "127.0.0.1", "-port", str(mapper)], os.environ, folder, "epmd")
    settings = os.path.join(folder, "rabbitmq.conf")
    with open(settings, "w") as conf:
        conf.write(f"listeners.tcp.1 = 127.0.0.1:{port}\nlog.console = true\nlog.file = false\n")
    plugins = os.path.join(folder, "enabled_plugins")
    with open(plugins, "w") as file:
        file.write("[].\n")
    environment = {
        "PATH": os.environ["PATH"], "HOME": folder, "ERL_LIBS": f"{home}/plugins", "ERL_AFLAGS": "-start_epmd false",
        "ERL_EPMD_ADDRESS": "127.0.0.1", "ERL_EPMD_PORT": str(mapper), "RABBITMQ_HOME": home,
        "RABBITMQ_NODENAME": f"bench-{port}@localhost", "RABBITMQ_DIST_PORT": str(node),
        "RABBITMQ_MNESIA_BASE": f"{folder}/data", "RABBITMQ_LOG_BASE": f"{folder}/log",
        "RABBITMQ_CONFIG_FILE": settings, "RABBITMQ_CONF_ENV_FILE": "/dev/null", "RABBITMQ_ENABLED_PLUGINS_FILE": plugins,
    }
    erl = ["erl", "-pa", "", "-noshell", "-noinput", "-s", "rabbit", "boot", "-boot", "start_sasl", "+sbwt", "none"]
    erl += ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
    started(stack, erl, environment, folder, "rabbitmq")

    def listens():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
            return True

    until(listens, "RabbitMQ listens")
    return f"amqp://guest:guest@127.0.0.1:{port}/%2f"


def dynamodb(stack, folder):
    process = started(stack, [DYNAMODB], os.environ, folder, "dynamodb", stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    url = process.stdout.readline().strip()
    client = boto3.client("dynamodb", region_name="eu-west-1", endpoint_url=url, aws_access_key_id="k", aws_secret_access_key="s")
    keys = {"customerId": "HASH", "itemId": "RANGE"}
    client.create_table(
        TableName="carts", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in keys],
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys.items()])
    return url


class Region:
    """The six services of a Region with their stores."""

    def __init__(self, stack, folder, server, engine):
        self.server, self.engine = server, engine
        self.ports, self.processes, self.starts, self.idle = {}, {}, {}, {}
        stores = {"redis": redis(stack, folder), "dynamodb": dynamodb(stack, folder), "broker": rabbitmq(stack, folder)}
        for name in SERVICES:
            self.ports[name] = free_port()
        for name in SERVICES:
            environment = {"SHOP_LISTEN": f"127.0.0.1:{self.ports[name]}", "AWS_REGION": "eu-west-1",
                           "SHOP_MAX_RATE": "1000000", **self.settings(name, stores)}
            begun = time.perf_counter()
            process = self.processes[name] = started(stack, [SHOP, name], environment, folder, name)
            until(lambda: answers(f"{self.url(name)}/health"), f"{name} is healthy")
            self.starts[name] = time.perf_counter() - begun
            self.idle[name] = memory(process, "VmRSS")
        for page in ("/", "/orders"):
            until(lambda: answers(self.url("ui") + page), f"the page {page}")

    def url(self, name):
        return f"http://127.0.0.1:{self.ports[name]}"

    def metrics(self):
        with urllib.request.urlopen(f"{self.url('orders')}/metrics") as answer:
            return answer.read().decode()

    def settings(self, name, stores):
        database = {"SHOP_DATABASE_ENGINE": "postgres" if self.engine == "postgres" else "mysql",
                    "SHOP_DATABASE_ENDPOINT": f"127.0.0.1:{self.server.port}", "SHOP_DATABASE_NAME": "bench",
                    "SHOP_DATABASE_USER": "bench", "SHOP_DATABASE_PASSWORD": "bench"}
        return {
            "catalog": database,
            "orders": {**database, "SHOP_BROKER_URL": stores["broker"]},
            "carts": {"AWS_ENDPOINT_URL_DYNAMODB": stores["dynamodb"], "AWS_ACCESS_KEY_ID": "k", "AWS_SECRET_ACCESS_KEY": "s"},
            "checkout": {"RETAIL_CHECKOUT_PERSISTENCE_REDIS_URL": stores["redis"], "RETAIL_CHECKOUT_ENDPOINTS_ORDERS": self.url("orders")},
            "ui": {f"RETAIL_UI_ENDPOINTS_{of.upper()}": self.url(of) for of in SERVICES if of != "ui"},
        }.get(name, {})

    def load(self, flow):
        to = "orders" if flow == "place" else "ui"
        done = subprocess.run([LOAD, self.url(to), flow, str(CUSTOMERS), str(SECONDS)], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        said = json.loads(done.stdout)
        if said["errors"]:
            raise SystemExit(f"{flow}: {said['errors']} errors")
        return said


def writes(engine):
    """The rows of an order with two items, statement by statement, as the service writes them."""
    if engine == "postgres":
        key, before, now = "':id'", "SELECT gen_random_uuid() AS id \\gset", "CURRENT_TIMESTAMP(6)"
    else:
        key, before, now = "@id", "SET @id = UUID()", "CURRENT_TIMESTAMP(6)"
    item = lambda line: f"({key}, {line}, 'product-{line}', 'product-{line}', 1, 64.00, 64.00)"
    return [
        before, "BEGIN",
        "INSERT INTO CUSTOMER_ORDER (ORDER_ID, IDEMPOTENCY_KEY, CUSTOMER_ID, STATUS, REGION, SUBTOTAL, SHIPPING, TAX, TOTAL, "
        f"CREATED_AT, UPDATED_AT) VALUES ({key}, {key}, {key}, 'PAID', 'eu-west-1', 128.00, 10.00, 12.80, 150.80, {now}, {now})",
        f"SELECT CREATED_AT FROM CUSTOMER_ORDER WHERE ORDER_ID = {key}",
        "INSERT INTO CUSTOMER_ORDER_ITEM (ORDER_ID, LINE, PRODUCT_ID, NAME, QUANTITY, PRICE, TOTAL) VALUES "
        f"{item(1)}, {item(2)}",
        "INSERT INTO CUSTOMER_ORDER_ADDRESS (ORDER_ID, FIRST_NAME, LAST_NAME, EMAIL, ADDRESS1, ADDRESS2, CITY, STATE, ZIP_CODE) "
        f"VALUES ({key}, 'Ada', 'Lovelace', 'ada@example.com', '12 St James’s Square', '', 'London', '', 'SW1Y 4JH')",
        "INSERT INTO ORDER_EVENT (EVENT_ID, ORDER_ID, KIND, BODY, CREATED_AT) VALUES "
        f"({key}, {key}, 'OrderCreated', '{EVENT}', {now})",
        "COMMIT",
    ]


def limit(server, engine, folder):
    """Orders per second that the database's own tool writes."""
    script = os.path.join(folder, "writes.sql")
    statements = writes(engine)
    with open(script, "w") as file:
        file.write("".join(text + ("\n" if text.endswith("gset") else ";\n") for text in statements))
    os.chmod(script, 0o644)
    if engine == "postgres":
        pgbench = os.path.join(server.programs(), "pgbench")
        done = subprocess.run([pgbench, "-h", "127.0.0.1", "-p", str(server.port), "-U", "bench", "-n", "-f", script, "-c",
                               str(CUSTOMERS), "-j", "2", "-T", str(SECONDS), "bench"], capture_output=True, text=True)
        if done.returncode:
            raise SystemExit(done.stderr)
        return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))
    orders = 1_500 * SECONDS
    before = int(server.sql("SELECT COUNT(*) FROM CUSTOMER_ORDER"))
    begun = time.perf_counter()
    done = subprocess.run(["mariadb-slap", "--no-defaults", "--protocol=tcp", "-h", "127.0.0.1", "-P", str(server.port), "-ubench", "-pbench",
                           "--create-schema=bench", "--no-drop", f"--concurrency={CUSTOMERS}", f"--query={script}", "--delimiter=;\n",
                           f"--number-of-queries={orders * len(statements)}"], capture_output=True, text=True)
    took = time.perf_counter() - begun
    if done.returncode:
        raise SystemExit(done.stderr)
    return (int(server.sql("SELECT COUNT(*) FROM CUSTOMER_ORDER")) - before) / took


def measured(engine):
    """The section of an engine, and its services' start and memory."""
    kind = ENGINES[engine]
    with contextlib.ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        os.chmod(folder, 0o755)
        place = os.path.join(folder, "server")
        os.mkdir(place)
        kind.install(os.path.join(place, "data"))
        server = kind(os.path.join(place, "data"))
        stack.callback(server.stop)
        server.sql("CREATE DATABASE bench" + ("" if engine == "postgres" else
                   " CHARACTER SET utf8mb4; CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'bench'; GRANT ALL ON *.* TO bench@'127.0.0.1'"), None)
        say(f"{kind.name}: the services start")
        region = Region(stack, folder, server, engine)
        results = {flow: [] for flow in ("browse", "order", "place")}
        limits = []
        for round in range(ROUNDS):
            for flow in results:
                results[flow].append(region.load(flow))
                say(f"{kind.name}, round {round + 1}: {flow} {results[flow][-1]['requests'] / results[flow][-1]['seconds']:.0f} requests/s")
            limits.append(limit(server, engine, folder))
            say(f"{kind.name}, round {round + 1}: {limits[-1]:.0f} orders/s by its own tool")
        peaks = {name: memory(process, "VmHWM") for name, process in region.processes.items()}
        return kind, server.version(), results, limits, region, peaks


def median_of(results, key, place=None):
    values = [(r[key] if place is None else r[key][place]) for r in results]
    return statistics.median(values)


def flows_table(results, limits):
    lines = ["| flow | requests/s | request p50, p99 | whole flows/s | flow p50, p99 |", "|---|---|---|---|---|"]
    titles = {"browse": "browse: 3 pages", "order": "order: 8 pages and forms", "place": "`POST /orders`"}
    for flow, title in titles.items():
        of = results[flow]
        rate = lambda key: statistics.median(r[key] / r["seconds"] for r in of)
        lines.append(f"| {title} | {rate('requests'):,.0f} | {median_of(of, 'request', 0):.1f} ms, {median_of(of, 'request', 1):.1f} ms "
                     f"| {rate('flows'):,.0f} | {median_of(of, 'flow', 0):.1f} ms, {median_of(of, 'flow', 1):.1f} ms |")
    own = statistics.median(limits)
    shares = [f"{statistics.median(r['flows'] / r['seconds'] / one for r, one in zip(results[flow], limits)):.0%}" for flow in ("place", "order")]
    lines += ["", f"The database's own tool writes the rows of {own:,.0f} orders a second ({min(limits):,.0f} to {max(limits):,.0f}): "
              f"`POST /orders` reaches {shares[0]} of that, customers who go through the pages {shares[1]}."]
    return lines


def failovers():
    done = subprocess.run([TESTS, "failover", "--nocapture", "--test-threads=1"], capture_output=True, text=True, cwd=os.path.join(ROOT, "crates/shop"))
    if done.returncode:
        raise SystemExit(done.stdout + done.stderr)
    found = re.findall(r"(\w+): the first order was accepted ([\d.]+)(m?s) (after .*)$", done.stdout, re.M)
    names = {"AuroraMysql": "MariaDB", "AuroraPostgresql": "PostgreSQL"}
    return [f"{names[of]}: {float(took) * (1 if unit == 'ms' else 1000):.0f} ms {after}" for of, took, unit, after in found]


def drills():
    times = []
    for seed in range(1, DRILLS + 1):
        with tempfile.TemporaryDirectory() as out:
            begun = time.perf_counter()
            subprocess.run([CAUSEWAY, "drill", "--seed", str(seed), "--output", out], check=True, capture_output=True, cwd=ROOT)
            times.append(time.perf_counter() - begun)
            say(f"a drill: {times[-1]:.0f} s")
    return times


def main():
    cpu = re.search(r"model name\s*:\s*(.*)", open("/proc/cpuinfo").read()).group(1)
    lines = [
        "# How fast the shop is", "",
        f"Written by tests/bench/shop.py (`make bench-shop`), on {os.cpu_count()} cores ({cpu}).", "",
        f"One Region: six services (release build), database, Redis, RabbitMQ, DynamoDB (the sandbox's, release build) and {CUSTOMERS} customers, who wait",
        f"for nothing but the answers, share the machine. The median of {ROUNDS} rounds of {SECONDS} s. The databases do not wait for the disk, so",
        "that their own limit is as high as it can be. That is measured in the same rounds, by `mariadb-slap` and `pgbench`: the statements of an",
        f"order with two items, by as many connections, with nothing else to do. No answer was an error, or the run would have failed.", "",
    ]
    region = None
    for engine in ("mariadb", "postgres"):
        kind, version, results, limits, region, peaks = measured(engine)
        lines += [f"## {kind.name}", f"{version}", "", *flows_table(results, limits), ""]
    lines += ["## The services", "Start: from the process's start to the first healthy answer. Memory: resident, before and at most under the load above "
              "(on PostgreSQL).", "", "| service | start | memory at the start | at most |", "|---|---|---|---|"]
    for name in sorted(SERVICES):
        lines.append(f"| {name} | {region.starts[name] * 1000:.0f} ms | {region.idle[name]:.0f} MiB | {peaks[name]:.0f} MiB |")
    size = os.path.getsize(SHOP) / 1024 / 1024
    lines += ["", f"The program has {size:.0f} MiB.", ""]
    say("failovers of the database")
    lines += ["## The moment after a failover", "From the writer's change to the first accepted order, at the service, as its tests print it (debug build):", ""]
    lines += [f"- {line}" for line in failovers()]
    times = drills()
    lines += ["", "## A drill", f"`causeway drill`, debug build, as `make drill` starts it, after the build: {statistics.median(times):.0f} s "
              f"({min(times):.0f} to {max(times):.0f}, {DRILLS} seeds).", ""]
    with open(PAGE, "w") as page:
        page.write("\n".join(lines))
    say(f"written: {PAGE}")


main()
