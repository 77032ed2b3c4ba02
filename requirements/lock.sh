#!/usr/bin/env bash
# Writes requirements/train-$NAME.lock, all packages of a new training environment; `make lock`.
# $NAME is tfX.Y-pyX.Y, $WITH what else to ask for, and $1 a Python of that version.
set -euo pipefail
cd "$(dirname "$0")/.."
: "${NAME:?as in NAME=tf2.21-py3.13}" "${WITH=}"
version=${NAME#tf}
version=${version%-py*}
env=.cache/lock
lock=requirements/train-$NAME.lock

pip() { "$env/bin/python" -m pip --disable-pip-version-check "$@"; }
rm -rf "$env"
"$1" -m venv "$env"
pip install --quiet -r requirements/build.lock
asked=("tensorflow==$version.*")
[ "${version#2.}" -lt 16 ] || asked+=("tf-keras==$version.*")
# shellcheck disable=SC2086
pip install --quiet --no-build-isolation "${asked[@]}" -r requirements/train.in $WITH
pip install --quiet --no-build-isolation --no-deps -r requirements/train-no-deps.in
# The newest tf-models-official that is not newer than TensorFlow.
pip install --quiet --no-deps "tf-models-official<=$version.999"
{
  echo "# Written by: make lock NAME=$NAME${WITH:+ WITH='$WITH'}"
  echo "# Every package is here but those of build.lock; it is installed with --no-deps."
  pip freeze --exclude odfreeze $(sed -n 's/^\([a-z][^=]*\)==.*/--exclude \1/p' requirements/build.lock)
} >"$lock.new"
mv "$lock.new" "$lock"
rm -rf "$env"
