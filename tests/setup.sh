#!/usr/bin/env bash
# Installs what a rehearsal, the tests and the checks need and the machine lacks: MariaDB's server and clients, and a
# Python environment of its own (target/python) with boto3 and cfn-lint.
# Changes nothing that is there already. Says what to do where it can't install.
#   setup.sh mariadb | python
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

python() {
  local environment=target/python
  if [ -e "$environment/installed" ] && cmp -s "$environment/installed" tests/requirements.txt; then
    return
  fi
  echo "setup: making $environment with boto3 and cfn-lint" >&2
  mkdir -p target
  if ! python3 -m venv --clear "$environment" >/dev/null 2>&1; then
    if ! { install python3-venv && python3 -m venv --clear "$environment"; }; then
      echo "setup: Python 3 with venv is needed for tests and checks: install python3 and python3-venv" >&2
      exit 1
    fi
  fi
  "$environment/bin/pip" install --quiet --disable-pip-version-check -r tests/requirements.txt
  cp tests/requirements.txt "$environment/installed"
}

for part in "$@"; do
  case $part in
    mariadb | python) "$part" ;;
    *) echo "setup.sh: unknown part $part" >&2; exit 2 ;;
  esac
done
