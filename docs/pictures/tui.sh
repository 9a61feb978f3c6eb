#!/bin/sh
# Makes the pictures of docs/tui.md from a real run: docs/pictures/tui.sh path/to/dcode
# Needs tmux, git and python3. The runs take some minutes on two cores.
set -eu
dcode=$(realpath "$1")
pictures=$(realpath "$(dirname "$0")")
examples=$pictures/../../examples
work=$(mktemp -d)
trap 'tmux -L dcode-pictures kill-server 2>/dev/null || true; rm -rf "$work"' EXIT

cp "$examples/stats.py" "$examples/words.rs" "$work"
cd "$work"
mkdir docs && echo "Figures." > docs/notes.md
git init -q -b main && git add . && git -c user.name=x -c user.email=x@example.org commit -qm "Begin"
sed -i 's/about a list/of a list/' stats.py && echo "later" > todo.txt

screen() { tmux -L dcode-pictures "$@"; }
keys() { for key in "$@"; do screen send-keys -t p "$key"; sleep 0.15; done; }
wait_for() {
    i=0
    until screen capture-pane -t p -p | grep -q -- "$1"; do
        i=$((i + 1))
        [ $i -lt 3000 ] || { screen capture-pane -t p -p; echo "never seen: $1" >&2; exit 1; }
        sleep 0.1
    done
}
picture() {
    sleep 0.3
    screen capture-pane -t p -p -e > "$work/$1.txt"
    python3 "$pictures/ansi_to_svg.py" "$work/$1.txt" > "$pictures/tui-$1.svg"
}

screen -f /dev/null new-session -d -s p -x 96 -y 26 "env HOME=$work DCODE_HOME=$work/home ${DCODE_MODEL:+DCODE_MODEL=$DCODE_MODEL} TERM=xterm-256color COLORTERM=truecolor $dcode"
wait_for "stats.py"
keys s t
picture picker
keys Enter
wait_for "def mean"
keys s
wait_for "spread"
keys m e a n Enter
wait_for "lines 4-8"
wait_for "cpu"
keys i
screen send-keys -t p -l "Use the built-in sum."
keys Enter
wait_for "hunk 1"
picture review
keys Escape s
wait_for "spread"
keys m e d i a n Enter
wait_for "lines 11-16"
keys i C-u C-t
screen send-keys -t p -l "Use slicing and a conditional expression."
keys Enter
wait_for "step 1[0-9]"
keys Space
picture run
keys Right
wait_for " %"
picture tokens
