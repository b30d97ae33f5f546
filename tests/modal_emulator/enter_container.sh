#!/bin/sh
# Runs a command in a file system of its own: a read-only view of this machine's programs, the
# image's files, an empty /tmp, and the volumes. Called in fresh mount and process namespaces.
#   enter_container.sh ROOT IMAGE_FILES "PATH ..." "VIEW=MOUNT ..." COMMAND...
set -eu
root=$1 image=$2 shown=$3 volumes=$4
shift 4

mount --make-rprivate /
mount -t tmpfs none "$root"
for entry in /bin /sbin /lib /lib32 /lib64 /libx32 /usr /etc /opt /var /dev /sys; do
    if [ -L "$entry" ]; then
        cp -P "$entry" "$root$entry"
    elif [ -d "$entry" ]; then
        mkdir "$root$entry"
        mount --rbind "$entry" "$root$entry"
    fi
done
mkdir -p "$root/proc" "$root/tmp" "$root/root"
mount -t proc proc "$root/proc"
for path in $shown; do
    if [ ! -e "$root$path" ]; then
        mkdir -p "$root$path"
        mount --rbind "$path" "$root$path"
    fi
done
cp -R "$image/." "$root/"
for volume in $volumes; do
    mkdir -p "$root${volume#*=}"
    mount --bind "${volume%%=*}" "$root${volume#*=}"
done
exec chroot "$root" env -C /root "$@"
