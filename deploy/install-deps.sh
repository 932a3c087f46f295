#!/bin/bash
# deploy/install-deps.sh - installs the Debian packages that building and running Fullfield needs; with --tests also
# those of the tests. Asks dpkg first: where nothing is missing it says so and touches neither network nor disk.
# Usage: deploy/install-deps.sh [--tests] [--dry-run]
set -euo pipefail

# gcc.. to build; jansson JSON; sodium SHA-256; openmpi + hdf5-openmpi results and datasets; fftw3 transforms; gsl
# special functions; cfitsio, png catalogues and pictures; sqlite3 the queue; zmq messages; microhttpd and curl HTTP.
build_packages=(gcc libc6-dev make git ca-certificates pkg-config
    libjansson-dev libsodium-dev libopenmpi-dev libhdf5-openmpi-dev libfftw3-dev libgsl-dev libcfitsio-dev libpng-dev
    libsqlite3-dev libzmq3-dev libmicrohttpd-dev libcurl4-openssl-dev openmpi-bin)
# cmocka unit tests; python3-* black-box tests; clang-format-14, shellcheck lint; chromium the web page; clang fuzzing.
test_packages=(libcmocka-dev python3 python3-venv python3-pytest python3-numpy python3-scipy python3-h5py
    python3-astropy python3-matplotlib python3-jsonschema python3-requests python3-zmq python3-selenium
    chromium chromium-driver fonts-dejavu-core clang-14 libclang-rt-14-dev clang-format-14 shellcheck)

packages=("${build_packages[@]}")
dry_run=false
for argument in "$@"; do
    case "$argument" in
    --tests) packages+=("${test_packages[@]}") ;;
    --dry-run) dry_run=true ;;
    *)
        echo "install-deps.sh: unknown argument '$argument'; allowed: --tests, --dry-run" >&2
        exit 2
        ;;
    esac
done

missing=()
for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -eq 0 ]; then
    echo "Debian packages: all ${#packages[@]} are installed"
    exit 0
fi

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null || {
        echo "install-deps.sh: not root and no sudo; as root: apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "Debian packages to install (${#missing[@]} of ${#packages[@]}): ${missing[*]}"
if $dry_run; then exit 0; fi
"${as_root[@]}" apt-get -q update
"${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600 install -y \
    --no-install-recommends "${missing[@]}" </dev/null
