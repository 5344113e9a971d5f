"""Times the comparison beside its peers on two MariaDB servers, in one run, and writes docs/benchmarks.md.

    bench.py COMPARE [ROWS]

`make bench` runs it. COMPARE is the release build of the example `compare`. Needs what `tests/setup.sh mariadb bench`
installs. Everything lies in a temporary folder and is gone afterwards. The same table is several times faster or slower as the machine is quiet or busy: only the ratios count.
"""

import contextlib, os, platform, re, shutil, socket, statistics, subprocess, sys, tempfile, threading, time

ROUNDS = 5
# Round trips to the target, in milliseconds: another zone, another Region nearby, one on another continent.
ROUND_TRIPS = (1, 10, 70)
# How a comparison grows with its table: rows of the first table.
GROWTH = (100_000, 1_000_000, 10_000_000)
COLUMNS = {
    "orders_uuid": "id,customer,status,total,note,updated_at",
    "orders_int": "id,customer,status,total,note,updated_at",
    "items": "order_id,line,product,quantity,price,updated_at",
}
TITLES = {"orders_uuid": "UUID text key", "orders_int": "integer key", "items": "composite key"}
KEYS = {"orders_uuid": ["id"], "orders_int": ["id"], "items": ["order_id", "line"]}
FOUND = (1000, 200, 500)


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class MariaDb:
    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.socket = folder + ".sock"
        log = open(folder + ".log", "w")
        self.process = subprocess.Popen(
            ["mariadbd", "--no-defaults", "--user=root", f"--datadir={folder}", f"--socket={self.socket}",
             f"--port={self.port}", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=4G",
             "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", f"--tmpdir={folder}",
             f"--pid-file={folder}.pid"], stdout=log, stderr=log)
        for _ in range(300):
            try:
                self.sql("SELECT 1", None)
                return
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise SystemExit(f"mariadbd does not answer: see {folder}.log")

    def sql(self, text, database="bench"):
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-NB"]
        done = subprocess.run(command + ([database] if database else []), input=text, text=True,
                              capture_output=True, check=True)
        return done.stdout

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def url(self):
        return f"mysql://bench:bench@127.0.0.1:{self.port}/bench"


def uuid(text):
    for place in (9, 14, 19, 24):
        text = f"INSERT({text},{place},0,'-')"
    return text


def fill(server, rows, tables=tuple(COLUMNS)):
    """The shop's orders and items, the same on both sides."""
    columns = ("customer bigint not null, status varchar(16) not null, total decimal(12,2) not null, "
               "note varchar(120) null, updated_at datetime(6) not null")
    values = ("seq mod 50021, elt(1+seq mod 5,'NEW','PAID','SENT','DONE','BACK'), (seq*7919 mod 1000000)/100, "
              "if(seq mod 3=0,null,concat('note ',md5(seq),' ',seq)), "
              "'2026-01-01'+interval seq*37 second+interval (seq*7 mod 1000000) microsecond")
    key = uuid("MD5(CONCAT('u',seq))")
    server.sql("CREATE DATABASE bench CHARACTER SET utf8mb4; CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'bench'; "
               "GRANT ALL ON *.* TO bench@'127.0.0.1'", None)
    made = {
        "orders_uuid": f"CREATE TABLE orders_uuid (id char(36) PRIMARY KEY, {columns}); "
                       f"INSERT INTO orders_uuid SELECT {key}, {values} FROM seq_1_to_{rows} ORDER BY 1",
        "orders_int": f"CREATE TABLE orders_int (id bigint PRIMARY KEY, {columns}); "
                      f"INSERT INTO orders_int SELECT seq*3, {values} FROM seq_1_to_{rows}",
        "items": "CREATE TABLE items (order_id bigint, line int, product varchar(40) not null, quantity int not null, "
                 "price decimal(12,2) not null, updated_at datetime(6) not null, PRIMARY KEY (order_id, line)); "
                 "INSERT INTO items SELECT seq div 4, seq mod 4, concat('product-',seq*31 mod 9973), seq mod 9, "
                 f"(seq*7919 mod 100000)/100, '2026-01-01'+interval seq*37 second FROM seq_1_to_{2 * rows}",
    }
    for table in tables:
        server.sql(made[table])


