# A writer of somebody's own, for a drill: inserts into two databases, one after the other, changes each fifth row, and says what was
# acknowledged. It finds the databases by the addresses that it is given.

# user, password, host, port and database of a URL
parts() {
    rest=${1#*://}
    user=${rest%%:*}; rest=${rest#*:}
    password=${rest%%@*}; rest=${rest#*@}
    host=${rest%%:*}; rest=${rest#*:}
    port=${rest%%/*}; database=${rest#*/}
}

mysql_says() {
    parts "$CAUSEWAY_WRITER_URL_MAINS"
    mariadb --no-defaults --connect-timeout=2 -h "$host" -P "$port" -u "$user" "-p$password" "$database" -e "$1" 2>/dev/null
}

postgres_says() {
    parts "$CAUSEWAY_WRITER_URL_SOLAR"
    PGPASSWORD=$password PGCONNECT_TIMEOUT=2 psql -q -v ON_ERROR_STOP=1 -h "$host" -p "$port" -U "$user" "$database" -c "$1" 2>/dev/null
}

said() {
    echo "{\"database\": \"$1\", \"table\": \"reading\", \"key\": {\"meter\": 7, \"n\": $2}, \"op\": \"$3\"}"
}

n=0
while :; do
    n=$((n + 1))
    mysql_says "INSERT INTO reading VALUES (7, $n, 1)" && said mains $n insert
    postgres_says "INSERT INTO reading VALUES (7, $n, 1)" && said solar $n insert
    if [ $((n % 5)) = 0 ]; then
        mysql_says "UPDATE reading SET value = $n WHERE meter = 7 AND n = $((n - 1))" && said mains $((n - 1)) update
    fi
done
