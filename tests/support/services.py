"""Images of Debian's servers, started as their official images start them, and of a Go program.

The entry scripts are our own, with the mechanisms of those: a folder of scripts that are run or
read first, a change of user and a second start, a database that is made where none is there.
"""

import os
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.support.components import CACHE, go
from tests.support.images import Fixture

_NGINX_ENTRY = """\
#!/bin/sh
set -e

say() {
    if [ -z "${NGINX_QUIET:-}" ]; then
        echo "$@"
    fi
}

if [ "$1" = "nginx" ] || [ "$1" = "nginx-debug" ]; then
    if /usr/bin/find "/docker-entrypoint.d/" -mindepth 1 -maxdepth 1 -type f -print -quit \\
        2>/dev/null | read found; then
        say "$0: /docker-entrypoint.d/ is not empty"
        find "/docker-entrypoint.d/" -follow -type f -print | sort -V | while read -r script; do
            case "$script" in
                *.envsh)
                    if [ -x "$script" ]; then
                        say "$0: reading $script"
                        . "$script"
                    else
                        say "$0: $script is not executable"
                    fi
                    ;;
                *.sh)
                    if [ -x "$script" ]; then
                        say "$0: running $script"
                        "$script"
                    else
                        say "$0: $script is not executable"
                    fi
                    ;;
                *) say "$0: passing over $script" ;;
            esac
        done
        say "$0: ready"
    else
        say "$0: nothing to run"
    fi
fi

exec "$@"
"""
_NGINX_FILES = {
    "entry.sh": _NGINX_ENTRY,
    "docker-entrypoint.d/10-ipv6.sh": """\
#!/bin/sh
set -e
conf=/etc/nginx/conf.d/default.conf
if [ ! -f "/proc/net/if_inet6" ]; then
    echo "no ipv6"
    exit 0
fi
if [ ! -f "$conf" ]; then
    echo "no $conf"
    exit 0
fi
sed -i -E 's,listen       80;,listen 80;\\n    listen [::]:80;,' "$conf"
""",
    "docker-entrypoint.d/15-resolvers.envsh": """\
#!/bin/sh
export NGINX_RESOLVERS="127.0.0.11"
""",
    "default.conf": "server { listen 80; root /srv; }\n",
}
_REDIS_ENTRY = """\
#!/bin/sh
set -e
# Options alone, or a configuration file, are the server's.
if [ "${1#-}" != "$1" ] || [ "${1%.conf}" != "$1" ]; then
    set -- redis-server "$@"
fi
# As root: give the folder to redis and start again as that user.
if [ "$1" = 'redis-server' ] && [ "$(id -u)" = '0' ]; then
    find . \\! -user redis -exec chown redis '{}' +
    exec gosu redis "$0" "$@"
fi
mode="$(umask)"
if [ "$mode" = '0022' ]; then
    umask 0077
fi
exec "$@"
"""
_POSTGRES_ENTRY = """\
#!/usr/bin/env bash
set -Eeo pipefail

# Takes a value from NAME, or from the file that NAME_FILE names.
file_env() {
    local name="$1"
    local file="${name}_FILE"
    local otherwise="${2:-}"
    if [ "${!name:-}" ] && [ "${!file:-}" ]; then
        printf >&2 'error: both %s and %s are set\\n' "$name" "$file"
        exit 1
    fi
    local value="$otherwise"
    if [ "${!name:-}" ]; then
        value="${!name}"
    elif [ "${!file:-}" ]; then
        value="$(< "${!file}")"
    fi
    export "$name"="$value"
    unset "$file"
}

is_sourced() {
    [ "${#FUNCNAME[@]}" -ge 2 ] \\
        && [ "${FUNCNAME[0]}" = 'is_sourced' ] \\
        && [ "${FUNCNAME[1]}" = 'source' ]
}

make_folders() {
    local user
    user="$(id -u)"
    mkdir -p "$PGDATA"
    chmod 00700 "$PGDATA" || :
    mkdir -p /var/run/postgresql || :
    if [ "$user" = '0' ]; then
        find "$PGDATA" \\! -user postgres -exec chown postgres '{}' +
        find /var/run/postgresql \\! -user postgres -exec chown postgres '{}' +
    fi
}

make_database() {
    eval 'initdb --username="$POSTGRES_USER" --pwfile=<(printf "%s\\n" "$POSTGRES_PASSWORD") '"$POSTGRES_INITDB_ARGS"
}

verify_password() {
    if [ -z "$POSTGRES_PASSWORD" ] && [ 'trust' != "$POSTGRES_HOST_AUTH_METHOD" ]; then
        cat >&2 <<-'EOE'
            error: the database has no password; set POSTGRES_PASSWORD
EOE
        exit 1
    fi
}

run_init_files() {
    printf '\\n'
    local file
    for file; do
        case "$file" in
            *.sh)
                if [ -x "$file" ]; then
                    printf '%s: running %s\\n' "$0" "$file"
                    "$file"
                else
                    printf '%s: reading %s\\n' "$0" "$file"
                    . "$file"
                fi
                ;;
            *.sql) run_sql -f "$file" ;;
            *) printf '%s: passing over %s\\n' "$0" "$file" ;;
        esac
        printf '\\n'
    done
}

run_sql() {
    local query=( psql -v ON_ERROR_STOP=1 --no-password --no-psqlrc )
    if [ -n "$POSTGRES_DB" ]; then
        query+=( --dbname "$POSTGRES_DB" )
    fi
    PGHOST= PGHOSTADDR= "${query[@]}" "$@"
}

set_variables() {
    file_env 'POSTGRES_PASSWORD'
    file_env 'POSTGRES_USER' 'postgres'
    file_env 'POSTGRES_DB' "$POSTGRES_USER"
    file_env 'POSTGRES_INITDB_ARGS'
    : "${POSTGRES_HOST_AUTH_METHOD:=}"
    declare -g DATABASE_EXISTS
    : "${DATABASE_EXISTS:=}"
    if [ -s "$PGDATA/PG_VERSION" ]; then
        DATABASE_EXISTS='true'
    fi
}

allow_hosts() {
    local auth
    auth="$(postgres -C password_encryption "$@")"
    : "${POSTGRES_HOST_AUTH_METHOD:=$auth}"
    {
        printf '\\n'
        printf 'host all all all %s\\n' "$POSTGRES_HOST_AUTH_METHOD"
    } >> "$PGDATA/pg_hba.conf"
}

start_for_a_while() {
    if [ "$1" = 'postgres' ]; then
        shift
    fi
    set -- "$@" -c listen_addresses='' -p "${PGPORT:-5432}"
    PGUSER="${PGUSER:-$POSTGRES_USER}" pg_ctl -D "$PGDATA" -o "$(printf '%q ' "$@")" -w start
}

wants_help() {
    local word
    for word; do
        case "$word" in
            -'?'|--help|--describe-config|-V|--version) return 0 ;;
        esac
    done
    return 1
}

main() {
    if [ "${1:0:1}" = '-' ]; then
        set -- postgres "$@"
    fi
    if [ "$1" = 'postgres' ] && ! wants_help "$@"; then
        set_variables
        make_folders
        if [ "$(id -u)" = '0' ]; then
            exec gosu postgres "$BASH_SOURCE" "$@"
        fi
        if [ -z "$DATABASE_EXISTS" ]; then
            verify_password
            ls /docker-entrypoint-initdb.d/ > /dev/null
            make_database
            allow_hosts "$@"
            export PGPASSWORD="${PGPASSWORD:-$POSTGRES_PASSWORD}"
            start_for_a_while "$@"
            run_init_files /docker-entrypoint-initdb.d/*
            PGUSER="${PGUSER:-postgres}" pg_ctl -D "$PGDATA" -m fast -w stop
            unset PGPASSWORD
            printf 'ready\\n'
        else
            printf 'there is a database already\\n'
        fi
    fi
    exec "$@"
}

if ! is_sourced; then
    main "$@"
fi
"""
_POSTGRES_FILES = {"entry.sh": _POSTGRES_ENTRY, "init/10-shop.sql": "CREATE TABLE shop (id int);\n"}
_NGINX = """\
COPY entry.sh /docker-entrypoint.sh
COPY docker-entrypoint.d /docker-entrypoint.d
COPY default.conf /etc/nginx/conf.d/default.conf
ENTRYPOINT ["/docker-entrypoint.sh"]
EXPOSE 80
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
"""
_REDIS = """\
COPY entry.sh /usr/local/bin/docker-entrypoint.sh
VOLUME /data
WORKDIR /data
ENTRYPOINT ["docker-entrypoint.sh"]
EXPOSE 6379
CMD ["redis-server"]
"""
_POSTGRES = """\
COPY entry.sh /usr/local/bin/docker-entrypoint.sh
COPY init /docker-entrypoint-initdb.d
ENV PATH=$PATH:/usr/lib/postgresql/15/bin PGDATA=/var/lib/postgresql/data
VOLUME /var/lib/postgresql/data
ENTRYPOINT ["docker-entrypoint.sh"]
STOPSIGNAL SIGINT
EXPOSE 5432
CMD ["postgres"]
"""


