#!/bin/bash
# A disk that loses power, made of Debian packages (nbdkit, libnbd-bin, fuse3, e2fsprogs). Needs root and /dev/fuse.
#
#   powercut.sh on DIR    mounts the disk at DIR/mnt: ext4 on a loop device on nbdfuse on nbdkit, whose cache filter keeps
#                         every write in memory until a flush asks for it. The first time the disk is made.
#   powercut.sh cut DIR   the power goes: nbdkit dies, and with it what nobody flushed
#   powercut.sh off DIR   takes everything down, whatever state it is in; the disk stays as it is
set -euo pipefail
# Where mkfs.ext4 and losetup are.
PATH=$PATH:/usr/sbin:/sbin

command=${1:?on, cut or off}
dir=$(realpath "${2:?a directory}")
image=$dir/disk.img
size=${POWERCUT_SIZE:-512M}

wait_for() {
    for _ in $(seq 200); do
        "$@" && return
        sleep 0.05
    done
    echo "waited in vain for: $*" >&2
    return 1
}

# What is dead and not yet buried has died.
alive() { [ -s "$dir/$1.pid" ] && grep -qs '^State:.[^ZX]' "/proc/$(cat "$dir/$1.pid")/status"; }
gone() { ! alive "$1"; }

end() {
    if alive "$1"; then kill -9 "$(cat "$dir/$1.pid")" || true; fi
    wait_for gone "$1" && rm -f "$dir/$1.pid"
}

# Asks the list of mounts: whoever asks a dead one is told nothing.
unmount() { if grep -qs " $1 " /proc/self/mounts; then umount -l "$1"; fi; }

on() {
    mkdir -p "$dir/fuse" "$dir/mnt"
    if [ ! -e "$image" ]; then
        truncate -s "$size" "$image"
        mkfs.ext4 -q -F "$image"
    fi
    rm -f "$dir/socket"
    # The unflushed writes live where TMPDIR says: in memory. None is written back before its time for want of room.
    TMPDIR=/dev/shm nbdkit --unix "$dir/socket" --pidfile "$dir/nbdkit.pid" --filter=cache \
        file "$image" cache=writeback cache-max-size="$size"
    wait_for test -S "$dir/socket"
    nbdfuse --pidfile "$dir/nbdfuse.pid" "$dir/fuse" --unix "$dir/socket" &
    wait_for test -e "$dir/fuse/nbd"
    losetup --find --show "$dir/fuse/nbd" > "$dir/loop"
    mount -t ext4 "$(cat "$dir/loop")" "$dir/mnt"
}

off() {
    # Without nbdkit first: an orderly unmount must not save what the cut took.
    end nbdkit
    unmount "$dir/mnt"
    if [ -s "$dir/loop" ]; then
        losetup -d "$(cat "$dir/loop")" || true
        rm -f "$dir/loop"
    fi
    end nbdfuse
    unmount "$dir/fuse"
}

case $command in
on) on ;;
cut) end nbdkit ;;
off) off ;;
*)
    echo "usage: powercut.sh on|cut|off DIR" >&2
    exit 2
    ;;
esac
