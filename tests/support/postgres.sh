#!/bin/sh
# A private PostgreSQL for tests, of the distribution's packages, on a free loopback port.
#   postgres.sh start DIR    makes a cluster in DIR, starts it, prints its URL
#   postgres.sh restart DIR  stops it hard and starts it again on the same port
#   postgres.sh stop DIR     stops it by its own pid file
set -eu
export LC_ALL=C

command=$1
dir=$2
bin=
for candidate in /usr/lib/postgresql/*/bin; do
    [ -x "$candidate/initdb" ] && bin=$candidate
done
if [ -z "$bin" ]; then
    if [ "$(id -u)" != 0 ]; then
        echo "PostgreSQL is not installed (Debian: apt-get install postgresql)" >&2
        exit 1
    fi
    # Without a system cluster: only the programs are wanted.
    mkdir -p /etc/postgresql-common
    [ -e /etc/postgresql-common/createcluster.conf ] || echo 'create_main_cluster = false' > /etc/postgresql-common/createcluster.conf
    DEBIAN_FRONTEND=noninteractive apt-get install -y -q postgresql >&2
    for candidate in /usr/lib/postgresql/*/bin; do bin=$candidate; done
fi

# The server refuses to run as root.
as_server() {
    if [ "$(id -u)" = 0 ]; then
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups "$@")
    else
        "$@"
    fi
}

serve() {
    as_server "$bin/pg_ctl" -D "$dir/data" -w -t 60 -l "$dir/log" -o \
        "-p $1 -c listen_addresses=127.0.0.1 -c unix_socket_directories=$dir -c fsync=${PG_FSYNC:-off} -c max_connections=50" \
        start >&2
}

case $command in
start)
    mkdir -p "$dir"
    [ "$(id -u)" = 0 ] && chown postgres: "$dir"
    as_server "$bin/initdb" -D "$dir/data" -U painwatch -A trust -E UTF8 --locale=C --no-sync > /dev/null
    for attempt in 1 2 3 4 5 6 7 8 9 10; do
        port=$((20000 + ($(od -An -N2 -tu2 /dev/urandom) % 12000)))
        if serve "$port"; then
            echo "$port" > "$dir/port"
            as_server "$bin/createdb" -h 127.0.0.1 -p "$port" -U painwatch painwatch
            echo "postgres://painwatch@127.0.0.1:$port/painwatch"
            exit 0
        fi
    done
    cat "$dir/log" >&2
    exit 1
    ;;
restart)
    as_server "$bin/pg_ctl" -D "$dir/data" -w -m immediate stop >&2
    serve "$(cat "$dir/port")"
    ;;
stop)
    as_server "$bin/pg_ctl" -D "$dir/data" -w -m immediate stop >&2
    ;;
*)
    echo "usage: postgres.sh start|restart|stop DIR" >&2
    exit 2
    ;;
esac
