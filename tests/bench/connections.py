"""Times the comparison of a table over two connections beside that over one, and writes its section of docs/benchmarks.md.

    connections.py COMPARE ROWS [ENGINE...]

COMPARE is the release build of the example `compare`; ENGINE is mariadb, mysql, postgres: the first and the last without one.
On a machine of two cores two servers are busy with one connection each, so both are measured: the comparison as a whole, and
one server alone. For that the statements are taken from the log of the source, by connection, and run again while the target
is stopped.
"""

import os, re, statistics, subprocess, sys, threading

from bench import CONNECTIONS, PAGE, bare, pair, timed
from servers import ENGINES, FOUND, rows_of

ROUNDS = 5
TABLES = ("orders_uuid", "orders_int")


def compared(compare, servers, table, connections):
    """What a comparison prints."""
    command = [compare, "--connections", str(connections), *(server.url() for server in servers), table]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(done.stderr)
    kinds = re.findall(r'^\{"kind":"(\w+)"', done.stdout, re.M)
    if tuple(kinds.count(kind) for kind in ("missing", "changed", "extra")) != FOUND:
        raise SystemExit(f"over {connections} connections not all of {table} was found")
    return done.stdout


def asked_of_mysql(server, run):
    server.sql("SET GLOBAL log_output = 'TABLE'; TRUNCATE mysql.general_log; SET GLOBAL general_log = 1")
    run()
    server.sql("SET GLOBAL general_log = 0")
    logged = server.sql("SELECT thread_id, HEX(argument) FROM mysql.general_log WHERE command_type = 'Query' "
                        "AND user_host LIKE 'bench%' ORDER BY event_time")
    return [(thread, bytes.fromhex(text).decode()) for thread, text in (line.split("\t") for line in logged.splitlines())]


def asked_of_postgres(server, run):
    log = server.folder + ".log"
    set_log = lambda what: server.sql(f"ALTER SYSTEM SET log_line_prefix = '%c|%d|'; ALTER SYSTEM SET log_statement = '{what}'"
                                      .replace("; ALTER", ";\nALTER") + ";\nSELECT pg_reload_conf(), pg_sleep(1)")
    set_log("all")
    before = len(open(log).read())
    run()
    text = open(log).read()[before:]
    set_log("none")
    found = re.findall(r"^([0-9a-f.]+)\|bench\|LOG:  statement: (.*(?:\n\t.*)*)", text, re.M)
    # The other connection's moment is gone by the time.
    return [(session, re.sub("SET TRANSACTION SNAPSHOT '[^']*'", "SELECT 1", said)) for session, said in found
            if "pg_sleep" not in said]


def scripts(server, run):
    """What each connection asked of a server while something ran."""
    of = {}
    for session, said in (asked_of_postgres if server.key == "postgres" else asked_of_mysql)(server, run):
        of.setdefault(session, []).append(said)
    # A connection that only closes has nothing to do.
    return [";\n".join(said) + ";\n" for said in of.values() if len(said) > 2]


def again(server, asked):
    """Each connection's statements once more, all connections at once. One of them asks for an error, and the next goes on."""
    if server.key == "postgres":
        command = [os.path.join(server.programs(), "psql"), "-qXAt", server.url()]
    else:
        command = ["mariadb", "--no-defaults", f"--socket={server.socket}", "-uroot", "-NB", "--force", "bench"]
    replay = lambda script: subprocess.run(command, input=script, text=True, capture_output=True)
    threads = [threading.Thread(target=replay, args=(script,)) for script in asked]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def beside(one, two):
    """Median of two's times by one's, taken in turns, and from where to where; the medians in seconds."""
    pairs = [(timed(one)[0], timed(two)[0]) for _ in range(ROUNDS)]
    ratios = sorted(b / a for a, b in pairs)
    return (f"{statistics.median(ratios):.2f} | {ratios[0]:.2f} to {ratios[-1]:.2f} | "
            f"{statistics.median(a for a, _ in pairs):.2f} s | {statistics.median(b for _, b in pairs):.2f} s |")


def measured(engine, compare, rows):
    with pair(engine, rows, TABLES) as servers:
        servers[1].differ(rows, TABLES)
        lines, asked = [], {}
        for table in TABLES:
            bare(servers, table)
            if compared(compare, servers, table, 1) != compared(compare, servers, table, 2):
                raise SystemExit(f"two connections print something else of {table}")
            over = {n: lambda n=n: compared(compare, servers, table, n) for n in (1, 2)}
            lines.append(f"| {engine.name}, {rows_of(table, rows):,} rows, {engine.titles[table]} | both servers and the tool | "
                         + beside(over[1], over[2]))
            print(lines[-1], flush=True)
            asked[table] = [scripts(servers[0], over[n]) for n in (1, 2)]
            if [len(of) for of in asked[table]] != [1, 2]:
                raise SystemExit(f"{[len(of) for of in asked[table]]} connections asked something")
        servers.pop().stop()
        for table, (one, two) in asked.items():
            again(servers[0], one)
            lines.append(f"| {engine.name}, {rows_of(table, rows):,} rows, {engine.titles[table]} | the source alone | "
                         + beside(lambda: again(servers[0], one), lambda: again(servers[0], two)))
            print(lines[-1], flush=True)
        return lines


def main():
    compare, rows, wanted = sys.argv[1], int(sys.argv[2]), sys.argv[3:] or ["mariadb", "postgres"]
    lines = [line for key in wanted for line in measured(ENGINES[key], compare, rows)]
    with open(PAGE) as file:
        page = re.split(rf"^## {CONNECTIONS}\n", file.read(), flags=re.M)[0]
    with open(PAGE, "w") as file:
        file.write(page.rstrip() + "\n\n" + TEXT.format(name=CONNECTIONS, rounds=ROUNDS) + "\n".join(lines) + "\n")


TEXT = """## {name}

Written by tests/bench/connections.py. A table with the 1,700 differences, compared over two connections to either server beside
one, in turns; the median of {rounds} ratios of the two times, and the medians of the times. What is printed is the same, byte by
byte. Two cores are full with one connection to each of two servers, so the whole can gain little here. What a server gains is
seen where it is alone: the statements that the source was asked, by the connections that asked them, run again with the target
stopped. How it goes on with more cores is simulated (`crates/table-diff/src/walk/sections/tests.rs`).

Only a machine that does nothing else shows what two cores give: where others use it, two connections share with them what one had
beside them, and the ratio goes towards 1. The spread says how far to trust a line.

| table | what is timed | two by one | from, to | one | two |
|---|---|---|---|---|---|
"""

if __name__ == "__main__":
    main()
