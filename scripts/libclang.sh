#!/usr/bin/env bash
# Checks that the build will find a libclang that works. If it won't, prints why and exits with 1.
#
# bindgen reads the server's header with libclang. It takes the newest library with one of these names
# in these folders (the rules of its crate clang-sys, in build/common.rs and dynamic.rs). It fails if
# that library doesn't load, or doesn't find the compiler's own headers, which Debian has in a separate
# package. So this script looks for the same library and has it read a header.
set -euo pipefail
shopt -s nullglob
export LC_ALL=C
IFS= # folders are expanded as patterns, and may have blanks in their names

# A prefix of the system folders, empty unless the tests set it.
ROOT=${LIBCLANG_ROOT:-}
NAMES=('libclang.so' 'libclang-*.so' 'libclang.so.*' 'libclang-*.so.*')
FOLDERS=('/usr/local/llvm*/lib*' '/usr/local/lib*/*/*' '/usr/local/lib*/*' '/usr/local/lib*'
         '/usr/lib*/*/*' '/usr/lib*/*' '/usr/lib*')

folders() {
    local prefix listed
    if [ -n "${LIBCLANG_PATH+set}" ]; then
        if [ -d "$LIBCLANG_PATH" ]; then echo "$LIBCLANG_PATH"; else dirname "$LIBCLANG_PATH"; fi
        return
    fi
    if prefix=$("${LLVM_CONFIG_PATH:-llvm-config}" --prefix 2>/dev/null); then
        printf '%s\n' "$prefix/bin" "$prefix/lib" "$prefix/lib64"
    fi
    listed=${LD_LIBRARY_PATH:-}:${LIBRARY_PATH:-}
    printf '%s\n' "${listed//:/$'\n'}"
    printf "$ROOT%s\n" "${FOLDERS[@]}"
}

is_library() {
    local magic
    [ -f "$1" ] && read -r -N 4 magic 2>/dev/null <"$1" && [ "$magic" = $'\177ELF' ]
}

# libclang.so has none, libclang.so.1 has 1, libclang-14.so.1 has 14.
version() {
    local number=${1#libclang[.-]}
    number=${number#so}
    number=${number#.}
    [ -n "$number" ] || { echo -1; return; }
    number=${number%%[!0-9]*}
    echo "${number:-0}"
}

# libclang-cpp is another library whose name matches too.
is_other() { case $1 in *-cpp.*) ;; *) false ;; esac; }

newest() {
    local folder name file found best=-2 chosen=
    while read -r folder; do
        [ -n "$folder" ] || continue
        for name in "${NAMES[@]}"; do
            for file in $folder/$name; do
                is_other "${file##*/}" && continue
                # If LIBCLANG_PATH names a file, only that file counts.
                [ -d "${LIBCLANG_PATH:-/}" ] || [ "$file" = "$LIBCLANG_PATH" ] || continue
                is_library "$file" || continue
                found=$(version "${file##*/}")
                if [ "$found" -gt "$best" ]; then best=$found chosen=$file; fi
            done
        done
    done < <(folders)
    [ -n "$chosen" ] && echo "$chosen"
}

make_reader() {
    cc -x c - -o "$1" -ldl 2>/dev/null <<'TEXT'
#include <dlfcn.h>
#include <stdio.h>

/* As in libclang's own headers, which may not be installed. */
struct file { const char *name, *text; unsigned long length; };

int main(int count, char **words) {
    void *library = count > 1 ? dlopen(words[1], RTLD_NOW) : NULL;
    if (!library) return fprintf(stderr, "%s\n", dlerror()), 1;
    void *(*index)(int, int) = dlsym(library, "clang_createIndex");
    void *(*parse)(void *, const char *, const char *const *, int, struct file *, unsigned, unsigned) =
        dlsym(library, "clang_parseTranslationUnit");
    unsigned (*faults)(void *) = dlsym(library, "clang_getNumDiagnostics");
    if (!index || !parse || !faults) return fputs("it is no libclang\n", stderr), 1;
    static const char text[] = "#include <stddef.h>\n#include <stdint.h>\n#include <stdio.h>\n";
    struct file file = {"header.h", text, sizeof text - 1};
    void *unit = parse(index(0, 1), file.name, NULL, 0, &file, 1, 0);
    return !unit || faults(unit);
}
TEXT
}

if ! library=$(newest); then
    if [ -n "${LIBCLANG_PATH+set}" ]; then echo "no libclang at LIBCLANG_PATH=$LIBCLANG_PATH"; else echo 'no libclang'; fi
    exit 1
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
make_reader "$folder/reader" || exit 0 # without a C compiler; scripts/setup.sh reports that itself
if ! said=$("$folder/reader" "$library" 2>&1); then
    echo "$library can't read a header: ${said%%$'\n'*}"
    exit 1
fi
