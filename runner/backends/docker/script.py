"""What runs in a sandbox: the shell's side of what ``answers`` says."""

from runner.pipelinectl.layout import STATE

SANDBOX = "sandbox"
"""The role of sandboxes."""

MARKS_FOLDER, SCRIPTS_FOLDER = "released", "scripts"
"""The directories of gates' marks, and of the scripts of steps, in the volume of a run's values."""

RESTORED = f"{STATE}/.restored"
"""What an earlier run has left for the store of this one."""

# Its arguments: where the values, the shim, the configuration and the outputs are mounted.
# Directories must be open to every user of every step before the first of them starts; by the next sandbox that of the
# outputs may belong to a user whom a step chose.
#
# What stands in its place is whole: values and programs are unpacked aside and renamed, and the configuration is
# closed (0700) until it is complete. `mv` into a directory is one rename of each, and fails on a directory that has
# been filled meanwhile.
SCRIPT = r"""
state=$1 shim=$2 config=$3 outputs=$4
[ -d "$state/released" ] || chmod 0777 "$outputs" || exit 1
mkdir -p "$state/released" "$state/requests" "$state/returns" "$state/scripts" || exit 1
chmod 0777 "$state/released" "$state/requests" "$state/returns" || exit 1
[ -e "$state/bell" ] || [ -L "$state/bell" ] || { true >"$state/bell" && chmod 0666 "$state/bell"; } || exit 1

enter() { cd "$1" && [ "$(pwd -P)" = "$1" ]; }

unpack() { head -c "$size" | { mkdir -p "$1" && tar -xof - -C "$1"; code=$?; cat >/dev/null; exit "$code"; }; }

open() {
    if [ -d "$state/values" ]; then
        head -c "$size" >/dev/null
        echo begun
    elif [ -d "$state/.restored" ]; then
        unpack "$state/.restored" && chmod 0777 "$state/.restored" && mv "$state/.restored" "$state/values" || return
    else
        unpack "$state/.$token" && chmod 0777 "$state/.$token" && mv "$state/.$token" "$state/values" || return
    fi
    [ -d "$shim/bin" ] || echo shim
    [ "$(stat -c %a "$config")" = 755 ] || echo config
}

restore() {
    if [ -d "$state/values" ]; then head -c "$size" >/dev/null; return; fi
    echo new
    mkdir -p "$state/.restored" && unpack "$outputs"
}

restore_returns() { if [ -d "$state/values" ]; then head -c "$size" >/dev/null; else unpack "$state/returns"; fi; }

mark() { name=$(head -c "$size") && enter "$state/released" && true >"$name"; }

fill_shim() {
    unpack "$shim/.$token" && enter "$shim/.$token" || return
    for part in *; do [ "$part" = bin ] || mv "$part" "$shim" || [ -d "$shim/$part" ] || return; done
    { mv bin "$shim" || [ -d "$shim/bin" ]; } && cd "$shim" && rm -rf ".$token"
}

fill_config() { unpack "$config" && chmod 0755 "$config"; }

put_into() {
    unpack "$state/.$token" && enter "$1" || return
    mv -f "$state/.$token"/* . && rmdir "$state/.$token"
}

put() { put_into "$state/values"; }

put_script() { put_into "$state/scripts"; }

read_outputs() { tar -cf - -C "${outputs%/*}" "${outputs##*/}"; }

read_values() {
    enter "$state/values" || { echo lost; return; }
    find . -maxdepth 1 -type f -name '[ft].*' ! -name '*[!A-Za-z0-9_.%~,-]*' -exec stat -c '%s %n' {} +
    pack -name '[!.]*' ! -name '[ft].*'
}

read_requests() {
    enter "$state/requests" || { echo lost; return; }
    pack -name '[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f].*' ! -name '*[!a-z0-9.-]*'
}

list_returns() {
    enter "$state/returns" || { echo lost; return; }
    find . -maxdepth 1 -type f -name '[a-z].*' ! -name '*[!A-Za-z0-9_.%~,-]*' -exec stat -c '%i %s %z %n' {} +
}

read_returns() {
    enter "$state/returns" || { head -c "$size" >/dev/null; echo lost; return; }
    head -c "$size" | xargs -0 sh -c '
        list() { printf "\n%s\n" "$token" && stat -c "%i %s %z %n" "$@"; }
        token=$0; list "$@"; printf "\n%s\n" "$token"; tar -cf - "$@"; list "$@"' "$token"
}

pack() { find . -maxdepth 1 -type f "$@" -exec sh -c 'printf "\n%s\n" "$0"; tar -cf - "$@"' "$token" {} +; }

while IFS=' ' read -r verb token most size; do
    [ -n "$size" ] || continue
    printf '\n%s:\n' "$token"
    case $verb in
        open | restore | restore_returns | put | put_script | mark | fill_shim | fill_config) $verb 2>&1 ;;
        read_outputs | read_values | read_requests | list_returns | read_returns) $verb 2>/dev/null | head -c "$most" ;;
        leave) exit ;;
        *) false ;;
    esac
    status=$?
    [ "$status" = 0 ] || rm -rf "$state/.$token" "$shim/.$token"
    printf '\n%s %s\n' "$token" "$status"
done
exec sleep 2147483647
"""