def differ(server, rows, tables=tuple(COLUMNS)):
    """1,000 rows missing, 200 changed, 500 extra in each table, spread over it."""
    missing, changed, extra = FOUND
    # Even gaps, and one of them shifted by one: no row is both missing and changed.
    gap, other = (rows // (count + 1) // 2 * 2 for count in (missing, changed))
    for table in tables:
        if table == "items":
            continue
        key = (lambda seq: uuid(f"MD5(CONCAT('u',{seq}))")) if table == "orders_uuid" else (lambda seq: f"({seq})*3")
        kind = "char(36)" if table == "orders_uuid" else "bigint"
        new = uuid("MD5(CONCAT('new',seq))") if table == "orders_uuid" else f"seq*{rows // (extra + 1)}*3+1"
        server.sql(
            f"CREATE TABLE k (id {kind} PRIMARY KEY) SELECT {key(f'seq*{gap}')} id FROM seq_1_to_{missing}; "
            f"DELETE t FROM k STRAIGHT_JOIN {table} t ON t.id=k.id; DROP TABLE k; "
            f"CREATE TABLE k (id {kind} PRIMARY KEY) SELECT {key(f'seq*{other}+1')} id FROM seq_1_to_{changed}; "
            f"UPDATE k STRAIGHT_JOIN {table} t ON t.id=k.id SET t.status='LOST'; DROP TABLE k; "
            f"INSERT INTO {table} SELECT {new}, seq, 'NEW', 1, NULL, '2026-11-25' FROM seq_1_to_{extra}")
    if "items" not in tables:
        return
    gap, other = 2 * gap, 2 * other
    for count, at, change in ((missing, f"seq*{gap}", "DELETE t FROM k STRAIGHT_JOIN items t ON {on}"),
                              (changed, f"seq*{other}+1", "UPDATE k STRAIGHT_JOIN items t ON {on} SET t.quantity=99")):
        server.sql(f"CREATE TABLE k (o bigint, l int, PRIMARY KEY (o,l)) SELECT ({at}) div 4 o, ({at}) mod 4 l "
                   f"FROM seq_1_to_{count}; {change.format(on='t.order_id=k.o AND t.line=k.l')}; DROP TABLE k")
    server.sql(f"INSERT INTO items SELECT seq*{rows // 2 // (extra + 1)}, 7, 'x', 1, 1, '2026-11-25' "
               f"FROM seq_1_to_{extra}")


def timed(run):
    begun = time.perf_counter()
    result = run()
    return time.perf_counter() - begun, result


def bare(servers, table):
    """What no comparison can be faster than: each server reads every row once."""
    statement = f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('#',{COLUMNS[table]}))) FROM {table}"
    threads = [threading.Thread(target=lambda s=s: s.sql(statement)) for s in servers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def peak_of(command, **options):
    """Runs a command; its output and its largest resident memory in MiB."""
    with tempfile.NamedTemporaryFile("r") as usage:
        done = subprocess.run(["/usr/bin/env", "time", "-f", "%M", "-o", usage.name] + command, capture_output=True,
                              text=True, **options)
        return done, int(usage.read().split()[-1]) / 1024


def ours(compare, servers, table, target=None):
    done, peak = peak_of([compare, servers[0].url(), target or servers[1].url(), table])
    if done.returncode:
        raise SystemExit(done.stderr)
    kinds = re.findall(r'^\{"kind":"(\w+)"', done.stdout, re.M)
    return tuple(kinds.count(kind) for kind in ("missing", "changed", "extra")), peak


JOIN = """
import sys, connectorx, polars
source, target, table, keys, rest = sys.argv[1:]
keys, rest = keys.split(","), rest.split(",")
read = lambda url: connectorx.read_sql(url, f"SELECT * FROM {table}", return_type="polars", protocol="binary")
left, right = read(source), read(target)
missing = left.join(right, on=keys, how="anti").height
extra = right.join(left, on=keys, how="anti").height
both = left.join(right, on=keys, how="inner", suffix="_r")
changed = both.filter(polars.any_horizontal([polars.col(c).ne_missing(polars.col(c + "_r")) for c in rest])).height
print(missing, changed, extra)
"""


def join(servers, table):
    rest = [c for c in COLUMNS[table].split(",") if c not in KEYS[table]]
    command = [sys.executable, "-c", JOIN, servers[0].url(), servers[1].url(), table, ",".join(KEYS[table]),
               ",".join(rest)]
    done, peak = peak_of(command)
    if done.returncode:
        raise SystemExit(done.stderr)
    return tuple(int(n) for n in done.stdout.split()), peak


def pt_table_sync(servers, table, chunk):
    dsn = [f"h=127.0.0.1,P={s.port},u=bench,p=bench,D=bench,t={table}" for s in servers]
    done, peak = peak_of(["pt-table-sync", "--print", "--no-check-slave", "--no-check-triggers", "--no-bin-log",
                          "--chunk-size", str(chunk)] + dsn)
    lines = done.stdout.splitlines()
    count = lambda word: sum(line.startswith(word) for line in lines)
    if not lines:
        raise SystemExit(f"pt-table-sync: {done.stderr}")
    return (count("INSERT"), count("UPDATE") + count("REPLACE"), count("DELETE")), peak


@contextlib.contextmanager
def pair(rows, tables=tuple(COLUMNS)):
    """Two servers with these tables, the target's with differences."""
    folder = tempfile.mkdtemp(prefix="causeway-bench-")
    servers = []
    try:
        first = os.path.join(folder, "source")
        subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={first}", "--auth-root-authentication-method=normal",
                        f"--tmpdir={folder}"], check=True, stdout=subprocess.DEVNULL)
        print(f"filling {len(tables)} tables, {rows:,} rows", flush=True)
        server = MariaDb(first)
        servers = [server]
        fill(server, rows, tables)
        server.stop()
        shutil.copytree(first, os.path.join(folder, "target"))
        servers = [MariaDb(first)]
        servers.append(MariaDb(os.path.join(folder, "target")))
        differ(servers[1], rows, tables)
        yield servers
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main():
    compare, rows = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2_000_000
    with pair(rows) as servers:
        lines = report(compare, servers, rows)
        version = servers[0].sql("SELECT VERSION()").strip()
        far = latency(compare, servers)
    write(lines, far, growth(compare), rows, version)


