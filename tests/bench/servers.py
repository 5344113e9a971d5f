"""The servers that the comparison is timed on, and the same shop's tables on each: MariaDB, MySQL, PostgreSQL. Each listens on
loopback at a port that the system chose, and is gone with its folder. What is made on one is copied, file by file, to the other."""

import glob, os, shutil, socket, subprocess, sys, time

COLUMNS = {
    "orders_uuid": "id,customer,status,total,note,updated_at",
    "orders_int": "id,customer,status,total,note,updated_at",
    "items": "order_id,line,product,quantity,price,updated_at",
}
KEYS = {"orders_uuid": ["id"], "orders_int": ["id"], "items": ["order_id", "line"]}
# Rows that are missing, changed and extra on the target.
FOUND = (1000, 200, 500)
# The last rows, as a target lacks them to which they had not come when it took over.
RECENT = 20


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def rows_of(table, rows):
    return 2 * rows if table == "items" else rows


class MariaDb:
    """A server of MySQL's family; this one is MariaDB."""

    name, key = "MariaDB", "mariadb"
    titles = {"orders_uuid": "UUID text key", "orders_int": "integer key", "items": "composite key"}
    peers = ("frames joined", "pt-table-sync")

    @staticmethod
    def missing():
        return None if shutil.which("mariadbd") else "there is no mariadbd: run tests/setup.sh mariadb"

    @classmethod
    def install(cls, folder):
        subprocess.run(["mariadb-install-db", "--no-defaults", "--user=root", f"--datadir={folder}",
                        "--auth-root-authentication-method=normal", f"--tmpdir={os.path.dirname(folder)}"],
                       check=True, stdout=subprocess.DEVNULL)

    @classmethod
    def program(cls):
        return ["mariadbd", "--no-defaults"]

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        self.socket = folder + ".sock"
        with open(folder + ".log", "w") as log:
            self.process = subprocess.Popen(
                self.program() + ["--user=root", f"--datadir={folder}", f"--socket={self.socket}",
                                  f"--port={self.port}", "--bind-address=127.0.0.1", "--innodb-buffer-pool-size=4G",
                                  "--innodb-flush-log-at-trx-commit=0", "--skip-log-bin", f"--tmpdir={folder}",
                                  f"--pid-file={folder}.pid"], stdout=log, stderr=log)
        for _ in range(600):
            try:
                self.sql("SELECT 1", None)
                return
            except subprocess.CalledProcessError:
                time.sleep(0.1)
        raise SystemExit(f"{self.name} does not answer: see {folder}.log")

    def sql(self, text, database="bench"):
        command = ["mariadb", "--no-defaults", f"--socket={self.socket}", "-uroot", "-NB"]
        done = subprocess.run(command + ([database] if database else []), input=text, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True)
        return done.stdout

    def stop(self):
        self.process.terminate()
        self.process.wait()

    def version(self):
        return self.sql("SELECT VERSION()").strip()

    def url(self, port=None):
        return f"mysql://bench:bench@127.0.0.1:{port or self.port}/bench"

    def bare(self, table):
        """What no comparison can be faster than: the server reads every row once."""
        self.sql(f"SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('#',{COLUMNS[table]}))) FROM {table}")

    said = "SELECT COUNT(*), BIT_XOR(CRC32(CONCAT_WS('#', …)))"

    def numbers(self, first, last):
        return f"seq_{first}_to_{last}"

    def prepare(self, rows):
        self.sql("CREATE DATABASE bench CHARACTER SET utf8mb4; CREATE USER bench@'127.0.0.1' IDENTIFIED BY 'bench'; "
                 "GRANT ALL ON *.* TO bench@'127.0.0.1'", None)

    @staticmethod
    def digits(text):
        """32 digits; MySQL has no MD5 any more."""
        return f"LEFT(SHA2({text},256),32)"

    def uuid(self, text):
        text = self.digits(text)
        for place in (9, 14, 19, 24):
            text = f"INSERT({text},{place},0,'-')"
        return text

    def insert(self, table, first, last):
        """The rows of these numbers, as they are on the source."""
        numbers = self.numbers(first, last)
        values = ("seq mod 50021, elt(1+seq mod 5,'NEW','PAID','SENT','DONE','BACK'), (seq*7919 mod 1000000)/100, "
                  f"if(seq mod 3=0,null,concat('note ',{self.digits('seq')},' ',seq)), '2026-01-01'+interval seq*37 second"
                  "+interval (seq*7 mod 1000000) microsecond")
        if table == "orders_uuid":
            key = self.uuid("CONCAT('u',seq)")
            self.sql(f"INSERT INTO orders_uuid SELECT {key}, {values} FROM {numbers} ORDER BY 1")
        elif table == "orders_int":
            self.sql(f"INSERT INTO orders_int SELECT seq*3, {values} FROM {numbers}")
        else:
            self.sql("INSERT INTO items SELECT seq div 4, seq mod 4, concat('product-',seq*31 mod 9973), seq mod 9, "
                     f"(seq*7919 mod 100000)/100, '2026-01-01'+interval seq*37 second FROM {numbers}")

    def fill(self, rows, tables):
        """The shop's orders and items, the same on both sides."""
        self.prepare(rows)
        columns = ("customer bigint not null, status varchar(16) not null, total decimal(12,2) not null, "
                   "note varchar(120) null, updated_at datetime(6) not null")
        made = {
            "orders_uuid": f"id char(36) PRIMARY KEY, {columns}",
            "orders_int": f"id bigint PRIMARY KEY, {columns}",
            "items": "order_id bigint, line int, product varchar(40) not null, quantity int not null, "
                     "price decimal(12,2) not null, updated_at datetime(6) not null, PRIMARY KEY (order_id, line)",
        }
        for table in tables:
            self.sql(f"CREATE TABLE {table} ({made[table]})")
            self.insert(table, 1, rows_of(table, rows))

    def settle(self, tables):
        """What a server does by itself after a while."""

    def forget_recent(self, table, rows):
        """The last rows go."""
        last = rows_of(table, rows)
        first = last - RECENT + 1
        if table == "items":
            where = f"order_id*4+line BETWEEN {first} AND {last}"
        elif table == "orders_int":
            where = f"id BETWEEN {first}*3 AND {last}*3"
        else:
            key = self.uuid("CONCAT('u',seq)")
            where = f"id IN (SELECT {key} FROM {self.numbers(first, last)})"
        self.sql(f"DELETE FROM {table} WHERE {where}")

    def remember_recent(self, table, rows):
        last = rows_of(table, rows)
        self.insert(table, last - RECENT + 1, last)

    def differ(self, rows, tables):
        """1,000 rows missing, 200 changed, 500 extra in each table, spread over it."""
        missing, changed, extra = FOUND
        # Even gaps, and one of them shifted by one: no row is both missing and changed.
        gap, other = (rows // (count + 1) // 2 * 2 for count in (missing, changed))
        for table in tables:
            if table == "items":
                continue
            by_uuid = table == "orders_uuid"
            key = (lambda seq: self.uuid(f"CONCAT('u',{seq})")) if by_uuid else (lambda seq: f"({seq})*3")
            kind = "char(36)" if by_uuid else "bigint"
            new = self.uuid("CONCAT('new',seq)") if by_uuid else f"seq*{rows // (extra + 1)}*3+1"
            self.sql(
                f"CREATE TABLE k (id {kind} PRIMARY KEY) SELECT {key(f'seq*{gap}')} id FROM {self.numbers(1, missing)}; "
                f"DELETE t FROM k STRAIGHT_JOIN {table} t ON t.id=k.id; DROP TABLE k; "
                f"CREATE TABLE k (id {kind} PRIMARY KEY) SELECT {key(f'seq*{other}+1')} id "
                f"FROM {self.numbers(1, changed)}; "
                f"UPDATE k STRAIGHT_JOIN {table} t ON t.id=k.id SET t.status='LOST'; DROP TABLE k; "
                f"INSERT INTO {table} SELECT {new}, seq, 'NEW', 1, NULL, '2026-11-25' FROM {self.numbers(1, extra)}")
        if "items" not in tables:
            return
        gap, other = 2 * gap, 2 * other
        for count, at, change in (
                (missing, f"seq*{gap}", "DELETE t FROM k STRAIGHT_JOIN items t ON {on}"),
                (changed, f"seq*{other}+1", "UPDATE k STRAIGHT_JOIN items t ON {on} SET t.quantity=99")):
            self.sql(f"CREATE TABLE k (o bigint, l int, PRIMARY KEY (o,l)) SELECT ({at}) div 4 o, ({at}) mod 4 l "
                     f"FROM {self.numbers(1, count)}; {change.format(on='t.order_id=k.o AND t.line=k.l')}; DROP TABLE k")
        self.sql(f"INSERT INTO items SELECT seq*{rows // 2 // (extra + 1)}, 7, 'x', 1, 1, '2026-11-25' "
                 f"FROM {self.numbers(1, extra)}")


class MySql(MariaDb):
    """MySQL itself, as tests/setup.sh mysql unpacks it."""

    name, key = "MySQL", "mysql"
    peers = ("frames joined",)
    root = os.path.join(os.path.dirname(__file__), "..", "..", "target", "mysql", "root")

    @classmethod
    def missing(cls):
        if not os.path.exists(os.path.join(cls.root, "usr/sbin/mysqld")):
            return "there is no MySQL in target/mysql: run tests/setup.sh mysql"
        return MariaDb.missing()

    @classmethod
    def install(cls, folder):
        subprocess.run(cls.program() + ["--user=root", "--initialize-insecure", f"--datadir={folder}"], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    @classmethod
    def program(cls):
        # Its libraries are those of another release: it runs with their own loader.
        root = os.path.realpath(cls.root)
        return [f"{root}/usr/lib64/ld-linux-x86-64.so.2", "--library-path", f"{root}/usr/lib/x86_64-linux-gnu",
                f"{root}/usr/sbin/mysqld", "--no-defaults", "--mysqlx=OFF", "--secure-file-priv=",
                f"--lc-messages-dir={root}/usr/share/mysql", f"--character-sets-dir={root}/usr/share/mysql/charsets"]

    def numbers(self, first, last):
        return f"(SELECT n AS seq FROM numbers WHERE n BETWEEN {first} AND {last}) AS numbered"

    def prepare(self, rows):
        super().prepare(rows)
        self.sql(f"CREATE TABLE numbers (n bigint PRIMARY KEY); SET cte_max_recursion_depth = {2 * rows + 1}; "
                 "INSERT INTO numbers WITH RECURSIVE c (n) AS (SELECT 1 UNION ALL SELECT n+1 FROM c "
                 f"WHERE n < {max(2 * rows, 1000)}) SELECT n FROM c")


class Postgres:
    """PostgreSQL, which does not run as root: as the package's user then."""

    name, key = "PostgreSQL", "postgres"
    titles = {"orders_uuid": "UUID key", "orders_int": "integer key", "items": "composite key"}
    peers = ("frames joined",)
    said = "SELECT count(*), sum(hashtextextended(concat_ws('#', …), 0)::numeric)"

    @staticmethod
    def programs():
        found = glob.glob("/usr/lib/postgresql/*/bin")
        return max(found, key=lambda path: int(path.split("/")[4])) if found else None

    @classmethod
    def missing(cls):
        return None if cls.programs() else "there is no PostgreSQL: run tests/setup.sh postgres"

    @classmethod
    def run(cls, program, *arguments, **options):
        command = [os.path.join(cls.programs(), program), *arguments]
        if os.getuid() == 0:
            command = ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups", *command]
        return subprocess.run(command, check=True, cwd="/", stdout=subprocess.DEVNULL, **options)

    @classmethod
    def install(cls, folder):
        if os.getuid() == 0:
            shutil.chown(os.path.dirname(folder), "postgres", "postgres")
        cls.run("initdb", "-D", folder, "-U", "bench", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync")

    def __init__(self, folder):
        self.folder, self.port = folder, free_port()
        options = (f"-c listen_addresses=127.0.0.1 -c port={self.port} -c unix_socket_directories= -c fsync=off "
                   "-c shared_buffers=1GB -c autovacuum=off -c wal_level=minimal -c max_wal_senders=0")
        self.run("pg_ctl", "-D", folder, "-w", "-o", options, "-l", folder + ".log", "start")

    def sql(self, text, database="bench"):
        command = [os.path.join(self.programs(), "psql"), "-qXAt", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1",
                   "-p", str(self.port), "-U", "bench", "-d", database or "postgres"]
        return subprocess.run(command, input=text, text=True, stdout=subprocess.PIPE, check=True).stdout

    def stop(self):
        self.run("pg_ctl", "-D", self.folder, "-w", "-m", "fast", "stop")

    def version(self):
        return self.sql("SHOW server_version").strip()

    def url(self, port=None):
        return f"postgresql://bench@127.0.0.1:{port or self.port}/bench"

    def bare(self, table):
        self.sql("SET max_parallel_workers_per_gather = 0; SELECT count(*), "
                 f"sum(hashtextextended(concat_ws('#',{COLUMNS[table]}),0)::numeric) FROM {table}")

    @staticmethod
    def key_of(table, number):
        return {"orders_uuid": f"md5('u'||({number}))::uuid", "orders_int": f"({number})*3",
                "items": f"({number})/4, ({number})%4"}[table]

    def rows(self, table, first, last):
        values = ("seq%50021, (ARRAY['NEW','PAID','SENT','DONE','BACK'])[1+seq%5], (seq*7919%1000000)/100.0, "
                  "CASE WHEN seq%3=0 THEN NULL ELSE concat('note ',md5(seq::text),' ',seq) END, timestamp '2026-01-01'"
                  "+seq*interval '37 second'+(seq*7%1000000)*interval '1 microsecond'")
        if table == "items":
            values = ("'product-'||(seq*31%9973), seq%9, (seq*7919%100000)/100.0, "
                      "timestamp '2026-01-01'+seq*interval '37 second'")
        return (f"INSERT INTO {table} SELECT {self.key_of(table, 'seq')}, {values} "
                f"FROM generate_series({first}::bigint,{last}::bigint) seq")

    def insert(self, table, first, last):
        self.sql(self.rows(table, first, last))

    def fill(self, rows, tables):
        """As in MySQL's family; the rows lie in the order in which they came, not in that of the key."""
        self.sql("CREATE DATABASE bench", None)
        columns = ("customer bigint not null, status varchar(16) not null, total numeric(12,2) not null, "
                   "note varchar(120), updated_at timestamp(6) not null")
        made = {
            "orders_uuid": f"id uuid, {columns}",
            "orders_int": f"id bigint, {columns}",
            "items": "order_id bigint, line int, product varchar(40) not null, quantity int not null, "
                     "price numeric(12,2) not null, updated_at timestamp(6) not null",
        }
        for table in tables:
            # A table that is made with its rows goes into no log.
            self.sql(f"BEGIN; CREATE TABLE {table} ({made[table]}); {self.rows(table, 1, rows_of(table, rows))}; COMMIT")
            self.sql(f"ALTER TABLE {table} ADD PRIMARY KEY ({','.join(KEYS[table])})")

    def settle(self, tables):
        self.sql(";".join(f"VACUUM ANALYZE {table}" for table in tables))

    def forget_recent(self, table, rows):
        last = rows_of(table, rows)
        keys = f"SELECT {self.key_of(table, 'seq')} FROM generate_series({last - RECENT + 1}::bigint,{last}) seq"
        self.sql(f"DELETE FROM {table} WHERE ({','.join(KEYS[table])}) IN ({keys})")

    def remember_recent(self, table, rows):
        last = rows_of(table, rows)
        self.insert(table, last - RECENT + 1, last)

    def differ(self, rows, tables):
        missing, changed, extra = FOUND
        for table in tables:
            gap, other = (rows // (count + 1) // 2 * 2 * (2 if table == "items" else 1) for count in (missing, changed))
            key, changes = ",".join(KEYS[table]), "quantity=99" if table == "items" else "status='LOST'"
            among = lambda number, count: (f"({key}) IN (SELECT {self.key_of(table, number)} "
                                           f"FROM generate_series(1::bigint,{count}) seq)")
            new = {"orders_uuid": "md5('new'||seq)::uuid, seq, 'NEW', 1, NULL, timestamp '2026-11-25'",
                   "orders_int": f"seq*{rows // (extra + 1)}*3+1, seq, 'NEW', 1, NULL, timestamp '2026-11-25'",
                   "items": f"seq*{rows // 2 // (extra + 1)}, 7, 'x', 1, 1, timestamp '2026-11-25'"}[table]
            self.sql(f"DELETE FROM {table} WHERE {among(f'seq*{gap}', missing)}; "
                     f"UPDATE {table} SET {changes} WHERE {among(f'seq*{other}+1', changed)}; "
                     f"INSERT INTO {table} SELECT {new} FROM generate_series(1::bigint,{extra}) seq")


ENGINES = {engine.key: engine for engine in (MariaDb, MySql, Postgres)}