def _service(name: str, steps: str, files: dict[str, str]) -> tuple[Fixture, ...]:
    """Return an image of a server, and one with a Python beside it."""
    return tuple(
        Fixture(f"{name}{suffix}", steps, files, base=f"services{suffix}", runs=False)
        for suffix in ("", "-python")
    )


SERVICES = (
    *_service("nginx", _NGINX, _NGINX_FILES),
    *_service("redis", _REDIS, {"entry.sh": _REDIS_ENTRY}),
    *_service("postgres", _POSTGRES, _POSTGRES_FILES),
    *_service(
        "postgres-password",
        f"{_POSTGRES}ENV POSTGRES_PASSWORD=example\n",
        _POSTGRES_FILES,
    ),
)

_GO = """\
package main

import "net"

func main() {
\tlistener, err := net.Listen("tcp", ":8080")
\tif err != nil {
\t\tpanic(err)
\t}
\tfor {
\t\tconnection, err := listener.Accept()
\t\tif err == nil {
\t\t\tconnection.Write([]byte("HTTP/1.0 200 OK\\r\\n\\r\\n"))
\t\t\tconnection.Close()
\t\t}
\t}
}
"""


def go_program() -> bytes:
    """Compile a static Go program, kept in the cache."""
    kept = CACHE / "go-server"
    if not kept.exists():
        compiler = go("a program")
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder, "main.go")
            source.write_text(_GO)
            settings = {"GOCACHE": f"{folder}/cache", "GOTOOLCHAIN": "local", "CGO_ENABLED": "0",
                        "GO111MODULE": "off"}  # fmt: skip
            subprocess.run(
                [compiler, "build", "-o", f"{folder}/server", str(source)],
                check=True,
                env={**os.environ, **settings},
            )
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(f"{folder}/server", kept.with_suffix(f".{os.getpid()}"))
            kept.with_suffix(f".{os.getpid()}").rename(kept)
    return kept.read_bytes()


GO = (
    Fixture("go-scratch", dockerfile='FROM scratch\nCOPY server /\nENTRYPOINT ["/server"]\n'),
    Fixture("go-tiny", 'COPY server /usr/local/bin/\nCMD ["server", "-v"]', base="tiny"),
)
