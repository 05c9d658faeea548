# Makes the checkout's own virtual environment, .venv; sourced by examples/quickstart/run and tests/run.
# Needs $root, the checkout. POSIX sh; the stamps make a second run quick. VENV names another place for it.

venv=${VENV:-$root/.venv}
python=$venv/bin/python
mark=$venv/.zoosup-root

say() { printf '%s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

is_new_enough() {
    "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null
}

# The interpreter to make the environment from: $PYTHON, or the newest that is found. A name on PATH
# may be a shim without an interpreter behind it, so each candidate is run, not looked up.
find_python() {
    candidates=${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3 python}
    for candidate in $candidates; do
        if is_new_enough "$candidate"; then
            printf '%s\n' "$candidate"
            return
        fi
    done
    die "zoosup needs Python 3.11 or newer, which is not among: $candidates. Install it, or name one: PYTHON=/path/to/python3 $0"
}

# The mark says that the environment is this script's own, and where the checkout lay: nobody else's is
# removed, and one that was moved is made anew, because its commands name the old place.
make_venv() {
    base=$(find_python) || exit 1
    [ ! -e "$venv" ] || [ -f "$mark" ] || die "$venv has no working Python 3.11 and is not of $0's making; remove it"
    "$base" -c 'import ensurepip, venv' 2>/dev/null ||
        die "$base lacks the venv or ensurepip module (Debian, Ubuntu: apt install python3-venv). Install it, or name another: PYTHON=/path/to/python3 $0"
    say "making .venv with $("$base" -V)"
    rm -rf "$venv" && mkdir "$venv" && printf '%s' "$root" >"$mark" &&
        "$base" -m venv "$venv" || die "$base could not make $venv"
}

usable() {
    is_new_enough "$python" && { [ ! -f "$mark" ] || [ "$(cat "$mark")" = "$root" ]; }
}

# ensure NAME [PIP ARGUMENT…]: zoosup is installed, with what the arguments name besides. The stamp holds
# what makes an installation stale.
ensure() {
    stamp=$venv/.zoosup-$1
    shift
    usable || make_venv
    fresh=$(cksum <"$root/pyproject.toml")
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$fresh" ]; then
        return
    fi
    say "installing zoosup into .venv"
    "$python" -m pip --version >/dev/null 2>&1 || "$python" -m ensurepip >/dev/null ||
        die "$venv has no pip and ensurepip could not add it; remove $venv and try again"
    # Dependency groups came with pip 25.1.
    "$python" -m pip install --quiet --upgrade 'pip>=25.1' &&
        "$python" -m pip install --quiet --editable "$root" "$@" ||
        die "zoosup could not be installed; pip's own words are above"
    printf '%s' "$fresh" >"$stamp"
}
