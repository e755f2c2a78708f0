# The lab's machine, for the scripts beside this file, which source it. They set:
#
#   image, lab   directories of built images: the guest's and the lab's
#   scratch      a directory for what is made on the way; clean_up removes it
#   patience     how long a guest may take, in seconds
# shellcheck shell=bash disable=SC2154  # the variables above
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)

fail() {
    echo "$(basename "$0"): $*" >&2
    exit 1
}

require_images() {
    local directory program
    for directory in "$image" "$lab"; do
        [ -f "$directory/image.json" ] || fail "'$directory' is no image: it has no image.json; build it first."
    done
    for program in qemu-system-x86_64 jq cpio sha256sum; do
        command -v "$program" > /dev/null || fail "'$program' is missing; install the packages of images/packages.txt."
    done
    qemu_version=$(qemu-system-x86_64 --version | sed -n 's/^QEMU emulator version //p')
    memory=$(jq -r .memoryMiB "$image/image.json")
    mapfile -t image_disks < <(jq -r '.disks[].file' "$image/image.json")
}

# The name of the n-th virtio disk, from 0.
disk_name() {
    local letters=abcdefghijklmnopqrstuvwxyz
    echo "/dev/vd${letters:$1:1}"
}

# The guest's arguments, in the form and order that stemma itself gives to QEMU: a stream loads only into a machine with
# the same devices.
guest_arguments() { # MACHINE DISKS CPUS CPU
    local index
    printf '%s ' -machine "$1,accel=kvm" -cpu "$4" -smp "$3" -m "${memory}M" \
        -nodefaults -no-user-config -display none -vga none
    for ((index = 0; index < $2; index++)); do
        printf '%s ' -blockdev "driver=raw,node-name=disk$index,file.driver=host_device,file.filename=$(disk_name "$index")" \
            -device "virtio-blk-pci,drive=disk$index,id=virtio-disk$index,addr=0x$(printf %x $((4 + index)))"
    done
}

# Runs a machine of the lab to its end: `work/job/list` says what it does, its console goes to `work/console`.
run_machine() { # WORK JOBS DRIVE...
    local work=$1 jobs=$2 disk drives=()
    shift 2
    cp "$image/kernel" "$image/initrd" "$work/job"
    jq -r .commandLine "$image/image.json" > "$work/job/append"
    echo "$patience" > "$work/job/patience"
    for disk in "${image_disks[@]}"; do
        # Writable for the guest, as in stemma, because the disk's features are part of the stream; nothing is kept.
        drives+=(-drive "if=virtio,format=raw,snapshot=on,file=$image/$disk")
    done
    # The kernel unpacks one archive after the other.
    cp "$lab/initrd" "$work/initrd"
    (cd "$work" && find job | cpio --quiet -o -H newc >> initrd)
    rm -r "$work/job"
    timeout $((120 + jobs * (60 + patience))) qemu-system-x86_64 \
        -machine "$(jq -r .machine "$lab/image.json"),accel=tcg" \
        -cpu "$(jq -r .cpu "$lab/image.json")" -m "$(jq -r .memoryMiB "$lab/image.json")M" \
        -nodefaults -no-user-config -no-reboot -display none -vga none -kernel "$lab/kernel" -initrd "$work/initrd" \
        -append "$(jq -r .commandLine "$lab/image.json")" -serial stdio "${drives[@]}" "$@" \
        < /dev/null > "$work/console" 2> "$work/errors" &
    echo $! > "$work/pid"
    wait $!
}

# What the machine said on its console so far: NAME EVENT VALUE, one a line.
events() { tr -d '\r' < "$1/console" 2> /dev/null | sed -n 's/^LAB //p'; }

clean_up() {
    local file
    for file in "$scratch"/*/pid "$scratch"/pid; do
        if [ -f "$file" ]; then kill "$(cat "$file")" 2> /dev/null || true; fi
    done
    rm -rf "$scratch"
}
