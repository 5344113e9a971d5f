"""Times the comparison beside its peers on two servers of each engine, in one run, and writes docs/benchmarks.md.

    bench.py COMPARE ROWS [ENGINE...]

`make bench` runs it. COMPARE is the release build of the example `compare`; ENGINE is mariadb, mysql, postgres: all without
one. An engine that is not asked for keeps the section that it has, and so does what connections.py measures. Needs what `tests/setup.sh mariadb mysql postgres bench`
installs. Everything lies in temporary folders and is gone afterwards. The same table is several times faster or slower as the
machine is quiet or busy: only the ratios count.
"""

import contextlib, os, platform, re, shutil, statistics, subprocess, sys, tempfile, threading, time

from servers import COLUMNS, ENGINES, FOUND, KEYS, RECENT, rows_of

ROUNDS = 5
# Round trips to the target, in milliseconds: another zone, another Region nearby, one on another continent.
ROUND_TRIPS = (1, 10, 70)
# How a comparison grows with its table: rows of the first table.
GROWTH = (100_000, 1_000_000, 10_000_000)
# What connections.py measures.
CONNECTIONS = "Several connections"
PAGE = os.path.normpath(os.path.join(os.path.dirname(__file__), "..", "..", "docs", "benchmarks.md"))


def timed(run):
    begun = time.perf_counter()
    result = run()
    return time.perf_counter() - begun, result


def bare(servers, table):
    """A bare scan of both sides at once."""
    threads = [threading.Thread(target=server.bare, args=(table,)) for server in servers]
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
def pair(engine, rows, tables=tuple(COLUMNS)):
    """Two servers with these tables, the same on both."""
    folder = tempfile.mkdtemp(prefix="causeway-bench-")
    servers = []
    try:
        first, second = (os.path.join(folder, side) for side in ("source", "target"))
        engine.install(first)
        print(f"{engine.name}: filling {len(tables)} tables, {rows:,} rows", flush=True)
        servers = [engine(first)]
        servers[0].fill(rows, tables)
        servers[0].settle(tables)
        servers.pop().stop()
        subprocess.run(["cp", "-a", first, second], check=True)
        servers.append(engine(first))
        servers.append(engine(second))
        yield servers
    finally:
        for server in servers:
            server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def measured(compare, servers, table, target=None, expected=FOUND, rounds=3):
    """Median seconds of a comparison, of a bare scan beside it, all their ratios in order; the peak memory."""
    times, base, peak = [], [], 0
    after, _none = timed(lambda: bare(servers, table))
    for _ in range(rounds):
        before = after
        seconds, (found, memory) = timed(lambda: ours(compare, servers, table, target))
        after, _none = timed(lambda: bare(servers, table))
        if found != expected:
            raise SystemExit(f"table-diff found {found} in {table}, not {expected}")
        times.append(seconds)
        base.append((before + after) / 2)
        peak = max(peak, memory)
    return statistics.median(times), statistics.median(base), sorted(t / b for t, b in zip(times, base)), peak


def few(engine, compare, servers, rows):
    """The last rows had not come to the target."""
    lines = []
    for table in COLUMNS:
        bare(servers, table)
        servers[1].forget_recent(table, rows)
        seconds, scan, ratios, peak = measured(compare, servers, table, expected=(RECENT, 0, 0), rounds=ROUNDS)
        servers[1].remember_recent(table, rows)
        line = (f"| {rows_of(table, rows):,} rows, {engine.titles[table]} | {statistics.median(ratios):.2f} | "
                f"{ratios[0]:.2f} to {ratios[-1]:.2f} | {seconds:.2f} s | {scan:.2f} s | {peak:.0f} |")
        lines.append(line)
        print(line, flush=True)
    return lines


def latency(engine, compare, servers):
    """The target behind a proxy that holds everything back for half a round trip in either direction."""
    lines = []
    for table in COLUMNS:
        near, _scan, _ratios, _peak = measured(compare, servers, table)
        for milliseconds in ROUND_TRIPS:
            proxy = subprocess.Popen([sys.executable, os.path.join(os.path.dirname(__file__), "far.py"),
                                      str(servers[1].port), str(milliseconds)], stdout=subprocess.PIPE, text=True)
            try:
                target = servers[1].url(int(proxy.stdout.readline()))
                seconds, _scan, ratios, _peak = measured(compare, servers, table, target)
            finally:
                proxy.terminate()
                proxy.wait()
            line = (f"| {engine.titles[table]} | {milliseconds} ms | {seconds:.2f} s | {seconds / near:.2f} | "
                    f"{statistics.median(ratios):.2f} |")
            lines.append(line)
            print(line, flush=True)
    return lines


def growth(engine, compare):
    lines, first, tables = [], None, ("orders_uuid",)
    for rows in GROWTH:
        with pair(engine, rows, tables) as servers:
            servers[1].differ(rows, tables)
            bare(servers, "orders_uuid")
            seconds, scan, ratios, peak = measured(compare, servers, "orders_uuid")
        first = first or (rows, seconds, scan)
        grown = f"{rows / first[0]:.0f} | {seconds / first[1]:.1f} | {scan / first[2]:.1f}"
        line = f"| {rows:,} | {seconds:.2f} s | {statistics.median(ratios):.2f} | {grown} | {peak:.0f} |"
        lines.append(line)
        print(line, flush=True)
    return lines