def measured(compare, servers, table, target=None):
    """Median seconds of a comparison, of a bare scan beside it, and of their ratio; the peak memory."""
    times, base, peak = [], [], 0
    for _ in range(3):
        before, _none = timed(lambda: bare(servers, table))
        seconds, (found, memory) = timed(lambda: ours(compare, servers, table, target))
        after, _none = timed(lambda: bare(servers, table))
        if found != FOUND:
            raise SystemExit(f"table-diff found {found} in {table}, not {FOUND}")
        times.append(seconds)
        base.append((before + after) / 2)
        peak = max(peak, memory)
    ratio = statistics.median(t / b for t, b in zip(times, base))
    return statistics.median(times), statistics.median(base), ratio, peak


def latency(compare, servers):
    """The target behind a proxy that holds everything back for half a round trip in either direction."""
    lines = []
    for table in COLUMNS:
        near, _scan, _ratio, _peak = measured(compare, servers, table)
        for milliseconds in ROUND_TRIPS:
            proxy = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "far.py"),
                                      str(servers[1].port), str(milliseconds)], stdout=subprocess.PIPE, text=True)
            try:
                port = int(proxy.stdout.readline())
                target = f"mysql://bench:bench@127.0.0.1:{port}/bench"
                seconds, scan, ratio, _peak = measured(compare, servers, table, target)
            finally:
                proxy.terminate()
                proxy.wait()
            line = f"| {TITLES[table]} | {milliseconds} ms | {seconds:.2f} s | {seconds / near:.2f} | {ratio:.2f} |"
            lines.append(line)
            print(line, flush=True)
    return lines


def growth(compare):
    lines, first = [], None
    for rows in GROWTH:
        with pair(rows, ("orders_uuid",)) as servers:
            bare(servers, "orders_uuid")
            seconds, scan, ratio, peak = measured(compare, servers, "orders_uuid")
        first = first or (rows, seconds, scan)
        grown = f"{rows / first[0]:.0f} | {seconds / first[1]:.1f} | {scan / first[2]:.1f}"
        line = f"| {rows:,} | {seconds:.2f} s | {ratio:.2f} | {grown} | {peak:.0f} |"
        lines.append(line)
        print(line, flush=True)
    return lines