def beside(engine, compare, servers, rows):
    """The comparison beside its peers."""
    lines = []
    for table in COLUMNS:
        bare(servers, table)
        ratios, peaks, told, base, ours_times = {}, {}, {}, [], []
        tools = {"table-diff": lambda: ours(compare, servers, table), "frames joined": lambda: join(servers, table)}
        after, _none = timed(lambda: bare(servers, table))
        for _ in range(ROUNDS):
            for tool, run in tools.items():
                before = after
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
        for chunk in (500, 5000) if "pt-table-sync" in engine.peers else ():
            before, _none = timed(lambda: bare(servers, table))
            seconds, (found, peak) = timed(lambda: pt_table_sync(servers, table, chunk))
            after, _none = timed(lambda: bare(servers, table))
            ratios.setdefault("pt-table-sync", []).append(seconds / ((before + after) / 2))
            if ratios["pt-table-sync"][-1] == min(ratios["pt-table-sync"]):
                told["pt-table-sync"] = found
            peaks["pt-table-sync"] = max(peak, peaks.get("pt-table-sync", 0))
        of = {tool: min(r) if tool == "pt-table-sync" else statistics.median(r) for tool, r in ratios.items()}
        for tool in ("table-diff",) + engine.peers:
            spread = f"{min(ratios[tool]):.2f} to {max(ratios[tool]):.2f}"
            times = "" if tool == "table-diff" else f"{of[tool] / of['table-diff']:.1f}"
            counts = " / ".join(f"{count:,}" for count in told[tool])
            line = (f"| {rows_of(table, rows):,} rows, {engine.titles[table]} | {tool} | {of[tool]:.2f} | {spread} | "
                    f"{times} | {peaks[tool]:,.0f} | {counts} |")
            lines.append(line)
            print(line, flush=True)
        lines.append(f"| | *(one bare scan: {statistics.median(base):.2f} s; table-diff: "
                     f"{statistics.median(ours_times):.2f} s)* | | | | | |")
    return lines


def section(engine, compare, rows):
    """All that is measured on an engine, as it stands on the page: after each of its parts what there is so far."""
    with pair(engine, rows) as servers:
        text = SECTION.format(name=engine.name, version=servers[0].version(), said=engine.said)
        # On the target while it is still as the source.
        recent = FEW + "\n".join(few(engine, compare, servers, rows)) + "\n\n"
        servers[1].differ(rows, tuple(COLUMNS))
        text += PEERS + "\n".join(beside(engine, compare, servers, rows)) + "\n\n" + recent
        yield text
        text += FAR + "\n".join(latency(engine, compare, servers)) + "\n\n"
        yield text
    yield text + GROWN + "\n".join(growth(engine, compare)) + "\n"


def sections():
    """What the page has, by engine."""
    with open(PAGE) as file:
        parts = re.split(r"^## ", file.read(), flags=re.M)[1:]
    titles = {engine.key: engine.name for engine in ENGINES.values()} | {CONNECTIONS: CONNECTIONS}
    return {key: "## " + part for key, title in titles.items() for part in parts if part.startswith(title + "\n")}


def write(found):
    def said(command):
        return subprocess.run(command, capture_output=True, text=True).stdout.strip().splitlines()[-1]

    peers = said([sys.executable, "-c", "import connectorx, polars; print('connectorx', connectorx.__version__, "
                                        "'and polars', polars.__version__)"])
    processor = re.search(r"model name\s*: (.*)", open("/proc/cpuinfo").read())
    machine = f"{os.cpu_count()} cores ({processor.group(1) if processor else platform.processor()})"
    text = TEXT.format(machine=machine, peers=peers, rounds=ROUNDS, recent=RECENT,
                       pt=said(["pt-table-sync", "--version"]))
    with open(PAGE, "w") as file:
        file.write("\n".join([text.rstrip() + "\n"] + [found[key].strip() + "\n" for key in (*ENGINES, CONNECTIONS) if key in found]))
    print(f"written to {PAGE}", flush=True)


def main():
    compare, rows, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3:] or list(ENGINES)
    for key in wanted:
        if missing := ENGINES[key].missing():
            raise SystemExit(missing)
    for key in wanted:
        # Each part as soon as it is there: the next may fail.
        for text in section(ENGINES[key], compare, rows):
            write(sections() | {key: text})


TEXT = """# Benchmarks of the comparison

Written by tests/bench/bench.py. Two servers and the tool share one machine: {machine}, {pt}, {peers}.

The unit is one bare scan of the same table on both servers at once, taken just before and after each measurement, by the
statement that each section names; on PostgreSQL without parallel workers. It is what a comparison can't do without, and it
moves with the machine, so that only ratios mean something.

- **Beside its peers:** in each table 1,000 rows are missing, 200 changed and 500 extra, spread over it. table-diff and the
  join of data frames have to find just these, or the run fails; of pt-table-sync, its statements are counted as it prints
  them (INSERT; UPDATE and REPLACE; DELETE). table-diff and the join: the median of {rounds}; pt-table-sync, which MySQL's
  family alone has: the better of two chunk sizes.
- **Few differences:** as after a failover, the target lacks the {recent} last rows and nothing else. The median of {rounds}.
- **A target far away:** the tables with the 1,700 differences, with the target behind a proxy that holds everything back
  for half a round trip in either direction. The bandwidth is not limited. Near: without the proxy, in the same run.
- **Growth:** the first table, with the same 1,700 differences.
"""

SECTION = """## {name}
{version}; bare scan: `{said}`.

"""
PEERS = """| table | tool | scans | from, to | times table-diff | memory, MiB | missing / changed / extra |
|---|---|---|---|---|---|---|
"""
FEW = """Few differences:

| table | scans | from, to | time | bare scan | memory, MiB |
|---|---|---|---|---|---|
"""
FAR = """A target far away:

| table | round trip | time | times near | scans |
|---|---|---|---|---|
"""
GROWN = """Growth:

| rows | time | scans | rows, times the first | time, times the first | bare scan, times the first | memory, MiB |
|---|---|---|---|---|---|---|
"""

if __name__ == "__main__":
    main()