def report(compare, servers, rows):
    lines = []
    for table in COLUMNS:
        for server in servers:
            server.sql(f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('#',{COLUMNS[table]}))) FROM {table}")
        ratios, peaks, told, base, ours_times = {}, {}, {}, [], []
        tools = {"table-diff": lambda: ours(compare, servers, table), "frames joined": lambda: join(servers, table)}
        for _ in range(ROUNDS):
            for tool, run in tools.items():
                before, _none = timed(lambda: bare(servers, table))
                seconds, (found, peak) = timed(run)
                after, _none = timed(lambda: bare(servers, table))
                if found != FOUND:
                    raise SystemExit(f"{tool} found {found} in {table}, not {FOUND}")
                base.append((before + after) / 2)
                if tool == "table-diff":
                    ours_times.append(seconds)
                told[tool] = found
                ratios.setdefault(tool, []).append(seconds / base[-1])
                peaks[tool] = max(peak, peaks.get(tool, 0))
        # Slow, and its best chunk size differs from table to table: each once, the best counts.
        for chunk in (500, 5000):
            before, _none = timed(lambda: bare(servers, table))
            seconds, (found, peak) = timed(lambda: pt_table_sync(servers, table, chunk))
            after, _none = timed(lambda: bare(servers, table))
            ratios.setdefault("pt-table-sync", []).append(seconds / ((before + after) / 2))
            if ratios["pt-table-sync"][-1] == min(ratios["pt-table-sync"]):
                told["pt-table-sync"] = found
            peaks["pt-table-sync"] = max(peak, peaks.get("pt-table-sync", 0))
            print(f"{TITLES[table]}: pt-table-sync, chunks of {chunk}: {ratios['pt-table-sync'][-1]:.1f} scans, "
                  f"found {found}", flush=True)
        of = {tool: min(r) if tool == "pt-table-sync" else statistics.median(r) for tool, r in ratios.items()}
        for tool in ("table-diff", "frames joined", "pt-table-sync"):
            spread = f"{min(ratios[tool]):.2f} to {max(ratios[tool]):.2f}"
            times = "" if tool == "table-diff" else f"{of[tool] / of['table-diff']:.1f}"
            number = 2 * rows if table == "items" else rows
            counts = " / ".join(f"{count:,}" for count in told[tool])
            line = (f"| {number:,} rows, {TITLES[table]} | {tool} | {of[tool]:.2f} | {spread} | {times} | "
                    f"{peaks[tool]:,.0f} | {counts} |")
            lines.append(line)
            print(line, flush=True)
        lines.append(f"| | *(one bare scan: {statistics.median(base):.2f} s; table-diff: "
                     f"{statistics.median(ours_times):.2f} s)* | | | | | |")
    return lines


def write(lines, far, growing, rows, version):
    def said(command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[-1]

    peers = said([sys.executable, "-c", "import connectorx, polars; print('connectorx', connectorx.__version__, "
                                        "'and polars', polars.__version__)"])
    processor = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    machine = f"{os.cpu_count()} cores ({processor.group(1) if processor else platform.processor()})"
    text = TEXT.format(rows=rows, machine=machine, version=version, peers=peers, rounds=ROUNDS,
                       pt=said(["pt-table-sync", "--version"]), lines="\n".join(lines), far="\n".join(far),
                       growing="\n".join(growing))
    path = os.path.join(os.path.dirname(__file__), "..", "..", "docs", "benchmarks.md")
    with open(path, "w") as file:
        file.write(text)
    print(f"written to {os.path.normpath(path)}")


TEXT = """# Benchmarks of the comparison

Written by tests/bench/bench.py. Two servers and the tool share one machine: {machine}, MariaDB {version}, {pt}, {peers}. In each
table 1,000 rows are missing, 200 changed and 500 extra, spread over it. table-diff and the join have to find just these,
or the run fails; of pt-table-sync, its statements are counted as it prints them (INSERT; UPDATE and REPLACE; DELETE).

The unit is one bare scan of the same table on both servers at once, taken just before and after each measurement:
`SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('#', …)))`. It is what a comparison can't do without, and it moves with the
machine, so that only ratios mean something. table-diff and the join of data frames: the median of {rounds}; pt-table-sync:
the better of two chunk sizes.

| table | tool | scans | from, to | times table-diff | memory, MiB | missing / changed / extra |
|---|---|---|---|---|---|---|
{lines}

## A target far away

The same tables, with the target behind a proxy that holds everything back for half a round trip in either direction. The
bandwidth is not limited. Near: without the proxy, in the same run.

| table | round trip | time | times near | scans |
|---|---|---|---|---|
{far}

## Growth

The first table, with the same 1,700 differences.

| rows | time | scans | rows, times the first | time, times the first | bare scan, times the first | memory, MiB |
|---|---|---|---|---|---|---|
{growing}
"""

if __name__ == "__main__":
    main()
